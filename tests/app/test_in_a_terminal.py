"""A person at a terminal: starts the smoke test with a key, loses the terminal, comes back, stops, resumes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from app_processes import end_all_runs, only_run, step_of, train_at_a_pace, wait_for
from run_material import write_run
from terminal_session import COMMAND, Terminal, probe_is_answered

from engine.estimate.device_probe import DeviceFacts
from engine.run.observe import observe
from engine.run.schema import State


@pytest.fixture(autouse=True)
def paced_worker(workspace: Path, known_facts: DeviceFacts, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Runs of the test train without torch, at a pace; whatever still runs at the end is ended."""
    train_at_a_pace(monkeypatch, steps=4000, step_seconds=0.05, save_every=50)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    probe_is_answered(workspace / "cache", known_facts)
    yield
    end_all_runs(workspace)


def test_start_lose_the_terminal_come_back_stop_and_resume_by_keys(workspace: Path) -> None:
    first = Terminal()
    first.until_shown("Welcome", "Try mini")
    first.press("m")
    first.until_shown("Loss", "Numbers", "of 4000")
    first.until(lambda: any("\u2801" <= sign <= "\u28ff" for sign in first.text))  # a curve of braille
    folder = only_run(workspace)

    os.kill(first.child.pid, signal.SIGHUP)
    assert first.exit_status() == 129
    step = step_of(folder)
    time.sleep(1)
    assert observe(folder).state is State.RUNNING and step_of(folder) > step

    second = Terminal("last")
    second.until_shown(folder.id, "Numbers", "running")
    second.press("q")
    second.until_shown("Leave minimind-tui?", folder.id)
    second.press("x")
    assert second.exit_status() == 0
    assert f"minimind resume {folder.id}" in second.text and second.is_restored()
    wait_for(folder, State.STOPPED)
    stopped_at = step_of(folder)

    third = Terminal()
    third.until_shown("Recent runs", "stopped")
    third.press("r")
    third.until_shown("Runs", folder.id)
    third.press("r")
    third.until_shown("Resume " + folder.id)
    third.press("r")
    wait_for(folder, State.RUNNING)
    third.until(lambda: step_of(folder) > stopped_at)
    third.press("escape", "escape", "f2", "q")
    third.until_shown("Leave minimind-tui?")
    third.press("d")
    assert third.exit_status() == 0
    assert f"Come back: minimind-tui {folder.id}" in third.text and third.is_restored()
    assert observe(folder).state is State.RUNNING


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT])
def test_a_signal_ends_it_and_restores_the_terminal(workspace: Path, number: signal.Signals) -> None:
    session = Terminal()
    session.until_shown("Welcome", "q Quit")
    os.kill(session.child.pid, number)
    assert session.exit_status() == 128 + number
    assert session.is_restored() and "Traceback" not in session.text


def test_it_ends_when_its_terminal_is_closed(workspace: Path) -> None:
    session = Terminal()
    session.until_shown("Welcome", "q Quit")
    pid = session.child.pid
    os.close(session.child.child_fd)
    session.child.closed = True
    end = time.monotonic() + 15
    while os.waitpid(pid, os.WNOHANG)[0] == 0:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_broken_application_restores_the_terminal_and_leaves_the_run_alone(workspace: Path) -> None:
    write_run(workspace, steps=150, total_steps=600, state=State.RUNNING)
    broken = (
        "import sys\n"
        "from minimind_tui.app.screens.home import HomeList\n"
        "def render_line(self, y):\n"
        "    if self.id == 'now' and self.option_count: raise RuntimeError('drawing broke')\n"
        "    return original(self, y)\n"
        "original, HomeList.render_line = HomeList.render_line, render_line\n"
        "from minimind_tui.app import main\n"
        "sys.exit(main())\n"
    )
    session = Terminal(command=[sys.executable, "-c", broken], rows=60)
    assert session.exit_status() == 1
    assert session.is_restored()
    text = " ".join(session.text.split())
    assert "drawing broke" in text and "Runs are not touched by this." in text
    assert "Come back: minimind-tui 20261124-031500-mini" in session.text
    assert not only_run(workspace).control.exists()


