"""A person's whole journey at a terminal, by keys alone, with the real engine. Needs torch.

The wizard starts the smoke test, its curve appears, the terminal is killed and the trainer lives, the person comes
back, saves and stops, and resumes from the runs browser.
"""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from app_processes import end_all_runs, only_run, step_of, wait_for
from terminal_session import Terminal, probe_is_answered

from engine.estimate.device_probe import DeviceFacts
from engine.run.checkpoints import newest
from engine.run.observe import observe
from engine.run.schema import State


@pytest.fixture(autouse=True)
def no_run_stays(workspace: Path, known_facts: DeviceFacts) -> Iterator[None]:
    """Whatever still trains at the end is ended."""
    probe_is_answered(workspace / "cache", known_facts)
    yield
    end_all_runs(workspace)


def shows_a_curve(session: Terminal) -> bool:
    """Whether braille dots are drawn, as a curve's are."""
    return sum("\u2801" <= sign <= "\u28ff" for sign in session.text) > 20


def test_from_the_wizard_to_a_resumed_run(workspace: Path) -> None:
    first = Terminal(columns=120, rows=40)
    first.until_shown("Welcome", "Try mini")
    first.press("n")
    first.until_shown("1 Preset", "mini", "full")
    first.press("enter")
    first.until_shown("2 Data", "What is in it", "tokens for each")
    first.press("ctrl+n")
    first.until_shown("3 Settings", "learning_rate")
    first.press("ctrl+n")
    first.until_shown("4 Review", "Ready.", "minimind run --preset mini")
    first.press("ctrl+r")
    first.until_shown("running", "Numbers", seconds=120)
    first.until(lambda: shows_a_curve(first), seconds=60)
    folder = only_run(workspace)

    os.kill(first.child.pid, signal.SIGKILL)
    first.exit_status()
    step = step_of(folder)
    end = time.monotonic() + 60
    while step_of(folder) < step + 2:
        assert time.monotonic() < end and observe(folder).state is State.RUNNING, observe(folder)
        time.sleep(0.05)

    second = Terminal("last", columns=120, rows=40)
    second.until_shown(folder.id, "running", "Numbers")
    second.until(lambda: shows_a_curve(second))
    second.press("x")
    second.until_shown("Stop this run?")
    second.press("s")
    second.until_shown("stopped", seconds=60)
    stopped_at = step_of(folder)
    saved = newest(folder)
    assert saved is not None and saved.step == stopped_at > step
    second.press("f4")
    second.until_shown("Runs", "stopped")
    second.press("r")
    second.until_shown("Resume " + folder.id, "bit for bit")
    second.press("r")
    wait_for(folder, State.RUNNING, seconds=120)
    second.until(lambda: step_of(folder) > stopped_at, seconds=60)
    second.press("q")
    second.until_shown("Leave minimind-tui?", folder.id)
    second.press("d")
    assert second.exit_status() == 0 and second.is_restored()
    assert f"Come back: minimind-tui {folder.id}" in second.text
    assert observe(folder).state is State.RUNNING
    attempts = folder.read_manifest().attempts
    assert [attempt.exact for attempt in attempts[1:]] == [True]
