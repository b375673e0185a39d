"""What is done to runs from the browser: resume, fork, rename, note, delete, report, path."""

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from run_material import dead_process, write_run
from screens import screen_text, until, until_shown
from test_runs_screen import browser, chosen, listed, settled
from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from engine.run.annotations import read_annotations
from engine.run.find import list_runs
from engine.run.folder import RunFolder
from engine.run.fork import ForkPlan
from engine.run.observe import observe
from engine.run.process import is_alive
from engine.run.schema import State
from minimind_tui.app.application import MinimindApp
from minimind_tui.app.dialogs import ChoiceDialog, TextDialog
from minimind_tui.app.screens.runs.fork_dialog import ForkDialog
from minimind_tui.app.screens.runs.note_dialog import NoteDialog
from minimind_tui.app.screens.runs.screen import RunsScreen
from minimind_tui.core import run_actions

CLI_TESTS = Path(__file__).parents[1] / "cli"


def told(app: MinimindApp) -> str:
    """Everything that was notified."""
    return "\n".join(f"{note.title} {note.message}" for note in app._notifications)


async def until_told(app: MinimindApp, pilot: Pilot[int], words: str) -> None:
    await until(pilot, lambda: words in told(app))


async def until_dialog(app: MinimindApp, pilot: Pilot[int], kind: type) -> None:
    await until(pilot, lambda: isinstance(app.screen, kind) and app.screen.is_mounted)
    await pilot.pause()


def usable(folder: RunFolder, workspace: Path) -> RunFolder:
    """The run with a text and a tokenizer that there are, as a resume and a fork want them."""
    text, tokenizer = workspace / "text.jsonl", workspace / "tokenizer.json"
    text.write_text('{"text": "Once."}\n')
    tokenizer.write_text("{}")
    manifest = folder.read_manifest()
    manifest.data_path, manifest.tokenizer_path = str(text), str(tokenizer)
    folder.write_manifest(manifest)
    return folder


# -- resume


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


# -- fork


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
    monkeypatch.setattr(run_actions, "fork", lambda plan: pytest.fail("a fork was made"))
    async with browser() as (app, pilot, screen):
        await pilot.press("f")
        await until_dialog(app, pilot, ForkDialog)
        await pilot.click("#cancel")
        await until(pilot, lambda: app.screen is screen)


async def test_without_a_checkpoint_there_is_nothing_to_fork(workspace: Path) -> None:
    write_run(workspace, state=State.FAILED, steps=20)
    async with browser() as (app, pilot, screen):
        await pilot.press("f")
        await until_told(app, pilot, "no checkpoint to fork from")
        assert app.screen is screen


# -- words on a run


async def test_a_run_is_renamed_and_gets_its_id_back(workspace: Path) -> None:
    folder = write_run(workspace)
    async with browser() as (app, pilot, _screen):
        await pilot.press("e")
        await until_dialog(app, pilot, TextDialog)
        await pilot.press(*"[b]new[/b]", "enter")
        await until(pilot, lambda: read_annotations(folder).title == "[b]new[/b]")
        await until_shown(pilot, "[b]new[/b]")
        await pilot.press("e")
        await until_dialog(app, pilot, TextDialog)
        app.screen.query_one(Input).value = "x" * 81
        await until_shown(pilot, "at most 80 characters; this one has 81")
        await pilot.press("enter")
        assert isinstance(app.screen, TextDialog)
        app.screen.query_one(Input).value = ""
        await pilot.press("enter")
        await until_shown(pilot, "20261124-031500-mini")
        assert read_annotations(folder).title == ""


async def test_a_note_is_written_changed_and_left(workspace: Path) -> None:
    folder = write_run(workspace)
    async with browser((140, 40)) as (app, pilot, _screen):
        await pilot.press("n")
        await until_dialog(app, pilot, NoteDialog)
        await pilot.press(*"first", "enter", *"second", "ctrl+g")
        await until(pilot, lambda: read_annotations(folder).note == "first\nsecond")
        await until_shown(pilot, "second")
        await pilot.press("n")
        await until_dialog(app, pilot, NoteDialog)
        await pilot.press(*" line", "tab", "enter")
        await until(pilot, lambda: read_annotations(folder).note == "first\nsecond line")
        await pilot.press("n")
        await until_dialog(app, pilot, NoteDialog)
        await pilot.press(*"lost", "escape")
        await pilot.press("n")
        await until_dialog(app, pilot, NoteDialog)
        assert app.screen.query_one(TextArea).text == "first\nsecond line"
        app.screen.query_one(TextArea).text = "x" * 10_001
        await until_shown(pilot, "at most 10000 characters")
        await pilot.press("ctrl+g")
        await pilot.pause()
        assert isinstance(app.screen, NoteDialog)


async def test_a_folder_that_cannot_be_written_is_told(workspace: Path) -> None:
    folder = write_run(workspace)
    folder.annotations.mkdir()
    async with browser() as (app, pilot, _screen):
        await pilot.press("e")
        await until_dialog(app, pilot, TextDialog)
        await pilot.press(*"name", "enter")
        await until_told(app, pilot, "Cannot write")


