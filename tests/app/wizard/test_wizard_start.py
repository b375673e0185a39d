"""From the first key to a run that trains."""

import threading
from pathlib import Path
from typing import Any

import pytest
from run_material import write_run
from screens import running, screen_text, until, until_shown
from textual.pilot import Pilot
from wizard_steps import at_step, field, foreseen, opened, runs, type_into, wizard, write_tales

from engine.run.observe import observe
from engine.run.schema import State
from engine.settings.presets import load_preset
from engine.settings.run_toml import parse_settings
from minimind_tui.app.screens.dashboard.screen import DashboardScreen
from minimind_tui.app.screens.wizard.screen import WizardScreen


async def ended(pilot: Pilot[int], workspace: Path) -> None:
    """Wait for the run's processes: none outlives a test."""
    await until(pilot, lambda: all(not observe(folder).is_live for folder in runs(workspace)), 20)


async def test_one_key_alone_starts_the_smoke_test(workspace: Path) -> None:
    key = "enter"
    async with running(size=(80, 24)) as (app, pilot):
        screen = await opened(app, pilot)
        for step in ("preset", "data", "settings"):
            assert screen.draft.step == step
            await pilot.press(key)
            await until(pilot, lambda step=step: screen.draft.step != step and screen.focused is not None)
        await foreseen(pilot, screen)
        await pilot.press(key)
        await until(pilot, lambda: isinstance(app.screen, DashboardScreen))
        [folder] = runs(workspace)
        assert parse_settings(folder.run_toml) == (load_preset("mini").settings(), "mini")
        assert folder.id.endswith("-mini")
        await ended(pilot, workspace)
        assert observe(folder).state is State.FINISHED
        await pilot.press("escape")
        await pilot.pause()
        assert not isinstance(app.screen, WizardScreen), "from the dashboard one comes back to where one was before"


async def test_going_on_from_step_to_step_ends_at_the_review_and_starts_nothing(workspace: Path) -> None:
    async with running(size=(80, 24)) as (app, pilot):
        screen = await opened(app, pilot)
        for step in ("preset", "data", "settings"):
            assert "Next" in screen_text(app).splitlines()[-1]
            await pilot.press("ctrl+n")
            await until(pilot, lambda step=step: screen.draft.step != step and screen.focused is not None)
        await foreseen(pilot, screen)
        await pilot.press("ctrl+n", "ctrl+n")
        await pilot.pause()
        assert app.screen is screen and screen.draft.step == "review" and not runs(workspace)
        footer = screen_text(app).splitlines()[-1]
        assert "Start" in footer and "Next" not in footer


async def test_hammering_enter_starts_one_run(workspace: Path) -> None:
    async with running(size=(80, 24)) as (app, pilot):
        await opened(app, pilot)
        for _press in range(20):
            await pilot.press("enter")
            if isinstance(app.screen, DashboardScreen):
                break
        await until(pilot, lambda: isinstance(app.screen, DashboardScreen))
        assert len(runs(workspace)) == 1
        await ended(pilot, workspace)


async def test_what_is_typed_is_what_runs(workspace: Path) -> None:
    write_tales(workspace / "mine.jsonl")
    async with running(size=(120, 36)) as (app, pilot):
        screen = await at_step(app, pilot, "data")
        await type_into(pilot, screen, "#data-path", "mine.jsonl")
        await at_step(app, pilot, "settings")
        await field(pilot, screen, "learning_rate", "0.01")
        await field(pilot, screen, "schedule", "wsd")
        await field(pilot, screen, "adam_beta2", "0.95")
        await field(pilot, screen, "validation", "off")
        await at_step(app, pilot, "review")
        await type_into(pilot, screen, "#run-name", "tuned")
        await foreseen(pilot, screen)
        command = (
            "minimind run --preset mini --data_path mine.jsonl --validation 0 --learning_rate 0.01 --adam_beta2 0.95 "
            "--schedule wsd --name tuned"
        )
        assert screen.draft.command(None, app.device_facts) == command
        await pilot.press("ctrl+r")
        await until(pilot, lambda: isinstance(app.screen, DashboardScreen))
        [folder] = runs(workspace)
        asked, preset = parse_settings(folder.run_toml)
        changes = {
            "data_path": "mine.jsonl",
            "learning_rate": 0.01,
            "schedule": "wsd",
            "adam_beta2": 0.95,
            "validation": False,
        }
        assert asked == load_preset("mini").settings().model_copy(update=changes) and preset == "mini"
        assert folder.id.endswith("-tuned")
        await ended(pilot, workspace)
        await pilot.press("f3")
        await pilot.pause()
        again = wizard(app)
        assert again.draft.step == "preset" and again.draft.form.changed, "another may follow from the same settings"
        assert again.draft.name == ""


