"""Faults drawn at random: whom they hit, with what, when; two at once, and a second one while the first is honoured."""

from random import Random

from process_faults import Fault

PHASES = ("verifying", "loading", "tokenising", "training", "validating", "sampling", "saving", "paused")
WORKER_PLACES = {
    "tokenising": 40,
    "loading": 20,
    "update": 30,
    "logging": 20,
    "validating": 8,
    "sampling": 6,
    "saving": 70,
    "publishing weights": 60,
    "thinning out": 12,
    "leaving word": 4,
}
"""Place of a point to about how many there are of it in an attempt."""

SUPERVISOR_PLACES = {"starting": 5, "opening the attempt": 14, "end": 14}


def plan(random: Random, *, several: bool, seconds: float) -> Fault:
    """One fault. `several`: the run has two processes; `seconds`: how long it takes undisturbed."""
    hangups = random.random() < 0.2
    kind = random.random()
    if kind < 0.35:
        return _point(random, several, hangups)
    if kind < 0.75:
        when = random.choice(PHASES)
        return Fault(
            when,
            _hits(random, several, paused=when == "paused"),
            after=random.choice((0.0, 0.0, random.uniform(0, 0.3))),
            between=random.choice((0.0, random.uniform(0, 0.2))),
            several=several,
            hangups=hangups,
            cold=when == "tokenising",
        )
    return Fault(
        "instant",
        _hits(random, several),
        after=random.uniform(0, seconds),
        between=random.uniform(0, 0.3),
        several=several,
    )


def _point(random: Random, several: bool, hangups: bool) -> Fault:
    """Within a process, at a call that is known."""
    if random.random() < 0.25:
        place = random.choice(sorted(SUPERVISOR_PLACES))
        return Fault(
            "point",
            point=("supervisor", place, random.randint(1, SUPERVISOR_PLACES[place]), "self:KILL"),
            several=several,
        )
    place = random.choice(sorted(WORKER_PLACES))
    act = random.choice(
        ("self:KILL", "self:KILL", "group:KILL", "parent:KILL+self:KILL", "parent:KILL", "self:TERM", "self:INT")
    )
    number = random.randint(1, WORKER_PLACES[place])
    return Fault(
        "point", point=("worker", place, number, act), several=several, hangups=hangups, cold=place == "tokenising"
    )


def _hits(random: Random, several: bool, *, paused: bool = False) -> tuple[tuple[str, str], ...]:
    """Signals in order. While it is paused a run has its supervisor alone."""
    choices: list[tuple[tuple[str, str], ...]] = [
        (("worker", "KILL"),),
        (("worker", random.choice(("TERM", "INT"))),),
        (("supervisor", "KILL"),),
        (("supervisor", random.choice(("TERM", "INT"))),),
        (("supervisor", "KILL"), ("group", "KILL")),
        (("group", "KILL"),),
        (("supervisor", "TERM"), ("supervisor", "TERM")),
        (("supervisor", "TERM"), ("worker", "KILL")),
        (("supervisor", "TERM"), ("supervisor", "KILL")),
    ]
    if several:
        choices += [(("rank0", "KILL"),), (("rank1", "KILL"),), (("rank1", "KILL"), ("rank0", "KILL"))] * 2
    return random.choice([hits for hits in choices if hits[0][0] == "supervisor"] if paused else choices)
