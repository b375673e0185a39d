"""Trouble in a screen: ours in a panel with a traceback, the user's in their words, and nothing ends."""

import asyncio
from pathlib import Path
from typing import ClassVar

import pytest
from placeholder_screen import Placeholder
from screens import running, screen_text, until_shown
from textual.screen import Screen

from engine.errors import UserError
from minimind_tui.app.application import MinimindApp


class Breaking(Placeholder):
    BINDINGS: ClassVar = [("b", "break", "Break"), ("u", "user_mistake", "Mistake")]

    def action_break(self) -> None:
        raise ValueError("broken [red]action[/red]")

    def action_user_mistake(self) -> None:
        raise UserError("Take another [b]file[/b].")

    def on_button_pressed(self) -> None:
        raise KeyError("broken handler")

    async def on_key(self, event: object) -> None:
        if getattr(event, "key", "") == "z":
            await asyncio.sleep(0)
            raise RuntimeError("broken coroutine")


@pytest.mark.parametrize(
    ("press", "words"),
    [("b", "ValueError: broken [red]action[/red]"), ("enter", "KeyError"), ("z", "broken coroutine")],
)
async def test_an_error_of_ours_is_shown_in_a_panel_and_ends_nothing(press: str, words: str) -> None:
    async with running() as (app, pilot):
        app.push_screen(Breaking())
        await pilot.pause()
        await pilot.press(press)
        await until_shown(pilot, "Something went wrong here")
        text = " ".join(screen_text(app).replace("│", " ").split())
        assert words in text and "the traceback is in" in text
        [told] = app.troubles
        path = Path(told.split("traceback is in ")[1].rstrip(")"))
        assert "Traceback" in path.read_text()
        path.unlink()
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, Breaking)
        app.troubles.clear()


async def test_a_mistake_of_the_user_is_told_in_its_own_words() -> None:
    async with running() as (app, pilot):
        app.push_screen(Breaking())
        await pilot.pause()
        await pilot.press("u")
        await until_shown(pilot, "Take another [b]file[/b].")
        assert isinstance(app.screen, Breaking)


async def test_a_screen_that_cannot_be_made_is_trouble_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: MinimindApp) -> Screen[None]:
        raise ImportError("no such screen")

    monkeypatch.setattr(MinimindApp, "open_wizard", broken)
    async with running() as (app, pilot):
        await pilot.press("f3")
        await until_shown(pilot, "no such screen")
        app.troubles.clear()


async def test_a_look_that_fails_is_told_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running() as (app, pilot):

        def fail() -> bool:
            raise OSError("the disk is gone")

        monkeypatch.setattr(app.index, "poll", fail)
        app._looked_at = -100.0
        await until_shown(pilot, "the disk is gone")
        assert app.return_code is None
