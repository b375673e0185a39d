"""Signals to the real processes of a run, at an instant that is known: a phase on sight, or a point within the process.

An Ordeal is one run that is struck, looked at, started again and struck again, and at last trains to its end.
"""

import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from pointed_supervisor import VARIABLE as SUPERVISOR_POINT
from pointed_worker import VARIABLE as WORKER_POINT
from run_checks import (
    checkpoint_problems,
    debris_problems,
    final_problems,
    published_in,
    read_metrics,
    record_problems,
    weight_problems,
)
from run_processes import children_of, end_all, processes_of, start

from engine.errors import UserError
from engine.run.control import send_request
from engine.run.folder import RunFolder
from engine.run.lock import is_held
from engine.run.observe import Observation, observe
from engine.run.process import is_alive
from engine.run.schema import FINAL_STATES, Reason, State, Status
from engine.run.status import read_status

PATIENCE = 180.0
LOOK_SECONDS = 0.01
SURVIVOR_SECONDS = 15.0
"""How long a process of a run whose end is known may take to be gone: a worker without a supervisor looks twice a
second, a rank without a launcher as well."""


@dataclass(frozen=True)
class Fault:
    """One fault of an attempt.

    when: `instant` (so many seconds after the start), a phase of status.json, `paused`, or `point`. hits: (target,
    signal) in order; targets are worker, supervisor, rank0, rank1, group (the worker's process group). after: seconds
    waited once `when` has come. between: seconds between the hits. point: for `point`, (whose, place, number, strike).
    """

    when: str
    hits: tuple[tuple[str, str], ...] = ()
    after: float = 0.0
    between: float = 0.0
    point: tuple[str, str, int, str] | None = None
    hangups: bool = False
    """Whether supervisor and worker get a SIGHUP first, which must change nothing."""
    several: bool = False
    """Whether the run has several processes: the worker is then their launcher, and a rank's parent."""
    cold: bool = False
    """Whether the attempt finds no token cache."""

    @property
    def words(self) -> str:
        """What is sent to whom."""
        if self.point is not None:
            whose, _place, _number, act = self.point
            return act.replace("self", whose).replace("parent", "launcher" if self.several else "supervisor")
        return "+".join(f"{target}:{name}" for target, name in self.hits)


@dataclass
class Struck:
    """A fault that met its run. at: the phase, or the place of the point."""

    fault: Fault
    at: str
    state: str
    reason: str | None
    recovered: float | None = None
    """Seconds from the next start to its first new update."""


@dataclass
class Told:
    """What an ordeal found."""

    struck: list[Struck] = field(default_factory=list)
    hangups: int = 0
    looks: int = 0
    repeated: list[int] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class Reader(threading.Thread):
    """Opens published weights, checkpoints and records continually: each is whole at any moment."""

    def __init__(self, run: RunFolder) -> None:
        super().__init__(name="reader", daemon=True)
        self.run_folder = run
        self.problems: list[str] = []
        self.looks = 0
        self._done = threading.Event()

    def run(self) -> None:
        run = self.run_folder
        while not self._done.wait(0.1):
            found = record_problems(run)
            for folder in published_in(run):
                found += weight_problems(folder)
            before = checkpoint_problems(run)
            if before:  # one that is being thinned out vanishes while it is read: it does not stay so
                found += [one for one in checkpoint_problems(run) if one in before]
            self.problems += [f"to a reader, meanwhile: {one}" for one in found]
            self.looks += 1

    def stop(self) -> None:
        """End it."""
        self._done.set()
        self.join()


