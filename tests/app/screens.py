"""What tests of the application share: a driven application, its screen as text, and snapshots of that text."""

import difflib
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual._context import visible_screen_stack
from textual.pilot import Pilot
from textual.strip import Strip

from minimind_tui.app.application import MinimindApp

SNAPSHOTS = Path(__file__).parent / "snapshots"
SIZES = {"80x24": (80, 24), "120x36": (120, 36)}


@asynccontextmanager
async def running(
    app: MinimindApp | None = None, *, size: tuple[int, int] = (120, 36)
) -> AsyncIterator[tuple[MinimindApp, Pilot[int]]]:
    """An application in a made-up terminal, its notifications on, settled once. No handler may have failed in it."""
    app = app or MinimindApp()
    async with app.run_test(size=size, notifications=True) as pilot:
        await pilot.pause()
        yield app, pilot
    assert app.troubles == [], app.troubles


def drawn(app: MinimindApp) -> list[Strip]:
    """What the screen shows, a line a line, with its colours.

    What is behind a dialog is drawn with it, and kept: it has to be known here as it is where the application draws.
    """
    token = visible_screen_stack.set(app._background_screens)
    try:
        return app.screen._compositor.render_strips()
    finally:
        visible_screen_stack.reset(token)


def screen_text(app: MinimindApp) -> str:
    """What the screen shows, a line a line, without colours and without blanks at the ends."""
    width, height = app.size
    lines = drawn(app)
    rows = ["".join(segment.text for segment in strip).rstrip() for strip in lines]
    assert len(rows) <= height and width
    return "\n".join(rows).rstrip() + "\n"


async def until(pilot: Pilot[int], holds: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until something holds; fails with the screen when it does not come to."""
    for _attempt in range(int(seconds / 0.05)):
        if holds():
            return
        await pilot.pause(0.05)
    pytest.fail("it did not come to hold; the screen:\n" + screen_text(pilot.app))  # type: ignore[arg-type]


async def until_shown(pilot: Pilot[int], text: str, seconds: float = 10.0) -> None:
    """Wait until the screen shows a text."""
    await until(pilot, lambda: text in screen_text(pilot.app), seconds)  # type: ignore[arg-type]


def compare_with_snapshot(name: str, text: str, *, hide: dict[str, str] | None = None) -> None:
    """Hold the screen's text against tests/app/snapshots/NAME.txt; with UPDATE_SNAPSHOTS=1 write that file instead.

    `hide` maps patterns of what differs from run to run (times, ids, speeds) to what stands for it.
    """
    text = _hidden(text, hide)
    path = SNAPSHOTS / f"{name}.txt"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.write_text(text, encoding="utf-8")
        return
    assert path.is_file(), f"no snapshot {path.name}; make it with UPDATE_SNAPSHOTS=1 and look at it"
    wanted = path.read_text(encoding="utf-8")
    if text != wanted:
        lines = difflib.unified_diff(wanted.splitlines(), text.splitlines(), "snapshot", "screen", lineterm="", n=1)
        pytest.fail(f"{path.name} differs; UPDATE_SNAPSHOTS=1 takes the new one\n" + "\n".join(lines), pytrace=False)


async def settle_on_snapshot(
    pilot: Pilot[int],
    name: str,
    look: Callable[[], str],
    seconds: float = 5.0,
    *,
    hide: dict[str, str] | None = None,
) -> None:
    """Wait until what `look` sees is the snapshot, then hold it against that: a slow machine draws in pieces."""
    path = SNAPSHOTS / f"{name}.txt"
    wanted = path.read_text(encoding="utf-8") if path.is_file() else ""
    for _attempt in range(int(seconds / 0.05)):
        if _hidden(look(), hide) == wanted:
            break
        await pilot.pause(0.05)
    compare_with_snapshot(name, look(), hide=hide)


Step = Callable[[Pilot[int]], Awaitable[None]]


def _hidden(text: str, hide: dict[str, str] | None) -> str:
    """The text with stand-ins for what differs from run to run."""
    for pattern, stand_in in (hide or {}).items():
        text = re.sub(pattern, lambda found, stand_in=stand_in: _same_width(found[0], stand_in), text)
    return text


def _same_width(found: str, stand_in: str) -> str:
    return (stand_in * len(found))[: len(found)]
