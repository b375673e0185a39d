"""Runs of several processes, started as a person's are: supervisor, launcher, ranks."""

import os
import signal
import time
from collections.abc import Callable

import psutil

from engine.run.control import send_request
from engine.run.folder import RunFolder
from engine.run.jsonl_log import Line, read_lines
from engine.run.observe import Observation, observe
from engine.run.schema import ENDED_STATES, State
from engine.run.start import start_run

PATIENCE = 120.0


def wait_until(holds: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    """Return once it holds."""
    deadline = time.monotonic() + patience
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {patience} s"
        time.sleep(0.02)


def ended(run: RunFolder) -> Observation:
    """The run's end, waited for."""
    wait_until(lambda: observe(run).state in ENDED_STATES, f"the end of {run.id}")
    return observe(run)


def train_to_the_end(run: RunFolder, *, restarts: int = 0) -> Observation:
    """Start a run, or go on with it, and wait for its end."""
    start_run(run, max_restarts=restarts)
    return ended(run)


def stop_at(run: RunFolder, step: int, op: str = "stop") -> Observation:
    """Start a run and ask it to stop (or `pause`) once it has made so many updates."""
    start_run(run)
    wait_for_step(run, step)
    send_request(run, op)
    if op == "stop":
        return ended(run)
    wait_until(lambda: observe(run).state is State.PAUSED, "the pause")
    return observe(run)


def wait_for_step(run: RunFolder, step: int) -> None:
    """Return once so many updates are made; fails with the run's own words when it ended before."""

    def reached() -> bool:
        seen = observe(run)
        assert seen.state not in ENDED_STATES, seen.message
        return seen.status is not None and seen.status.state is State.RUNNING and seen.status.step >= step

    wait_until(reached, f"update {step}")


def ranks_of(run: RunFolder) -> dict[int, psutil.Process]:
    """The living processes that train the run, by rank."""
    found = {}
    for process in psutil.process_iter():
        try:
            if "engine.worker.train" in process.cmdline() and str(run.path) in process.cmdline():
                found[int(process.environ()["RANK"])] = process
        except (psutil.NoSuchProcess, KeyError, psutil.AccessDenied):
            continue
    return found


def kill(process: psutil.Process) -> None:
    """SIGKILL."""
    os.kill(process.pid, signal.SIGKILL)


def train_lines(run: RunFolder) -> list[Line]:
    """The lines of training in the log."""
    return [line for line in read_lines(run.metrics) if line.get("kind") == "train"]
