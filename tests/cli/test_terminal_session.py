"""A person at a terminal: Ctrl-C once and twice, a closed window, a tiny screen, a generation that is broken off."""

import os
import signal
import subprocess
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pexpect
import pyte
import pytest
from cli_helpers import command, only_run
from run_folders import write_run

from engine.run.clock import awake_seconds
from engine.run.folder import RunFolder
from engine.run.observe import observe
from engine.run.process import identify, is_alive
from engine.run.schema import State
from engine.run.status import encode_record, read_status

Plan = Callable[..., None]
RUN = ("run", "--preset", "mini", "--data_path", "texts.jsonl")


def terminal(*words: str, columns: int = 80, rows: int = 24) -> "pexpect.spawn[str]":
    python, *arguments = command(*words)
    environment = {**os.environ, "TERM": "xterm-256color"}
    return pexpect.spawn(python, arguments, dimensions=(rows, columns), env=environment, encoding="utf-8", timeout=20)


def wait_until_gone(folder: RunFolder) -> None:
    deadline = time.monotonic() + 20
    while observe(folder).is_live:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_ctrl_c_saves_and_says_how_to_go_on(workspace: Path, plan: Plan) -> None:
    plan(steps=4000, step_seconds=0.02, save_every=100_000)
    child = terminal(*RUN)
    child.expect(r"step [1-9]\d*/4000")
    child.sendintr()
    child.expect("Ctrl-C again")
    run = only_run(workspace)
    child.expect(f"{run.id}: stopped")
    child.expect(f"minimind resume {run.id}")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 3
    assert observe(run).state is State.STOPPED
    assert [path.name for path in run.checkpoints.iterdir()] == [f"step-{observe(run).status.step:08d}"]


def test_ctrl_c_twice_stops_at_once_without_saving(workspace: Path, plan: Plan) -> None:
    plan(steps=4000, step_seconds=30, save_every=1)  # the first update takes longer than anyone waits
    child = terminal(*RUN)
    child.expect("step 0/4000")
    child.sendintr()
    child.expect("Ctrl-C again")
    child.sendintr()
    child.expect("Stopping at once")
    child.expect(": stopped")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 3
    assert list(only_run(workspace).checkpoints.iterdir()) == []
    assert "Traceback" not in only_run(workspace).trainer_log.read_text()


def test_a_closed_terminal_leaves_the_run_training(workspace: Path, plan: Plan) -> None:  # traps 13, 42
    plan(steps=4000, step_seconds=0.02)
    child = terminal(*RUN)
    child.expect(r"step [1-9]\d*/4000")
    run = only_run(workspace)
    step = observe(run).status.step
    child.kill(signal.SIGHUP)
    child.close()
    deadline = time.monotonic() + 20
    while observe(run).status.step < step + 50:
        assert time.monotonic() < deadline and observe(run).state is State.RUNNING
        time.sleep(0.05)
    viewer = terminal("attach")
    viewer.expect(r"step \d+/4000")
    viewer.sendintr()  # leaves the view; the run is not asked to stop
    viewer.expect("It goes on")
    viewer.expect(pexpect.EOF)
    viewer.close()
    assert viewer.exitstatus == 0
    assert observe(run).state is State.RUNNING
    status = observe(run).status
    os.kill(status.supervisor.pid, signal.SIGTERM)
    wait_until_gone(run)
    assert not is_alive(status.worker)


def test_ctrl_c_before_the_trainer_is_ready_still_stops_the_run(workspace: Path, plan: Plan) -> None:
    plan(steps=4000, step_seconds=0.02)
    child = terminal(*RUN)
    child.expect("run 20")
    child.sendintr()
    child.expect(": stopped")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 3


def test_sigterm_to_the_follower_saves_and_stops_the_run(workspace: Path, plan: Plan) -> None:
    """As when a container is stopped: its first process is told, and all else is killed when that has ended."""
    plan(steps=4000, step_seconds=0.02, save_every=100_000)
    child = terminal(*RUN)
    child.expect(r"step [1-9]\d*/4000")
    for _n in range(3):
        child.kill(signal.SIGTERM)
    child.expect(": stopped")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 3
    assert len(list(only_run(workspace).checkpoints.iterdir())) == 1


def test_a_run_that_stands_still_is_pointed_out(workspace: Path) -> None:
    run = write_run(workspace, steps=3, total_steps=9)
    status = read_status(run.status)
    alive = identify(subprocess.Popen(["sleep", "60"]).pid)  # ended with the test's other left-overs
    status.state, status.supervisor, status.worker, status.phase = State.RUNNING, alive, alive, "training"
    status.heartbeat_clock, status.progress_clock = awake_seconds(), awake_seconds() - 300
    run.status.write_bytes(encode_record(status))
    child = terminal("attach")
    child.expect("Nothing has advanced for 5 min")
    child.sendintr()
    child.expect(pexpect.EOF)


@pytest.mark.parametrize(("columns", "rows"), [(20, 5), (40, 10)])
def test_a_tiny_terminal_is_enough(columns: int, rows: int, workspace: Path, plan: Plan) -> None:  # trap 44
    plan(steps=20, step_seconds=0.02)
    child = terminal(*RUN, columns=columns, rows=rows)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_the_terminal_is_left_with_its_cursor(workspace: Path, plan: Plan) -> None:
    plan(steps=20, step_seconds=0.02)
    child = terminal(*RUN)
    child.expect(pexpect.EOF)
    written = child.before
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l")
    assert "title\x07" not in written and "\x1b[2J" not in written  # the paced trainer's samples try


def test_dumb_terminals_get_lines(workspace: Path, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    plan(steps=5)
    python, *arguments = command(*RUN)
    child = pexpect.spawn(python, arguments, env={**os.environ, "TERM": "dumb"}, encoding="utf-8", timeout=20)
    child.expect(pexpect.EOF)
    assert "\x1b" not in child.before


def test_a_plot_in_a_small_terminal_is_coloured_and_fits(workspace: Path) -> None:
    run = write_run(workspace, steps=60)
    child = terminal("plot", "--metric", "loss")
    child.expect(pexpect.EOF)
    screen = pyte.Screen(80, 24)
    pyte.Stream(screen).feed(child.before)
    shown = "\n".join(screen.display)
    assert run.id in screen.display[0] and "validation" in shown
    assert "[0m" not in shown and "[38" not in shown
    colours = {cell.fg for line in screen.buffer.values() for cell in line.values()}
    assert len(colours) > 2


def test_ctrl_c_is_not_echoed_into_the_block_and_the_terminal_is_as_before(workspace: Path, plan: Plan) -> None:
    plan(steps=4000, step_seconds=0.02, save_every=100_000)
    child = terminal(*RUN)
    modes = termios.tcgetattr(child.child_fd)
    child.expect(r"step [1-9]\d*/4000")
    assert not termios.tcgetattr(child.child_fd)[3] & termios.ECHOCTL
    child.sendintr()
    child.expect("Go on:")
    assert "^C" not in child.before
    assert termios.tcgetattr(child.child_fd) == modes
    child.expect(pexpect.EOF)
