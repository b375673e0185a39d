"""Texts on the screen: their height follows what they hold."""

import pytest
from textual.app import App, ComposeResult
from textual.containers import Vertical

from minimind_tui.app.texts import PlainText


class Holder(App[None]):
    CSS = "Vertical { height: auto; max-height: 6; }"

    def compose(self) -> ComposeResult:
        with Vertical():
            yield PlainText("one line")


@pytest.mark.parametrize(("text", "height"), [("a\nb\nc", 3), ("", 1), ("\n".join("abcdefgh"), 8)])
async def test_a_second_text_right_behind_a_first_has_its_own_height(text: str, height: int) -> None:
    app = Holder()
    async with app.run_test() as pilot:
        shown = app.query_one(PlainText)
        shown.show("another line")
        app.screen._refresh_layout()  # what a busy application does before the widget has been idle
        shown.show(text)
        await pilot.pause()
        await pilot.pause(0.1)
        assert shown.size.height == height
        assert app.query_one(Vertical).size.height == min(height, 6)