# -- deleting


async def test_the_run_under_the_cursor_is_deleted_after_asking(workspace: Path) -> None:
    write_run(workspace, "old", run_id="20261124-000001-old")
    doomed = write_run(workspace, "doomed", run_id="20261124-000002-doomed")
    async with browser() as (app, pilot, screen):
        assert chosen(screen) == "doomed" or chosen(screen) == "old"
        screen.run_list.select(doomed.id)
        await pilot.press("delete")
        await until_dialog(app, pilot, ChoiceDialog)
        shown = screen_text(app)
        assert "Delete this run?" in shown and doomed.id in shown and "This frees" in shown and "kB" in shown
        await pilot.press("enter")  # what is chosen at first keeps it
        await pilot.pause()
        assert doomed.path.is_dir()
        await pilot.press("D")
        await until_dialog(app, pilot, ChoiceDialog)
        await pilot.press("d")
        await until(pilot, lambda: listed(screen) == ["old"])
        await until_told(app, pilot, "Deleted")
        assert not doomed.path.exists() and chosen(screen) == "old"


async def test_all_marked_are_deleted_but_the_live_ones(workspace: Path) -> None:
    names = {"a": State.FINISHED, "b": State.RUNNING, "c": State.CRASHED, "d": State.STOPPED}
    folders = {
        name: write_run(workspace, name, run_id=f"20261124-00000{place}-{name}", state=state)
        for place, (name, state) in enumerate(names.items())
    }
    async with browser() as (app, pilot, screen):
        for name in ("a", "b", "c"):
            screen.run_list.select(folders[name].id)
            await pilot.press("space")
        await pilot.press("D")
        await until_dialog(app, pilot, ChoiceDialog)
        assert "Delete 2 runs?" in screen_text(app)
        assert "Not deleted, because it is live: 20261124-000001-b" in told(app)
        await pilot.press("d")
        await until(pilot, lambda: sorted(listed(screen)) == ["b", "d"])
        await until_told(app, pilot, "Deleted 2 runs")
        assert folders["b"].path.is_dir() and screen.marked == {folders["b"].id}


async def test_only_live_ones_are_refused_in_words(workspace: Path) -> None:
    write_run(workspace, state=State.PAUSED)
    async with browser() as (app, pilot, screen):
        await pilot.press("D")
        await until_told(app, pilot, "Stop it first")
        assert app.screen is screen


async def test_one_that_cannot_be_deleted_does_not_keep_the_others(workspace: Path) -> None:
    good = write_run(workspace, "good", run_id="20261124-000001-good")
    elsewhere = write_run(workspace, "elsewhere", run_id="20261124-000002-link")
    shutil.move(elsewhere.path, workspace / "away")
    elsewhere.path.symlink_to(workspace / "away")
    async with browser() as (app, pilot, screen):
        await pilot.press("A", "D")
        await until_dialog(app, pilot, ChoiceDialog)
        await pilot.press("d")
        await until(pilot, lambda: listed(screen) == ["link"])
        await until_told(app, pilot, "is a link")
        assert not good.path.exists() and (workspace / "away" / "manifest.json").exists()


# -- report, path


@pytest.mark.parametrize(("key", "name"), [("h", "report.html"), ("m", "report.md")])
async def test_a_report_is_written_and_its_path_told(workspace: Path, key: str, name: str) -> None:
    folder = write_run(workspace)
    async with browser() as (app, pilot, _screen):
        await pilot.press("w")
        await until_dialog(app, pilot, ChoiceDialog)
        await pilot.press(key)
        await until(pilot, lambda: (folder.path / name).exists(), 30)
        await until_told(app, pilot, str(folder.path / name))
        assert app.clipboard == str(folder.path / name)
        assert folder.id in (folder.path / name).read_text()


async def test_a_report_that_fails_is_told(workspace: Path) -> None:
    folder = write_run(workspace)
    (folder.path / "report.html").mkdir()
    async with browser() as (app, pilot, _screen):
        await pilot.press("w")
        await until_dialog(app, pilot, ChoiceDialog)
        await pilot.press("c", "w")
        await until_dialog(app, pilot, ChoiceDialog)
        await pilot.press("h")
        await until_told(app, pilot, "Cannot write")


async def test_the_path_is_shown_and_copied(workspace: Path) -> None:
    folder = write_run(workspace)
    async with browser() as (app, pilot, _screen):
        await pilot.press("y")
        await until_told(app, pilot, str(folder.path))
        assert app.clipboard == str(folder.path)


# -- with real processes


@pytest.fixture
def paced(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Runs that are started here are trained by the paced trainer; nothing of them outlives the test."""
    monkeypatch.setenv("MINIMIND_WORKER", "paced_trainer")
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(CLI_TESTS), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    )
    monkeypatch.setenv("MINIMIND_TEST_PLAN", json.dumps({"steps": 2000, "step_seconds": 0.02}))
    yield workspace
    for run in list_runs(workspace / "runs"):
        status = observe(run).status
        for process in (status.worker, status.supervisor) if status else ():
            if process is not None and is_alive(process):
                os.kill(process.pid, signal.SIGKILL)


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
