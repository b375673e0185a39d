"""Signals to the processes of real runs, a handful of those that benchmarks/torture.py sends by the hundred."""

from pathlib import Path

import pytest
from process_faults import Fault, Ordeal
from run_processes import start
from torture_runs import LONG, TWO, Bench

from engine.run.folder import RunFolder


def go_through(bench: Bench, kind: str, faults: list[Fault], *, several: bool = False) -> list[tuple[str, str, str]]:
    """Strike a run, compare it at its end with one that nothing disturbed: (place, state, reason) of each fault."""
    settings = {**LONG, "max_steps": 25, **(TWO if several else {})}
    cache = bench.folder / "cache"
    reference: RunFolder = bench.make(kind, **settings)
    supervisor, refused = start(reference, {"MINIMIND_CACHE": str(cache)}, several=several)
    assert supervisor is not None and supervisor.wait() == 0, refused
    told = Ordeal(bench.make(kind, **settings), reference, int(LONG["save_interval"]), cache).go_through(faults)
    assert told.problems == []
    assert told.looks > 0
    return [(one.at, one.state, str(one.reason)) for one in told.struck]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, lines=400)


def test_kills_and_stops_of_one_worker_and_its_supervisor(bench: Bench) -> None:
    both = (("supervisor", "KILL"), ("group", "KILL"))
    found = go_through(
        bench,
        "dense-muon",
        [
            Fault("tokenising", (("worker", "TERM"),), cold=True),
            Fault("point", point=("worker", "saving", 20, "self:KILL"), hangups=True),
            Fault("point", point=("worker", "publishing weights", 9, "parent:KILL+self:KILL")),
            Fault("training", both),
            Fault("point", point=("supervisor", "end", 6, "self:KILL")),
        ],
    )
    assert [end for _at, *end in found] == [
        ["stopped", "signal"],
        ["failed", "worker_died"],
        ["crashed", "None"],
        ["crashed", "None"],
        ["finished", "max_steps"],
    ]
    assert [at for at, *_end in found][1:3] == ["saving", "publishing weights"]


def test_kills_and_stops_of_two_processes(bench: Bench) -> None:
    found = go_through(
        bench,
        "moe-adamw",
        [
            Fault("loading", (("supervisor", "TERM"),), several=True),  # while the ranks begin
            Fault("point", point=("worker", "saving", 30, "self:KILL"), several=True),
            Fault("training", (("supervisor", "KILL"),), several=True),  # rank 0 has the last word, not the launcher
        ],
        several=True,
    )
    assert [end for _at, *end in found] == [
        ["stopped", "signal"],
        ["failed", "worker_died"],
        ["stopped", "supervisor_lost"],
    ]
