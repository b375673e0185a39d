"""The footer: keys two columns apart where they all fit, whole keys left out where they do not."""

from pathlib import Path

import pytest
from screens import running, screen_text


@pytest.mark.parametrize(("width", "apart"), [(120, "  "), (72, " ")])
async def test_keys_stand_apart_and_off_the_edge(workspace: Path, width: int, apart: str) -> None:
    async with running(size=(width, 24)) as (app, pilot):
        await pilot.pause()
        footer = screen_text(app).splitlines()[-1]
        assert footer.startswith(" m Try mini" + apart + "n New run" + apart + "r Runs"), footer
        assert footer.rstrip().endswith("? Help" + apart + "q Quit") and len(footer.rstrip()) == width - 1


async def test_the_first_screen_offers_no_way_back(workspace: Path) -> None:
    async with running(size=(120, 24)) as (app, pilot):
        assert "Back" not in screen_text(app).splitlines()[-1]
        await pilot.press("f6")
        await pilot.pause()
        assert "esc Back" in screen_text(app).splitlines()[-1]
        await pilot.press("escape")
        await pilot.pause()
        assert "Back" not in screen_text(app).splitlines()[-1]
