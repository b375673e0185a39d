"""The processes that runs of a test's workspace left: found, waited for, and ended."""

import os
import signal
import time
from pathlib import Path

from engine.run.find import list_runs
from engine.run.folder import RunFolder
from engine.run.observe import observe
from engine.run.process import is_alive
from engine.run.schema import State
from engine.run.status import read_status


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