class Ordeal:
    """Strikes one run again and again. `reference` is the same run, undisturbed; `interval` its save_interval."""

    def __init__(self, run: RunFolder, reference: RunFolder, interval: int, cache: Path) -> None:
        self.run = run
        self.told = Told()
        self._reference = reference
        self._interval = interval
        self._cache = cache
        self._several = "nproc = 2" in run.run_toml.read_text()
        self._attempts = 0

    def go_through(self, faults: list[Fault]) -> Told:
        """Strike with each fault, one an attempt, then train to the end; what was found."""
        reader = Reader(self.run)
        reader.start()
        try:
            for fault in faults:
                self._attempt(fault)
                if observe(self.run).state is State.FINISHED:
                    break
            if not _is_concluded(self.run):
                self._attempt(None)
                if observe(self.run).state is not State.FINISHED:
                    self._note(f"left alone it ended as {observe(self.run).state}: {observe(self.run).message}")
        finally:
            reader.stop()
            end_all(self.run)
        self.told.problems += reader.problems
        self.told.looks = reader.looks
        if observe(self.run).state is State.FINISHED:
            self._note(*final_problems(self.run, self._reference, self._interval))
        self.told.repeated = read_metrics(self.run.metrics).repeated
        return self.told

    def _attempt(self, fault: Fault | None) -> None:
        self._attempts += 1
        report = self.run.path.parent.parent / f"report-{self.run.id}-{self._attempts}"
        began = time.monotonic()
        before = _end_of(observe(self.run))
        supervisor, refused = start(self.run, self._environment(fault, report), several=self._several)
        if supervisor is None and fault is None:
            if not _is_concluded(self.run):  # a run whose worker left word of its end is concluded, and needs no more
                self._note(f"it could not be started: {refused}")
            return
        at = self._watch(fault, supervisor, began, report) if supervisor is not None else None
        if at is None and report.exists():
            at = report.read_text().split("\t")[-1].strip()
        code = None if supervisor is None else supervisor.wait()
        self._survivors()
        seen = observe(self.run)
        end = _end_of(seen)
        self._note(*debris_problems(self.run))
        if fault is not None and at is not None:
            self.told.struck.append(Struck(fault, at, *end))
            # a supervisor that was killed before it had the run has changed nothing
            allowed = allowed_ends(fault) if supervisor is not None else {before}
            if end not in allowed:
                self._note(f"it counts as {end}: {seen.message}; documented are {sorted(allowed, key=str)}")
            if code not in ({0, None, -signal.SIGKILL} if "supervisor:KILL" in fault.words else {0}):
                self._note(f"the supervisor's exit code is {code}")
        elif seen.state is not State.FINISHED:
            self._note(f"nothing struck it, and it ended as {end}: {seen.message}")

    def _environment(self, fault: Fault | None, report: Path) -> dict[str, str]:
        cache = self._cache
        if fault is not None and fault.cold:
            cache = cache.with_name(f"cold-{self.run.id}-{self._attempts}")
        environment = {"MINIMIND_CACHE": str(cache)}
        if fault is not None and fault.point is not None:
            whose, place, number, act = fault.point
            variable = WORKER_POINT if whose == "worker" else SUPERVISOR_POINT
            environment[variable] = f"{place};{number};{act};{report}"
        return environment

    def _watch(
        self, fault: Fault | None, supervisor: "subprocess.Popen[bytes]", began: float, report: Path
    ) -> str | None:
        """Look until no process of the attempt is left, and strike meanwhile; where the fault met it, or None."""
        at: str | None = None
        asked = updated = False
        hangups = fault is not None and fault.hangups
        attempt, first = None, None
        deadline = time.monotonic() + PATIENCE
        while True:
            status = _status(self.run)
            ours = status if status and status.supervisor and status.supervisor.pid == supervisor.pid else None
            worker_lives = bool(status and status.worker and is_alive(status.worker))
            if supervisor.poll() is not None and not worker_lives and not is_held(self.run.lock):
                return at
            if ours is not None and attempt is None:
                attempt, first = ours.attempt, ours.step
            if ours is not None and not updated and ours.state is State.RUNNING and ours.step > (first or 0):
                updated = True
                self._recovered(time.monotonic() - began)
            if hangups and ours is not None and ours.worker is not None:
                hangups = False
                self.told.hangups += sum(
                    _hit(self._pid_of(target, supervisor.pid), target, "HUP") for target in ("supervisor", "worker")
                )
            if fault is not None and at is None and fault.point is None:
                if fault.when == "paused" and not asked and ours is not None and ours.phase == "training":
                    asked = self._ask_for_pause()
                if _has_come(fault, ours, time.monotonic() - began):
                    at = self._strike(fault, supervisor.pid)
            if time.monotonic() > deadline:
                self._note(f"no end within {PATIENCE} s: {observe(self.run)}")
                end_all(self.run)
                return at
            time.sleep(LOOK_SECONDS)

    def _strike(self, fault: Fault, supervisor: int) -> str | None:
        if fault.when != "instant":
            time.sleep(fault.after)
        status = _status(self.run)
        at = "before it has a word" if status is None else f"{status.phase or status.state}"
        # looked up before the first strike: a killed supervisor has no children any more
        aims = [(self._pid_of(target, supervisor), target, name) for target, name in fault.hits]
        hit = False
        for number, aim in enumerate(aims):
            if number:
                time.sleep(fault.between)
            hit = _hit(*aim) or hit
        return at if hit else None

    def _pid_of(self, target: str, supervisor: int) -> int | None:
        if target == "supervisor":
            return supervisor
        if target in ("worker", "group"):
            children = [child.pid for child in children_of(supervisor)]
            return children[0] if children else None
        for process in processes_of(self.run):
            try:
                if process.environ().get("RANK") == target[-1]:
                    return process.pid
            except psutil.Error:
                continue
        return None

    def _ask_for_pause(self) -> bool:
        try:
            send_request(self.run, "pause")
        except UserError:
            return False
        return True

    def _recovered(self, seconds: float) -> None:
        if self.told.struck and self.told.struck[-1].recovered is None:
            self.told.struck[-1].recovered = seconds

    def _survivors(self) -> None:
        until = time.monotonic() + SURVIVOR_SECONDS
        while left := processes_of(self.run):
            if time.monotonic() > until:
                self._note(f"still alive after the end: {[process.cmdline() for process in left]}")
                end_all(self.run)
                return
            time.sleep(0.05)

    def _note(self, *problems: str) -> None:
        last = self.told.struck[-1] if self.told.struck else None
        where = (
            f"{self.run.id}, attempt {self._attempts}, after {last.fault.words if last else None} ({last and last.at})"
        )
        self.told.problems += [f"{where}: {problem}" for problem in problems]


