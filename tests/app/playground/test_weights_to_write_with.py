"""The weights that answer: none yet, newer ones, deleted and damaged ones."""

import shutil
from pathlib import Path

import pytest
from playground_driving import asked, opened, screen_of, write
from run_material import change_status, write_run
from screens import running, screen_text, until_shown

from engine.run.schema import State
from minimind_tui.core.playground import AnswerState


async def test_a_run_without_weights_and_a_deleted_one_are_told(workspace: Path) -> None:
    early = write_run(workspace, "early", steps=10, state=State.RUNNING, save_every=0)
    async with running() as (app, pilot):
        app.open_playground(early)
        await pilot.pause()
        screen = screen_of(app)
        await write(pilot, screen, "x")
        assert "has saved no weights yet" in screen_text(app)
        shutil.rmtree(early.path)
        await write(pilot, screen, "y")
        assert screen.state.left.answers[-1].state is AnswerState.FAILED
        assert "✗" in screen_text(app)


async def test_a_deleted_checkpoint_goes_on_from_memory_and_says_so(workspace: Path) -> None:
    run = write_run(workspace, steps=200)
    async with running() as (app, pilot):
        app.open_playground(run, 150)
        await pilot.pause()
        screen = screen_of(app)
        await write(pilot, screen, "x")
        assert f"{run.id} · step 150" in screen_text(app)
        shutil.rmtree(run.checkpoints / "step-00000150")
        await write(pilot, screen, "y")
        assert "Its weights were deleted" in screen_text(app) and "y once upon a time" in screen_text(app)


async def test_a_damaged_checkpoint_is_refused(workspace: Path, writer: Path) -> None:
    run = write_run(workspace, steps=200)
    (run.checkpoints / "step-00000150/model.safetensors").write_bytes(b"weights of step 151")
    async with running() as (app, pilot):
        app.open_playground(run, 150)
        await pilot.pause()
        await write(pilot, screen_of(app), "x")
        assert "hash differs" in screen_text(app) and asked(writer) == []


async def test_newer_weights_of_a_training_run_are_offered_and_taken(
    workspace: Path, writer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_WRITER_STEP", "150")
    run = write_run(workspace, steps=160, state=State.RUNNING)
    async with running(size=(80, 24)) as (app, pilot):
        app.open_playground(run, 100)
        await pilot.pause()
        screen = screen_of(app)
        assert "Step 150 is there; ctrl+n takes it." in screen_text(app)
        await pilot.press("ctrl+n")
        await write(pilot, screen, "x")
        assert "is there" not in screen_text(app)
        assert asked(writer)[0]["weights"].startswith(str(run.weights))
        change_status(run, step=210, last_checkpoint=200)
        await until_shown(pilot, "Step 200 is there; the next prompt takes it.")
        monkeypatch.setenv("FAKE_WRITER_STEP", "200")
        await pilot.press("ctrl+n")
        await until_shown(pilot, "The newest weights")


async def test_without_a_model_it_says_how_to_begin(workspace: Path) -> None:
    async with running(size=(80, 24)) as (app, pilot):
        screen = await opened(app, pilot)
        assert "There is no model yet." in screen_text(app) and "minimind run --preset mini" in screen_text(app)
        await pilot.press("x", "enter")
        await until_shown(pilot, "Choose a model first: ctrl+o.")
        assert not screen.state.left.answers
        write_run(workspace)
        await until_shown(pilot, "Type a beginning")
