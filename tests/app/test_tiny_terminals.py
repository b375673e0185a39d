"""A terminal too small to show anything: nothing breaks, and a larger one shows everything again."""

from pathlib import Path

import pytest
from run_material import write_run
from screens import running, until_shown

from engine.run.schema import State


@pytest.mark.parametrize("size", [(1, 1), (10, 4)])
async def test_every_screen_bears_a_tiny_terminal(workspace: Path, size: tuple[int, int]) -> None:
    folder = write_run(workspace, steps=60, state=State.CRASHED)
    async with running(size=size) as (app, pilot):
        for key in ("f3", "f4", "f5", "f6", "f1", "escape", "f2"):
            await pilot.press(key)
            await pilot.pause(0.1)
        app.open_run(folder)
        for key in ("1", "2", "3", "4", "5", "r"):
            await pilot.press(key)
            await pilot.pause(0.1)
        await pilot.press("escape", "f2")
        await pilot.resize_terminal(80, 24)
        await until_shown(pilot, "Recent runs")
