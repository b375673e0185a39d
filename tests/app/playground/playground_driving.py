"""How the tests drive the playground: open it, give a prompt, read what the processes were asked."""

import json
from pathlib import Path
from typing import Any

from screens import screen_text, until
from textual.pilot import Pilot

from minimind_tui.app.application import MinimindApp
from minimind_tui.app.screens.playground.screen import PlaygroundScreen
from minimind_tui.app.screens.playground.typing_fields import PromptArea


def asked(log: Path) -> list[dict[str, Any]]:
    """The requests for a text; those that only load a model ahead are left out."""
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return [request for line in lines if (request := json.loads(line))["max_tokens"]]


def screen_of(app: MinimindApp) -> PlaygroundScreen:
    assert isinstance(app.screen, PlaygroundScreen)
    return app.screen


async def opened(app: MinimindApp, pilot: Pilot[int]) -> PlaygroundScreen:
    await pilot.press("f5")
    await pilot.pause()
    return screen_of(app)


async def write(pilot: Pilot[int], screen: PlaygroundScreen, prompt: str, *, wait: bool = True) -> None:
    """Give a prompt as if it was typed, and wait for all answers."""
    screen.query_one(PromptArea).put(prompt)
    await pilot.pause()
    await pilot.press("enter")
    if wait:
        await until(pilot, lambda: bool(screen.state.left.answers) and not screen.state.is_writing)
        await until(pilot, lambda: screen._writers.is_quiet and not screen._draw_planned)
        await pilot.pause()


def pids(screen: PlaygroundScreen) -> list[int]:
    return screen._writers.pids


def without_footer(app: MinimindApp) -> str:
    return "".join(screen_text(app).splitlines(keepends=True)[:-1])
