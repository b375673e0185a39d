"""Forking from the browser: planned as one types, refused in words, cancelled."""

from pathlib import Path

import pytest
from run_material import write_run
from runs_browsing import browser
from runs_dialogs import until_dialog, until_told, usable
from screens import until, until_shown
from textual.widgets import TextArea

from engine.run.fork import ForkPlan
from engine.run.schema import State
from minimind_tui.app.screens.runs.fork_dialog import ForkDialog
from minimind_tui.app.screens.runs.screen import RunsScreen
from minimind_tui.core import run_actions


async def test_a_fork_is_planned_as_one_types_and_made(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = usable(write_run(workspace, state=State.STOPPED, steps=120, checkpoints=3), workspace)
    made: list[ForkPlan] = []
    monkeypatch.setattr(run_actions, "fork", lambda plan: (made.append(plan), folder)[1])
    async with browser() as (app, pilot, screen):
        await pilot.press("f")
        await until_dialog(app, pilot, ForkDialog)
        await until_shown(pilot, "It goes on from step 120")
        await pilot.press(*"lr=", "enter")
        await until_shown(pilot, "✗ line 1: learning_rate wants a value")
        await pilot.press("ctrl+g")
        await pilot.pause()
        assert made == [] and isinstance(app.screen, ForkDialog)
        app.screen.query_one(TextArea).text = "lr = 3e-4\nepochs = twenty"
        await until_shown(pilot, "epochs = twenty (your changes)")
        app.screen.query_one(TextArea).text = "lr = 3e-4\nepochs = 20"
        await until_shown(pilot, "It goes on from step 120")
        await pilot.press("shift+tab", "down")
        await until_shown(pilot, "It goes on from step 100")
        await pilot.press("tab", "tab", *"second", "enter")
        await until(pilot, lambda: bool(made))
        plan = made[0]
        assert (plan.step, plan.name, plan.parent) == (100, "second", folder)
        assert (plan.settings.learning_rate, plan.settings.epochs) == (3e-4, 20)
        await until(pilot, lambda: app.screen is screen)


async def test_a_fork_that_changes_the_network_is_refused_in_words(workspace: Path) -> None:
    usable(write_run(workspace, state=State.STOPPED), workspace)
    async with browser() as (app, pilot, _screen):
        await pilot.press("f")
        await until_dialog(app, pilot, ForkDialog)
        app.screen.query_one(TextArea).text = "hidden_size = 64"
        await until_shown(pilot, "A fork keeps the network")
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, RunsScreen)


async def test_cancel_makes_no_fork(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usable(write_run(workspace, state=State.STOPPED), workspace)
    made: list[object] = []
    monkeypatch.setattr(run_actions, "fork", made.append)
    async with browser() as (app, pilot, screen):
        await pilot.press("f")
        await until_dialog(app, pilot, ForkDialog)
        await pilot.click("#cancel")
        await until(pilot, lambda: app.screen is screen)
        await app.workers.wait_for_complete()
        assert made == []


async def test_without_a_checkpoint_there_is_nothing_to_fork(workspace: Path) -> None:
    write_run(workspace, state=State.FAILED, steps=20)
    async with browser() as (app, pilot, screen):
        await pilot.press("f")
        await until_told(app, pilot, "no checkpoint to fork from")
        assert app.screen is screen