def _hit(pid: int | None, target: str, name: str) -> bool:
    """Send a signal to a process, or for `group` to its group; False when there is none."""
    if pid is None:
        return False
    try:
        (os.killpg if target == "group" else os.kill)(pid, signal.Signals[f"SIG{name}"])
    except ProcessLookupError:
        return False
    return True


def _end_of(seen: Observation) -> tuple[str, str | None]:
    """How a run counts, and why by its own or its worker's word; only a state that was written has a reason."""
    if seen.status is None or seen.state not in FINAL_STATES:
        return str(seen.state), None
    said = seen.status.outcome or seen.status
    return str(seen.state), said.reason


def allowed_ends(fault: Fault) -> set[tuple[str, str | None]]:
    """What runs/README.md says may come of it. Whatever strikes a run that has just ended leaves its end."""
    words = fault.words
    ended: set[tuple[str, str | None]] = {("finished", Reason.MAX_STEPS)}
    if "supervisor:KILL" in words:
        # the worker saves and says so, unless it is killed as well, or had not begun
        return ended | {("stopped", Reason.SUPERVISOR_LOST), ("stopped", Reason.SIGNAL), ("crashed", None)}
    if "KILL" in words:
        ended |= {("failed", Reason.WORKER_DIED)}
    if "TERM" in words or "INT" in words:
        ended |= {("stopped", Reason.SIGNAL)}
        if words.count("supervisor") > 1:
            ended |= {("stopped", Reason.KILLED)}
        if words.startswith(("worker", "group")):
            ended |= {("failed", Reason.WORKER_DIED)}  # before it could take the signal
    return ended


def _is_concluded(run: RunFolder) -> bool:
    status = _status(run)
    return status is not None and status.state is State.FINISHED


def _status(run: RunFolder) -> Status | None:
    try:
        return read_status(run.status)
    except OSError:
        return None


def _has_come(fault: Fault, status: Status | None, seconds: float) -> bool:
    if fault.when == "instant":
        return seconds >= fault.after
    if status is None:
        return False
    if fault.when == "paused":
        return status.state is State.PAUSED
    return status.phase == fault.when and status.state is not State.PAUSED
