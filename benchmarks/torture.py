"""Signals at random instants of real runs, hundreds of times: what comes of each is checked by code.

python benchmarks/torture.py [--faults 300] [--seed 1] [--lanes 2] [--minutes 0] [--sweep dense-adamw,moe-muon]

Tiny networks on the shipped text, fp32, eager; dense and with experts, AdamW and Muon, one process and two. Each run is
struck in several attempts, by SIGKILL, SIGTERM, SIGINT and SIGHUP, to its worker, supervisor, ranks, launcher, or all
of them at once, and trains to its end; then weights, optimiser, log, checkpoints and published weights are compared
with those of a run that nothing disturbed (tests/torture/run_checks.py). The sweep kills an attempt before each of its
calls that change a file, and in the midst of each write (tests/torture/fork_sweep.py). `--faults 0` leaves the signals
out, an empty `--sweep` the sweep; `--minutes` ends the signals early, with the run that is being struck. The same seed
gives the same faults; where one meets its run depends on the machine's pace. Exits with 1 when anything was violated.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from random import Random

import torch

TESTS = Path(__file__).resolve().parents[1] / "tests" / "torture"
sys.path.insert(0, str(TESTS))

from fault_plans import plan  # noqa: E402
from process_faults import Ordeal, Told  # noqa: E402
from run_processes import end_all, start  # noqa: E402
from torture_runs import KINDS, LONG, TWO, Bench  # noqa: E402

from engine.run.folder import RunFolder  # noqa: E402

FAULTS_A_RUN = 7
TWO_PROCESSES = 0.2
"""Share of the runs that have two processes."""


class References:
    """The runs that nothing disturbs, one of each kind, and how long they take."""

    def __init__(self, folder: Path) -> None:
        self._bench = Bench(folder)
        self._cache = folder / "cache"
        self._made: dict[str, tuple[RunFolder, float]] = {}
        self._lock = threading.Lock()

    def of(self, kind: str, several: bool) -> tuple[RunFolder, float]:
        """The run, made at the first call, and its seconds."""
        label = label_of(kind, several)
        with self._lock:
            if label not in self._made:
                run = self._bench.make(kind, **settings_of(several))
                began = time.monotonic()
                supervisor, refused = start(run, {"MINIMIND_CACHE": str(self._cache)}, several=several)
                assert supervisor is not None and supervisor.wait() == 0, refused
                self._made[label] = run, time.monotonic() - began
            return self._made[label]


def label_of(kind: str, several: bool) -> str:
    """A kind of run in words."""
    return f"{kind}, two processes" if several else kind


def settings_of(several: bool) -> dict[str, object]:
    """Its settings beside those of its kind."""
    return {**LONG, **(TWO if several else {})}


class Lane(threading.Thread):
    """Tortures one run after the other, in a folder of its own, until enough faults have met one or time is up."""

    def __init__(self, number: int, folder: Path, seed: int, wanted: int, references: References, until: float) -> None:
        super().__init__(name=f"lane-{number}", daemon=True)
        self.told: list[tuple[str, Told]] = []
        self.current: RunFolder | None = None
        self._number = number
        self._random = Random(f"{seed}-{number}")
        self._bench = Bench(folder)
        self._cache = folder / "cache"
        self._wanted = wanted
        self._references = references
        self._until = until

    @property
    def met(self) -> int:
        """Faults that have met a run."""
        return sum(len(told.struck) for _kind, told in self.told)

    def run(self) -> None:
        kinds = sorted(KINDS)
        turn = self._number
        while self.met < self._wanted and time.monotonic() < self._until:
            kind, several = kinds[turn % len(kinds)], self._random.random() < TWO_PROCESSES
            turn += 1
            reference, seconds = self._references.of(kind, several)
            run = self.current = self._bench.make(kind, **settings_of(several))
            faults = [plan(self._random, several=several, seconds=seconds) for _ in range(FAULTS_A_RUN)]
            told = Ordeal(run, reference, int(LONG["save_interval"]), self._cache).go_through(faults)
            label = label_of(kind, several)
            self.told.append((label, told))
            for one in told.struck:
                print(f"{label}: {one.fault.words} at {one.at}: {one.state}, {one.reason}", flush=True)
            for problem in told.problems:
                print(f"VIOLATED: {problem}", flush=True)
            if not told.problems:
                self._bench.remove(run)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faults", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lanes", type=int, default=2, help="runs at a time")
    parser.add_argument("--minutes", type=float, default=0.0)
    parser.add_argument("--sweep", default="dense-adamw,moe-muon", help="kinds whose every point is struck")
    parser.add_argument("--stride", type=int, default=1, help="every how manieth point of the sweep")
    parser.add_argument("--keep", type=Path, help="a folder to work in; what was violated stays there")
    asked = parser.parse_args()
    os.environ["MINIMIND_LANG"] = "en"
    torch.set_num_threads(1)
    began = time.monotonic()
    until = began + 60 * asked.minutes if asked.minutes else float("inf")
    with tempfile.TemporaryDirectory(prefix="torture-") as scratch:
        folder = asked.keep or Path(scratch)
        references = References(folder / "undisturbed")
        each = -(-asked.faults // asked.lanes)
        numbers = range(asked.lanes if asked.faults else 0)
        lanes = [Lane(n, folder / f"lane-{n}", asked.seed, each, references, until) for n in numbers]
        try:
            for lane in lanes:
                lane.start()
            for lane in lanes:
                lane.join()
        except KeyboardInterrupt:
            print("ended early: the runs that were being struck do not count")
        finally:
            for lane in lanes:
                if lane.current is not None:
                    end_all(lane.current)
        violated = report([one for lane in lanes for one in lane.told]) if lanes else 0
        for kind in filter(None, asked.sweep.split(",")):
            violated += sweep(kind, asked.seed, asked.stride, asked.lanes)
    print(f"{time.monotonic() - began:.0f} s in all; violations: {violated}")
    return 1 if violated else 0


def report(told: list[tuple[str, Told]]) -> int:
    """Print what the signals did; returns the violations."""
    struck = [(kind, one) for kind, each in told for one in each.struck]
    hangups = sum(each.hangups for _kind, each in told)
    print(f"\nruns: {len(told)}; faults that met one: {len(struck)}, and {hangups} SIGHUPs that must change nothing")
    for title, counts in (
        ("sent", Counter(one.fault.words for _kind, one in struck)),
        ("at", Counter(one.at for _kind, one in struck)),
        ("kind of run", Counter(kind for kind, _one in struck)),
        ("ended as", Counter(f"{one.state}, {one.reason}" for _kind, one in struck)),
    ):
        print(f"  {title}: " + "; ".join(f"{name} {count}" for name, count in counts.most_common()))
    repeated = [steps for _kind, each in told for steps in each.repeated]
    if repeated:
        print(f"  updates made again by a resume: median {statistics.median(repeated):g}, most {max(repeated)}")
    recovered = [one.recovered for _kind, one in struck if one.recovered is not None]
    if recovered:
        median, worst = statistics.median(recovered), max(recovered)
        print(f"  from the command to the first new update: median {median:.1f} s, worst {worst:.1f} s")
    print(
        f"  looks of a reader at weights, checkpoints and records meanwhile: {sum(each.looks for _kind, each in told)}"
    )
    return sum(len(each.problems) for _kind, each in told)


def sweep(kind: str, seed: int, stride: int, lanes: int) -> int:
    """Strike every point of one kind of run, in as many processes as there are lanes; returns the violations."""
    command = [sys.executable, str(TESTS / "fork_sweep.py"), "--kind", kind]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    parts = [
        subprocess.Popen(
            [*command, "--stride", str(stride * lanes), "--offset", str(stride * n), "--seed", str(seed + n)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        for n in range(lanes)
    ]
    found = [json.loads(part.communicate()[0]) for part in parts]
    struck, again = sum(one["struck"] for one in found), sum(one["again"] for one in found)
    repeated = [steps for one in found for steps in one["repeated"]]
    places: Counter[str] = sum((Counter(one["places"]) for one in found), Counter())
    calls: Counter[str] = sum((Counter(one["calls"]) for one in found), Counter())
    print(f"\nsweep of {kind}: {struck} of {found[0]['points']} points struck, {again} of them again in the recovery")
    for title, counts in (("in", places), ("before", calls)):
        print(f"  {title}: " + "; ".join(f"{name} {count}" for name, count in counts.most_common()))
    print(f"  updates made again by a resume: median {statistics.median(repeated):g}, most {max(repeated)}")
    problems = [problem for one in found for problem in one["problems"]]
    for problem in problems:
        print(f"VIOLATED: {problem}")
    return len(problems)


if __name__ == "__main__":
    sys.exit(main())
