"""The processes behind the answers: stopped, killed, failing, left and quit; none is left behind."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
from app_processes import is_gone
from playground_driving import asked, opened, pids, write
from run_material import write_run
from screens import running, screen_text, until, until_shown
from textual.pilot import Pilot

from engine.run.schema import State
from minimind_tui.app.application import MinimindApp
from minimind_tui.app.screens.playground.screen import PlaygroundScreen
from minimind_tui.core.playground import AnswerState


async def amid_an_answer(app: MinimindApp, pilot: Pilot[int]) -> PlaygroundScreen:
    """The playground while a process writes a long answer."""
    screen = await opened(app, pilot)
    await write(pilot, screen, "long", wait=False)
    await until_shown(pilot, "word5")
    return screen


@pytest.mark.parametrize("key", ["ctrl+x", "escape"])
async def test_writing_stops_at_once(key: str, workspace: Path) -> None:
    write_run(workspace)
    async with running(size=(80, 24)) as (app, pilot):
        screen = await amid_an_answer(app, pilot)
        assert "Stop" in screen_text(app).splitlines()[-1]
        await pilot.press(key)
        answer = screen.state.left.answers[0]
        assert answer.state is AnswerState.STOPPED
        shown = answer.text
        await pilot.pause(0.2)
        assert answer.text == shown
        await until(pilot, lambda: "stopped" in screen_text(app) and "Stop" not in screen_text(app).splitlines()[-1])
        await write(pilot, screen, "again")
        assert screen.state.left.answers[-1].state is AnswerState.DONE, "the process serves on"
        await pilot.press("escape")
        await pilot.pause()
        assert not isinstance(app.screen, PlaygroundScreen), "with nothing to stop, escape goes back"


async def test_it_does_not_begin_anew_while_it_writes(workspace: Path, writer: Path) -> None:
    write_run(workspace)
    async with running(size=(80, 24)) as (app, pilot):
        screen = await amid_an_answer(app, pilot)
        await pilot.press("ctrl+g")
        await until_shown(pilot, "still writing")
        assert len(screen.state.left.answers) == 1


async def test_two_sides_get_the_same_prompt_and_seed(workspace: Path, writer: Path) -> None:
    run = write_run(workspace, steps=200)
    async with running(size=(80, 24)) as (app, pilot):
        screen = await opened(app, pilot)
        await pilot.press("ctrl+d")
        await until_shown(pilot, "step 150")
        await pilot.press(*"step", "space", *"150")
        await pilot.pause()
        await pilot.press("enter")
        await until(pilot, lambda: len(screen.query(".pane")) == 2)
        await write(pilot, screen, "Once")
        left, right = asked(writer)
        if "checkpoints" in left["weights"]:
            left, right = right, left
        assert right["weights"] == str(run.checkpoints / "step-00000150/model.safetensors")
        same = ("prompt", "seed", "temperature", "max_tokens", "threads")
        assert [left[name] for name in same] == [right[name] for name in same]
        assert left["threads"] == 1, "half of the two cores"
        assert screen_text(app).count("Once once upon a time") == 2
        both = pids(screen)
        assert len(both) == 2
        await pilot.press("ctrl+d")
        await until(pilot, lambda: len(screen.query(".pane")) == 1)
        assert sum(map(is_gone, both)) == 1
        await write(pilot, screen, "Once")
        assert len(asked(writer)) == 3 and asked(writer)[2]["threads"] is None


async def test_leaving_while_it_writes_leaves_no_process(workspace: Path) -> None:
    write_run(workspace)
    async with running() as (app, pilot):
        screen = await amid_an_answer(app, pilot)
        [pid] = pids(screen)
        await pilot.press("f2")
        await until(pilot, lambda: is_gone(pid))


async def test_quitting_while_it_writes_leaves_no_process(workspace: Path) -> None:
    write_run(workspace)
    async with running() as (app, pilot):
        screen = await amid_an_answer(app, pilot)
        [pid] = pids(screen)
        await pilot.press("ctrl+q")
    for _attempt in range(200):
        if is_gone(pid):
            return
        time.sleep(0.05)
    pytest.fail("an orphan")


async def test_a_killed_process_is_told_and_another_takes_over(workspace: Path) -> None:
    write_run(workspace)
    async with running() as (app, pilot):
        screen = await amid_an_answer(app, pilot)
        os.kill(pids(screen)[0], signal.SIGKILL)
        await until_shown(pilot, "✗ The generating process was killed")
        await write(pilot, screen, "again")
        assert "again once upon a time" in screen_text(app)
        os.kill(pids(screen)[0], signal.SIGKILL)
        await until_shown(pilot, "The next prompt starts another.")
        await write(pilot, screen, "once more")
        assert "starts another" not in screen_text(app) and "once more once upon" in screen_text(app)


@pytest.mark.parametrize(
    ("prompt", "words"), [("die", "code 9: no such device"), ("error", "the tokenizer is another one [/red]")]
)
async def test_failures_are_told_in_the_pane(prompt: str, words: str, workspace: Path) -> None:
    write_run(workspace)
    async with running() as (app, pilot):
        screen = await opened(app, pilot)
        await write(pilot, screen, prompt)
        await until_shown(pilot, words)
        await write(pilot, screen, "fine")
        assert "fine once upon a time" in screen_text(app)


async def test_it_keeps_off_an_accelerator_that_a_run_holds(
    workspace: Path, writer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_WRITER_DEVICE", "cuda:0")
    run = write_run(workspace, "old")
    async with running(size=(120, 36)) as (app, pilot):
        assert app.device_facts is not None
        app.device_facts = app.device_facts.model_copy(update={"device": "cuda"})
        screen = await opened(app, pilot)
        await write(pilot, screen, "x")
        assert "cuda:0" in screen_text(app)
        [pid] = pids(screen)
        live = write_run(workspace, "live", state=State.RUNNING)
        app.device_facts = app.device_facts.model_copy(update={"host": json.loads(live.status.read_bytes())["host"]})
        await until(pilot, lambda: is_gone(pid))
        await until_shown(pilot, f"Writing on the cpu: {live.id} trains on the accelerator.")
        await write(pilot, screen, "y")
        assert [request["device"] for request in asked(writer)] == ["auto", "cpu"]
        assert all(str(run.path) in request["weights"] for request in asked(writer))
