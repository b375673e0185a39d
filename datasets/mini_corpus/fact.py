"""What a fact is: ways to ask for it and the true answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Fact:
    """`questions` are wordings of one question, `answers` wordings of its one answer. `topic` groups facts."""

    topic: str
    questions: tuple[str, ...]
    answers: tuple[str, ...]


def facts(topic: str, questions: Sequence[str], answers: Sequence[str], rows: Iterable[str]) -> list[Fact]:
    """One fact a row. A row's values, separated by " | ", fill {0}, {1}, ... of the wordings."""
    made = []
    for row in rows:
        values = row.split(" | ")
        made.append(Fact(topic, tuple(q.format(*values) for q in questions), tuple(w.format(*values) for w in answers)))
    return made


def plain(topic: str, *pairs: str) -> list[Fact]:
    """Single facts written out as question and answer, parted by the question mark (English or Chinese)."""
    made = []
    for pair in pairs:
        mark = "？" if "？" in pair else "?"
        question, _, answer = pair.partition(mark)
        made.append(Fact(topic, (question + mark,), (answer.strip(),)))
    return made
