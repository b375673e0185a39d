"""Starting fake runs with the real supervisor, waiting for what they do, and leaving no process behind."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from engine.run.create import create_run
from engine.run.folder import RunFolder
from engine.run.jsonl_log import Line, read_lines
from engine.run.observe import Observation, observe
from engine.run.process import is_alive, send_signal_safely
from engine.run.schema import ENDED_STATES, ProcessIdentity, State, Status
from engine.run.start import start_run
from engine.run.status import read_status
from engine.run.view import RunView

PATIENCE = 20.0
T = TypeVar("T")


def wait_for(look: Callable[[], T], what: str = "it", patience: float = PATIENCE) -> T:
    """The first true value `look` returns."""
    deadline = time.monotonic() + patience
    while not (found := look()):
        assert time.monotonic() < deadline, f"{what} did not come within {patience} s"
        time.sleep(0.01)
    return found


class FakeRun:
    """A run with the fake trainer."""

    def __init__(self, runs_dir: Path, **plan: Any) -> None:
        toml = "".join(f"{name} = {_toml(value)}\n" for name, value in plan.items())
        self.folder: RunFolder = create_run(runs_dir, "fake", toml)
        self._seen: dict[int, ProcessIdentity] = {}

    def start(self, **options: Any) -> "FakeRun":
        start_run(self.folder, worker="fake_trainer", **options)
        self.status()
        return self

    def status(self) -> Status:
        status = read_status(self.folder.status)
        assert status is not None
        for process in (status.supervisor, status.worker):
            if process is not None:
                self._seen[process.pid] = process
        return status

    def observe(self) -> Observation:
        self.status()
        return observe(self.folder)

    def wait_for_state(self, *states: State) -> Observation:
        def look() -> Observation | None:
            seen = self.observe()
            return seen if seen.state in states else None

        found = wait_for(look, f"state {states}")
        assert found is not None
        return found

    def wait_for_end(self) -> Observation:
        seen = self.wait_for_state(*ENDED_STATES)
        supervisor = self.supervisor
        wait_for(lambda: supervisor is None or is_alive(supervisor) is False, "the supervisor's end")
        return seen

    def wait_for_step(self, step: int) -> Status:
        def look() -> Status | None:
            now = self.status()
            return now if now.state is State.RUNNING and now.step >= step else None

        found = wait_for(look, f"step {step}")
        assert found is not None
        return found

    @property
    def supervisor(self) -> ProcessIdentity | None:
        return self.status().supervisor

    @property
    def worker(self) -> ProcessIdentity | None:
        return self.status().worker

    def signal(self, process: ProcessIdentity | None, number: signal.Signals) -> None:
        assert process is not None and send_signal_safely(process, number)

    def events(self, kind: str | None = None) -> list[Line]:
        return [event for event in read_lines(self.folder.events) if kind in (None, event.get("kind"))]

    def clean_up(self) -> None:
        if self.folder.status.exists():
            self.status()
        for process in self._seen.values():
            send_signal_safely(process, signal.SIGKILL)


def uninterrupted_losses(steps: int) -> list[float]:
    """The losses of a fake run that nothing disturbs."""
    from fake_trainer import advance

    x, losses = 0.3, []
    for step in range(1, steps + 1):
        x = advance(x, step)
        losses.append(x)
    return losses


def losses_of(run: FakeRun) -> tuple[list[int], list[float]]:
    view = RunView(run.folder)
    view.read_all()
    return list(view.train.steps), list(view.train.column("loss"))


def assert_gap_free(run: FakeRun, last: int) -> None:
    steps, losses = losses_of(run)
    assert steps == list(range(1, last + 1))
    assert losses == uninterrupted_losses(last)


def module_path() -> str:
    """PYTHONPATH with which a child finds the fake trainer."""
    return os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, int | float) else f'"{value}"'
