"""What the model wrote over time: the samples of a run, put together by step."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.run.schema import EventKind
from minimind_tui.safe_text import printable

Line = dict[str, Any]


@dataclass
class SamplePage:
    """The samples of one step of one attempt: prompts, each with what the model made of it."""

    step: int
    attempt: int
    texts: list[tuple[str, str]] = field(default_factory=list)

    @property
    def key(self) -> str:
        """Tells it apart from all other pages."""
        return f"{self.attempt}-{self.step}"


def sample_pages(events: Sequence[Line]) -> list[SamplePage]:
    """The samples of a run, newest first; texts are made harmless to a terminal."""
    pages: list[SamplePage] = []
    for event in events:
        if event.get("kind") != EventKind.SAMPLE:
            continue
        step, attempt = event.get("step"), event.get("attempt")
        if type(step) is not int or type(attempt) is not int:
            continue
        if not pages or (pages[-1].step, pages[-1].attempt) != (step, attempt):
            pages.append(SamplePage(step, attempt))
        pages[-1].texts.append((printable(str(event.get("prompt") or "")), printable(str(event.get("text") or ""))))
    return pages[::-1]
