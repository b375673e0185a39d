"""Kills a real attempt at its every point: one process has torch loaded, and its forks train, die and go on.

python tests/torture/fork_sweep.py [--kind dense-adamw] [--stride 1] [--offset 0] [--seed 0]

An attempt here is the supervisor's part (lock, opening) and the worker's (all of it) in one process, so that one count
runs through both. For each point: a new run is struck by SIGKILL there; what it left is looked at; it goes on, every
second time struck again at a random point of that attempt; then it goes on to its end and is compared with a run that
nothing disturbed. Prints one JSON object: points, kills by place, updates repeated, and every violation. Ctrl-C ends it
early.
"""

import argparse
import contextlib
import importlib
import json
import os
import random
import signal
import sys
import tempfile
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))

from kill_points import KillPoints
from run_checks import debris_problems, final_problems, read_metrics
from torture_runs import KINDS, SHORT, Bench, speed_known

from engine.run.folder import RunFolder
from engine.run.lock import RunLock
from engine.run.supervisor import Supervisor
from engine.run.worker_link import WorkerLink
from engine.run.worker_process import Wakeup
from engine.train.build import build_trainer
from engine.train.requests import RequestDesk
from engine.train.state import TrainerState

LINES = 400
"""Of the shipped text: enough for the short run."""

SAVED_TWICE = 4
"""The step whose checkpoint is written a second time, over the first, as a request for a save does."""

FAILED = 70


@dataclass
class Sweep:
    """What a sweep found. kills: by place; again: kills during recovery; repeated: updates made again, each resume."""

    kind: str
    points: int = 0
    struck: int = 0
    again: int = 0
    places: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    repeated: list[int] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def train(run: RunFolder, points: KillPoints | None) -> None:
    """One attempt, to its end or to its point."""
    if points is not None:
        points.install()
        points.watch_updates()
    lock = RunLock(run.lock)
    lock.acquire()
    supervisor = Supervisor(run, "", 0, lock, Wakeup())
    record = supervisor._open_attempt()
    supervisor._status.stop()
    link = WorkerLink(run, record.attempt, signals=False)
    trainer = build_trainer(link, RequestDesk(link))
    save = trainer.saver.save

    def save_twice(state: TrainerState, *, keep: bool = False) -> None:
        save(state, keep=keep)
        if state.step == SAVED_TWICE:
            save(state, keep=keep)

    trainer.saver.save = save_twice  # type: ignore[method-assign]
    with trainer.stream:
        stop = trainer.run()
    link.finish(stop.state, stop.reason, stop.message)
    lock.release()