def test_leaving_does_not_wait_for_a_slow_probe(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = (
        "import sys, time\n"
        "import minimind_tui.app.application as application\n"
        "application.probe_device = lambda cache: time.sleep(60)\n"
        "from minimind_tui.app import main\n"
        "sys.exit(main())\n"
    )
    session = Terminal(command=[sys.executable, "-c", slow])
    session.until_shown("Probing...")
    began = time.monotonic()
    session.press("q")
    assert session.exit_status() == 0 and time.monotonic() - began < 10


def test_leaving_does_not_wait_for_threads_that_have_nothing_to_do(workspace: Path) -> None:
    write_run(workspace, steps=150, total_steps=600, state=State.CRASHED)
    patient = (
        "import sys\nimport minimind_tui.app.entry as entry\nentry._THREAD_SECONDS = 300.0\nsys.exit(entry.main())\n"
    )
    session = Terminal("last", command=[sys.executable, "-c", patient])
    session.until_shown("It crashed", "goes on")  # a thread has looked at the checkpoint
    session.press("q")
    assert session.exit_status() == 0


def test_ctrl_c_asks_like_q(workspace: Path) -> None:
    write_run(workspace, steps=150, total_steps=600, state=State.RUNNING)
    session = Terminal()
    session.until_shown("150/600", "q Quit")
    session.press("ctrl+c")
    session.until_shown("Leave minimind-tui?")
    session.press("s")
    session.until(lambda: "Leave minimind-tui?" not in session.text)
    session.press("ctrl+c", "d")
    assert session.exit_status() == 0 and session.is_restored()


def test_an_idle_screen_writes_nothing(workspace: Path) -> None:
    write_run(workspace, steps=40)
    session = Terminal()
    session.until_shown("Recent runs", "q Quit", "Test CPU")
    session.pump(1.5)
    before = len(session.written)
    session.pump(4)
    assert len(session.written) == before
    session.press("q")
    assert session.exit_status() == 0


@pytest.mark.parametrize("size", [(20, 5), (40, 12)])
def test_a_tiny_terminal_is_drawn_on_and_resized(workspace: Path, size: tuple[int, int]) -> None:
    session = Terminal(columns=size[0], rows=size[1])
    session.until_shown("minimind")
    session.screen.resize(24, 80)
    session.child.setwinsize(24, 80)
    session.until_shown("Welcome", "q Quit")
    session.press("q")
    assert session.exit_status() == 0


@pytest.mark.parametrize("piped", ["stdin", "stdout", "stderr"])
def test_it_refuses_a_pipe_and_names_the_commands_that_need_no_terminal(workspace: Path, piped: str) -> None:
    leader, follower = os.openpty()
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), follower)
    streams[piped] = subprocess.DEVNULL if piped == "stdin" else subprocess.PIPE
    process = subprocess.Popen(COMMAND, **streams)  # type: ignore[call-overload]
    os.close(follower)
    out, err = process.communicate(timeout=30)
    said = (out or b"") + (err or b"")
    if piped != "stderr":
        said += os.read(leader, 65536)
    os.close(leader)
    assert process.returncode == 2
    for command in (b"minimind run", b"minimind runs", b"minimind attach", b"minimind generate"):
        assert command in said
    assert b"\x1b[?1049h" not in said


def test_minimind_tui_is_the_same_and_a_run_that_is_not_there_is_a_mistake(workspace: Path) -> None:
    folder = write_run(workspace, steps=40)
    command = [sys.executable, "-c", "import sys; from minimind_tui.cli import main; sys.exit(main())", "tui"]
    session = Terminal("last", command=command)
    session.until_shown(folder.id, "Numbers")
    session.press("q")
    assert session.exit_status() == 0
    session = Terminal("nonsense", command=command)
    assert session.exit_status() == 2
    assert "No run nonsense" in session.text and b"\x1b[?1049h" not in session.written


def test_it_speaks_chinese_when_the_locale_does(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    session = Terminal()
    session.until(lambda: "欢迎" in session.text.replace(" ", ""))
    session.press("q")
    assert session.exit_status() == 0


def test_the_real_engine_trains_what_the_wizard_started(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one test here that trains: eight updates of a tiny model, started and watched by keys. Needs torch."""
    monkeypatch.delenv("MINIMIND_WORKER")
    presets = workspace / "presets"
    presets.mkdir()
    (presets / "mini.toml").write_text(
        "[model]\nhidden_size = 32\nnum_hidden_layers = 1\nnum_attention_heads = 2\nnum_key_value_heads = 1\n"
        '[data]\ndata_path = "datasets/mini_pretrain_data.jsonl"\nmax_seq_len = 64\n'
        "[training]\nbatch_size = 2\naccumulation_steps = 1\n[schedule]\nmax_steps = 8\n"
    )
    session = Terminal(columns=120, rows=36)
    session.until_shown("Welcome", "Try mini")
    session.press("m")
    session.until_shown("Loss", "Numbers")
    folder = only_run(workspace)
    wait_for(folder, State.FINISHED, State.FAILED, State.CRASHED, seconds=120)
    assert observe(folder).state is State.FINISHED, observe(folder)
    session.until_shown("finished", "8 of 8")
    session.press("q")
    assert session.exit_status() == 0 and session.is_restored()
    assert (folder.weights / "pretrain_32.safetensors").is_file()
