"""Processes beside the application: a trainer without torch, the runs a test left, and whether one is gone."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from engine.run.find import list_runs
from engine.run.folder import RunFolder
from engine.run.observe import observe
from engine.run.process import is_alive
from engine.run.schema import State
from engine.run.status import read_status

TRAINERS = Path(__file__).parents[1] / "cli"


def train_at_a_pace(monkeypatch: pytest.MonkeyPatch, **plan: float) -> None:
    """Runs that are started from now on are trained by tests/cli/paced_trainer.py, as `plan` says; see there."""
    monkeypatch.setenv("MINIMIND_WORKER", "paced_trainer")
    paths = [str(TRAINERS), str(TRAINERS.parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    monkeypatch.setenv("MINIMIND_TEST_PLAN", json.dumps(plan))


def is_gone(pid: int) -> bool:
    """Whether there is no process of this id any more."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def only_run(workspace: Path) -> RunFolder:
    """The one run there is."""
    [folder] = list_runs(workspace / "runs")
    return folder


def step_of(folder: RunFolder) -> int:
    """The step a run has come to."""
    status = read_status(folder.status)
    return status.step if status else 0


def wait_for(folder: RunFolder, *states: State, seconds: float = 20.0) -> None:
    """Wait until a run is in one of the states."""
    end = time.monotonic() + seconds
    while observe(folder).state not in states:
        assert time.monotonic() < end, observe(folder)
        time.sleep(0.05)


def end_all_runs(workspace: Path) -> None:
    """Kill whatever still trains in the workspace."""
    for folder in list_runs(workspace / "runs"):
        status = read_status(folder.status)
        for process in (status.worker, status.supervisor) if status else ():
            if process is not None and process.pid != os.getpid() and is_alive(process):
                os.kill(process.pid, signal.SIGKILL)
