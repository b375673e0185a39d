"""Resuming from the browser: said before it is made, refused in words, started for the first time."""

from pathlib import Path

import pytest
from run_material import write_run
from runs_browsing import browser
from runs_dialogs import until_dialog, until_told, usable
from screens import screen_text, until

from engine.run.folder import RunFolder
from engine.run.schema import State
from engine.run.training_text import TrainingText
from minimind_tui.app.dialogs import ChoiceDialog
from minimind_tui.app.screens.runs.fork_dialog import ForkDialog
from minimind_tui.core import run_actions


async def test_resume_says_what_it_will_be_before_it_is_made(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = usable(write_run(workspace, state=State.CRASHED, steps=180), workspace)
    resumed: list[RunFolder] = []
    monkeypatch.setattr(run_actions, "resume", resumed.append)
    async with browser() as (app, pilot, screen):
        for answer in ("l", "escape"):
            await pilot.press("r")
            await until_dialog(app, pilot, ChoiceDialog)
            assert "It goes on from step 150." in screen_text(app) and "30 updates beyond" in screen_text(app)
            await pilot.press(answer)
            await until(pilot, lambda: app.screen is screen)
        assert resumed == []
        await pilot.press("r")
        await until_dialog(app, pilot, ChoiceDialog)
        await pilot.press("r")
        await until(pilot, lambda: resumed == [folder])
        await until_told(app, pilot, "goes on")
        assert app.screen is screen


async def test_resume_and_watch_opens_the_dashboard(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = usable(write_run(workspace, state=State.STOPPED), workspace)
    monkeypatch.setattr(run_actions, "resume", lambda _folder: None)
    async with browser() as (app, pilot, _screen):
        opened: list[RunFolder] = []
        app.open_run = opened.append  # type: ignore[method-assign]
        await pilot.press("r")
        await until_dialog(app, pilot, ChoiceDialog)
        await pilot.press("w")
        await until(pilot, lambda: opened == [folder])


async def test_a_run_that_cannot_be_resumed_says_why_and_offers_a_fork(workspace: Path) -> None:
    usable(write_run(workspace, state=State.FINISHED), workspace)
    async with browser() as (app, pilot, _screen):
        await pilot.press("r")
        await until_dialog(app, pilot, ChoiceDialog)
        assert "cannot be resumed" in screen_text(app) and "finished" in screen_text(app)
        await pilot.press("f")
        await until_dialog(app, pilot, ForkDialog)


async def test_a_run_that_was_never_started_is_started(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = usable(write_run(workspace, state=State.CREATED), workspace)
    resumed: list[RunFolder] = []
    monkeypatch.setattr(run_actions, "resume", resumed.append)
    async with browser() as (app, pilot, _screen):
        await pilot.press("r")
        await until_dialog(app, pilot, ChoiceDialog)
        assert "Start 20261124-031500-mini?" in screen_text(app)
        await pilot.press("r")
        await until(pilot, lambda: resumed == [folder])


@pytest.mark.parametrize("state", [State.RUNNING, State.STARTING, State.STALLED, State.STOPPING])
async def test_a_live_run_is_not_resumed(workspace: Path, state: State) -> None:
    write_run(workspace, state=state)
    async with browser() as (app, pilot, screen):
        await pilot.press("r")
        await until_told(app, pilot, "is running already")
        assert app.screen is screen


async def test_a_resume_that_fails_is_told(workspace: Path) -> None:
    folder = usable(write_run(workspace, state=State.STOPPED), workspace)
    async with browser() as (app, pilot, _screen):
        await pilot.press("r")
        await until_dialog(app, pilot, ChoiceDialog)
        folder.run_toml.write_text("[nonsense")  # somebody spoils it between the look and the key
        await pilot.press("r")
        await until_told(app, pilot, "run.toml")


@pytest.mark.parametrize("fault", ["gone", "touched"])
async def test_a_text_that_changed_leaves_the_choice_of_its_cache(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    folder = usable(write_run(workspace, state=State.STOPPED), workspace)
    path = Path(str(folder.read_manifest().data_path))
    text = TrainingText(sha256="0" * 64, size=path.stat().st_size, modified="2020-01-01T00:00:00.000Z")
    folder.change_manifest(lambda manifest: setattr(manifest, "text", text))
    if fault == "gone":
        path.unlink()
    chosen: list[RunFolder] = []
    monkeypatch.setattr(run_actions, "resume_on_cache", chosen.append)
    async with browser() as (app, pilot, _screen):
        await pilot.press("r")
        await until_dialog(app, pilot, ChoiceDialog)
        shown = screen_text(app)
        assert "Train on with the cache of its text" in shown and ("cannot be resumed" in shown) == (fault == "gone")
        await pilot.press("c")
        await until(pilot, lambda: chosen == [folder])
