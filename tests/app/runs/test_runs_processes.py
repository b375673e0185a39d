"""Resumed and forked from the browser with real processes: they are watched growing in the list."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from app_processes import end_all_runs, train_at_a_pace
from run_material import dead_process, write_run
from runs_browsing import browser, settled
from runs_dialogs import until_dialog, until_told, usable
from screens import until, until_shown
from textual.widgets import TextArea

from engine.run.observe import observe
from engine.run.process import is_alive
from engine.run.schema import State
from minimind_tui.app.application import MinimindApp
from minimind_tui.app.dialogs import ChoiceDialog
from minimind_tui.app.screens.runs.fork_dialog import ForkDialog
from minimind_tui.app.screens.runs.screen import RunsScreen


@pytest.fixture
def paced(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Runs that are started here are trained by the paced trainer; nothing of them outlives the test."""
    train_at_a_pace(monkeypatch, steps=2000, step_seconds=0.02)
    yield workspace
    end_all_runs(workspace)


async def test_a_run_is_resumed_and_watched_growing_in_the_list(paced: Path) -> None:
    folder = usable(write_run(paced, state=State.CRASHED, steps=180), paced)
    async with browser() as (app, pilot, screen):
        await pilot.press("r")
        await until_dialog(app, pilot, ChoiceDialog)
        await pilot.press("r")
        await until(pilot, lambda: observe(folder).state is State.RUNNING, 30)
        await until(pilot, lambda: _poll(app, screen) and (observe(folder).status or folder).step > 155, 30)  # type: ignore[union-attr]
        await until_shown(pilot, "● running")
        await until_shown(pilot, "1 live")
        manifest = folder.read_manifest()
        assert [(one.attempt, one.start_step) for one in manifest.attempts] == [(1, 0), (2, 150)]


async def test_a_fork_is_made_started_and_chosen(paced: Path) -> None:
    parent = usable(write_run(paced, state=State.STOPPED, steps=100), paced)
    async with browser() as (app, pilot, screen):
        await pilot.press("f")
        await until_dialog(app, pilot, ForkDialog)
        app.screen.query_one(TextArea).text = "lr = 1e-4"
        await pilot.press("ctrl+g")
        await until(pilot, lambda: len(screen.rows) == 2, 30)
        await until_told(app, pilot, "was made and starts")
        assert screen.selected is not None
        fork = screen.selected.entry.folder
        assert fork != parent
        manifest = fork.read_manifest()
        assert manifest.lineage is not None and manifest.lineage.run == parent.id and manifest.lineage.step == 100
        await until(pilot, lambda: observe(fork).state is State.RUNNING, 30)
        await settled(pilot, screen)


def _poll(app: MinimindApp, screen: RunsScreen) -> bool:
    app.index.poll()
    screen.runs_changed()
    return True


def test_the_processes_of_the_material_are_no_processes() -> None:
    assert is_alive(dead_process()) is False