async def test_it_waits_for_the_look_and_then_starts(workspace: Path, looks: Any) -> None:
    looks.held = threading.Event()
    async with running(size=(80, 24)) as (app, pilot):
        await at_step(app, pilot, "review")
        await until_shown(pilot, "Looking at the text")
        await pilot.press("enter")
        await pilot.pause(0.2)
        assert runs(workspace) == []
        looks.held.set()
        await until(pilot, lambda: isinstance(app.screen, DashboardScreen))
        assert len(runs(workspace)) == 1
        await ended(pilot, workspace)


async def test_beside_another_run_it_asks(workspace: Path) -> None:
    write_run(workspace, "other", state=State.RUNNING)
    async with running(size=(80, 24)) as (app, pilot):
        assert app.index.live
        screen = await at_step(app, pilot, "review")
        await foreseen(pilot, screen)
        await pilot.press("enter")
        await until_shown(pilot, "Start another run?")
        await pilot.press("c")
        await pilot.pause()
        assert len(runs(workspace)) == 1 and isinstance(app.screen, WizardScreen)
        await pilot.press("enter")
        await until_shown(pilot, "Start another run?")
        await pilot.press("y")
        await until(pilot, lambda: isinstance(app.screen, DashboardScreen))
        assert len(runs(workspace)) == 2


async def test_a_start_that_fails_is_told_and_can_be_tried_again(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(size=(80, 24)) as (app, pilot):
        screen = await at_step(app, pilot, "review")
        await foreseen(pilot, screen)
        (workspace / "runs").write_text("in the way")
        await pilot.press("enter")
        await until_shown(pilot, "Cannot make a run folder")
        assert isinstance(app.screen, WizardScreen)
        (workspace / "runs").unlink()
        await foreseen(pilot, screen)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, DashboardScreen))
        await ended(pilot, workspace)


async def test_weights_of_another_run_are_not_overwritten_unasked(workspace: Path) -> None:
    (workspace / "out").mkdir()
    (workspace / "out" / "pretrain_160.pth").write_bytes(b"precious")
    async with running(size=(80, 24)) as (app, pilot):
        screen = await at_step(app, pilot, "settings")
        await field(pilot, screen, "save_dir", "out")
        await at_step(app, pilot, "review")
        seen = await foreseen(pilot, screen)
        assert [reason.field for reason in seen.reasons] == ["save_dir"]
        assert "holds weights of an unknown origin" in screen_text(app)
        await pilot.press("ctrl+r")
        await until_shown(pilot, "Other weights are there")
        await pilot.press("m")
        await until(pilot, lambda: screen.draft.step == "settings")
        await until(pilot, lambda: screen.draft.setting == "save_dir")
        await at_step(app, pilot, "review")
        await foreseen(pilot, screen)
        await pilot.press("ctrl+r")
        await until_shown(pilot, "Other weights are there")
        await pilot.press("o")
        await until(pilot, lambda: isinstance(app.screen, DashboardScreen))
        assert len(runs(workspace)) == 1
        await ended(pilot, workspace)
