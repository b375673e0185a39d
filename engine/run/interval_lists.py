"""What a log interval says in lists: the experts' load in each layer, times on each rank. Whoever wrote the file."""

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from engine.run.jsonl_log import Line
from engine.run.list_fields import MOST_EXPERTS, MOST_LAYERS, MOST_RANKS

KEPT = 64
"""Newest intervals that are kept of a run: what is beyond them a curve has to tell."""

MOST_SHARES = 65_536
"""Experts in all layers together. A line of more is no line of ours: its load is left out."""

_MOST_SECONDS = 1e9
_ROUNDING = 1e-6
_NUMBERS = frozenset({int, float})


@dataclass(frozen=True)
class IntervalLists:
    """The lists of one log interval. What a line has not, or not in a form that makes sense, is empty."""

    step: int
    expert_load: tuple["array[float]", ...]
    """The experts' shares of the assignments, a layer each; empty for a layer that has none or tells nonsense."""
    rank_seconds: "array[float]"
    rank_data_wait: "array[float]"


def lists_of(line: Line) -> IntervalLists | None:
    """The lists of a train line with a valid step; None when it has none that can be used."""
    load = _layers(line.get("expert_load"))
    seconds = _numbers(line.get("rank_seconds"), MOST_RANKS, _MOST_SECONDS)
    data_wait = _numbers(line.get("rank_data_wait"), MOST_RANKS, 1.0)
    return IntervalLists(line["step"], load, seconds, data_wait) if load or seconds or data_wait else None


def _layers(value: object) -> tuple["array[float]", ...]:
    if type(value) is not list or not 0 < len(value) <= MOST_LAYERS:
        return ()
    if sum(len(layer) for layer in value if type(layer) is list) > MOST_SHARES:
        return ()
    layers = tuple(_numbers(layer, MOST_EXPERTS, 1.0) for layer in value)
    return layers if any(map(any, layers)) else ()  # all zero: an interval without a token tells nothing


def _numbers(value: object, most: int, greatest: float) -> "array[float]":
    """A list of up to `most` numbers from 0 to `greatest`; empty when it is anything else."""
    if type(value) is not list or not 0 < len(value) <= most or not _NUMBERS.issuperset(map(type, value)):
        return array("d")
    if not (min(value) >= 0 and max(value) <= greatest * (1 + _ROUNDING) and all(map(math.isfinite, value))):
        return array("d")
    return array("d", value)


def mean_of_each(rows: Sequence[Sequence[float]]) -> list[float]:
    """The mean of each place over rows of one length."""
    return [sum(column) / len(rows) for column in zip(*rows, strict=True)]
