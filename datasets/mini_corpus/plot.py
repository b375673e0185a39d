"""What a plot is: beats in order, each with several wordings, and cases that fill them with matching details."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Plot:
    """A skeleton of a story.

    `beats`: what happens, one tuple of wordings a beat. `cases`: details that belong together, one is drawn a story.
    `who`: "people", "animals" or "any", the world the plot makes sense in.
    """

    name: str
    beats: tuple[tuple[str, ...], ...]
    cases: tuple[dict[str, str], ...]
    who: str = "any"


def cases(keys: str, *rows: str) -> tuple[dict[str, str], ...]:
    """A table of details: `keys` names the columns, each row gives their values, separated by " | "."""
    names = keys.split()
    return tuple(dict(zip(names, row.split(" | "), strict=True)) for row in rows)