def in_a_fork(
    run: RunFolder, points: KillPoints | None = None, listing: Path | None = None, modules: Path | None = None
) -> int:
    """`train` in a child; returns its exit code, minus the signal's number where one ended it.

    listing: for the points that were reached; modules: for the names of the modules that were loaded.
    """
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        code = FAILED
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            log = os.open(run.trainer_log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            os.dup2(log, 1)
            os.dup2(log, 2)
            if points is not None:
                points.__init__(points._at, points._act, points._report)  # type: ignore[misc]  # of this process
            before = set(sys.modules)
            train(run, points)
            if modules is not None:
                modules.write_text(json.dumps(sorted(set(sys.modules) - before)))
            if points is not None and listing is not None:
                listing.write_text(json.dumps(points.seen))
            code = 0
        except BaseException:
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class Sweeper:
    """Sweeps one kind of run in a folder of its own.

    points: (number in its attempt, whether that has no tokens yet, call, place): the first attempt of all up to the end
    of its tokenising, from there on one that finds its tokens.
    """

    def __init__(self, folder: Path, kind: str, seed: int) -> None:
        self.bench = Bench(folder, LINES)
        self.random = random.Random(seed)
        self.sweep = Sweep(kind)
        self.folder = folder
        self._load_modules()
        self.reference = self._make()
        with self._cold_cache(0):
            cold = self._list(self.reference)
        warm = self._list(self._make())
        tokenised = 1 + max(index for index, (_call, place) in enumerate(cold) if place == "tokenising")
        skipped = sum(place == "tokenising" for _call, place in cold[:tokenised]) - sum(
            place == "tokenising" for _call, place in warm
        )
        self.points = [(number, True, *point) for number, point in enumerate(cold[:tokenised], 1)]
        self.points += [(number, False, *point) for number, point in enumerate(warm, 1)][tokenised - skipped :]
        self.sweep.points = len(self.points)

    def _list(self, run: RunFolder) -> list[list[str]]:
        listing = self.folder / "points.json"
        self._expect(run, in_a_fork(run, KillPoints(), listing), 0)
        points: list[list[str]] = json.loads(listing.read_text())
        return points

    def strike(self, number: int) -> None:
        """Kill an attempt at point `number`, let the run go on, and compare it."""
        at, cold, call, place = self.points[number - 1]
        run = self._make()
        with self._cold_cache(number) if cold else contextlib.nullcontext():
            self._expect(run, in_a_fork(run, KillPoints(at)), -signal.SIGKILL)
            self.sweep.struck += 1
            self.sweep.places[place] += 1
            self.sweep.calls[call] += 1
            self._note(run, number, debris_problems(run))
            if self.random.random() < 0.5:
                again = self.random.randrange(1, len(self.points))
                if in_a_fork(run, KillPoints(again)) == -signal.SIGKILL:
                    self.sweep.again += 1
                    self._note(run, number, debris_problems(run))
            self._expect(run, in_a_fork(run), 0)
        self._note(run, number, final_problems(run, self.reference, SHORT["save_interval"]))
        self.sweep.repeated += read_metrics(run.metrics).repeated
        self.bench.remove(run)

    def _load_modules(self) -> None:
        """Load here what an attempt loads on its way, or every fork would do so for itself. Training here instead
        would leave threads, which no fork survives well.
        """
        run, names = self._make(), self.folder / "modules.json"
        self._expect(run, in_a_fork(run, modules=names), 0)
        for name in json.loads(names.read_text()):
            with contextlib.suppress(Exception):  # made up by others while they ran
                importlib.import_module(name)
        self.bench.remove(run)

    def _make(self) -> RunFolder:
        return self.bench.make(self.sweep.kind, **SHORT)

    @contextlib.contextmanager
    def _cold_cache(self, number: int):  # type: ignore[no-untyped-def]
        before = os.environ.get("MINIMIND_CACHE")
        os.environ["MINIMIND_CACHE"] = str(self.folder / f"cache-{number}")
        yield
        if before is not None:
            os.environ["MINIMIND_CACHE"] = before

    def _expect(self, run: RunFolder, code: int, wanted: int) -> None:
        if code != wanted:
            log = run.trainer_log.read_text()[-1500:] if run.trainer_log.exists() else ""
            self.sweep.problems.append(f"{run.path}: an attempt ended with {code}, not {wanted}: {log}")

    def _note(self, run: RunFolder, number: int, problems: list[str]) -> None:
        _at, _cold, call, place = self.points[number - 1]
        self.sweep.problems += [f"point {number} ({call}, {place}): {problem}" for problem in problems]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kind", default="dense-adamw", choices=KINDS)
    parser.add_argument("--stride", type=int, default=1)
    parser.add_argument("--offset", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where a shell started it in the background
    with tempfile.TemporaryDirectory(prefix="torture-") as folder, speed_known():
        os.chdir(folder)
        os.environ["MINIMIND_CACHE"] = str(Path(folder) / "cache")
        sweeper = Sweeper(Path(folder), asked.kind, asked.seed)
        numbers = list(range(1 + asked.offset, sweeper.sweep.points + 1, asked.stride))
        random.Random(asked.seed).shuffle(numbers)  # so that a part of them is a sample of all
        told = 0
        with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C ends it early, with what it has
            for done, number in enumerate(numbers, 1):
                sweeper.strike(number)
                progress = f"{done} of {len(numbers)}"
                print(progress, *sweeper.sweep.problems[told:], sep="\n", file=sys.stderr, flush=True)
                told = len(sweeper.sweep.problems)
        print(json.dumps(vars(sweeper.sweep)))
    return 1 if sweeper.sweep.problems else 0


if __name__ == "__main__":
    sys.exit(main())
