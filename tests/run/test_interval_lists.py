"""What log intervals say in lists is kept for the newest of them, and nothing of it that makes no sense."""

import math
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from engine.run.history import MetricsHistory
from engine.run.interval_lists import KEPT, MOST_SHARES, lists_of
from engine.run.jsonl_log import Line
from engine.run.list_fields import MOST_EXPERTS, MOST_LAYERS
from engine.run.schema import TrainLine

LOAD = [[0.5, 0.25, 0.25], [0.2, 0.3, 0.5]]


def line(step: int, attempt: int = 1, **more: Any) -> Line:
    return {"v": 1, "t": "", "attempt": attempt, "step": step, "kind": "train", "loss": 1.0, **more}


def told(found: Any) -> Any:
    return [list(layer) for layer in found.expert_load], list(found.rank_seconds), list(found.rank_data_wait)


def test_lists_of_a_line() -> None:
    found = lists_of(line(7, expert_load=LOAD, rank_seconds=[0.5, 2], rank_data_wait=[0, 1.0]))
    assert found is not None and found.step == 7
    assert told(found) == (LOAD, [0.5, 2.0], [0.0, 1.0])
    assert lists_of(line(7)) is None


@pytest.mark.parametrize(
    "load",
    [
        [],
        [[]],
        [0.5, 0.5],
        "0.5",
        7,
        {"0": [1.0]},
        [["a", "b"]],
        [[True, False]],
        [[None, 1.0]],
        [[-0.1, 1.1]],
        [[0.0, 0.0], [0.0, 0.0]],
        [[1e308, 0.0]],
        [[[0.5], [0.5]]],
        [[1.0]] * (MOST_LAYERS + 1),
        [[0.0] * (MOST_EXPERTS + 1)],
        [[0.0] * MOST_EXPERTS] * (MOST_SHARES // MOST_EXPERTS + 1),
    ],
)
def test_nonsense_is_left_out(load: object) -> None:
    assert lists_of(line(1, expert_load=load)) is None
    kept = lists_of(line(1, expert_load=load, rank_seconds=[1.0]))
    assert kept is not None and told(kept) == ([], [1.0], [])


def test_a_layer_that_makes_no_sense_keeps_its_place() -> None:
    found = lists_of(line(1, expert_load=[[0.5, 0.5], ["x"], [], [1.0]]))
    assert found is not None and told(found)[0] == [[0.5, 0.5], [], [], [1.0]]


@pytest.mark.parametrize(
    ("name", "value"),
    [("rank_seconds", [-1.0]), ("rank_seconds", [1e300]), ("rank_data_wait", [1.5]), ("rank_data_wait", [[0.1]])],
)
def test_times_that_cannot_be_are_left_out(name: str, value: object) -> None:
    assert lists_of(line(1, **{name: value})) is None


def test_the_newest_intervals_are_kept_whether_lines_come_one_by_one_or_at_once() -> None:
    lines = [line(step, expert_load=LOAD) for step in range(1, 3 * KEPT)]
    at_once, singly = MetricsHistory(), MetricsHistory()
    at_once.feed(lines)
    for one in lines:
        singly.feed([one])
    for history in (at_once, singly):
        assert [found.step for found in history.train.lists] == list(range(2 * KEPT, 3 * KEPT))


def test_undone_steps_take_their_lists_along() -> None:
    history = MetricsHistory()
    history.feed([line(step, rank_seconds=[float(step)]) for step in range(1, 21)])
    history.feed([{"kind": "attempt", "attempt": 2, "step": 10, "start_step": 10}])
    assert history.train.lists[-1].step == 10
    history.feed([line(11, 2, rank_seconds=[0.5])])
    assert [found.step for found in history.train.lists] == list(range(1, 12))
    assert list(history.train.lists[-1].rank_seconds) == [0.5]


def test_a_dense_run_keeps_nothing() -> None:
    history = MetricsHistory()
    history.feed([line(step) for step in range(1, 100)])
    assert not history.train.lists


ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63), st.floats(), st.text(max_size=3)),
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(st.text(max_size=2), inner, max_size=3)),
    max_leaves=20,
)


@given(load=ANYTHING, seconds=ANYTHING, wait=ANYTHING)
@settings(max_examples=200, deadline=None)
def test_whatever_a_file_says_what_is_kept_is_finite_and_bounded(load: object, seconds: object, wait: object) -> None:
    found = lists_of(line(1, expert_load=load, rank_seconds=seconds, rank_data_wait=wait))
    if found is not None:
        for numbers in (*found.expert_load, found.rank_seconds, found.rank_data_wait):
            assert all(math.isfinite(number) and number >= 0 for number in numbers)
        assert all(number <= 1.001 for layer in found.expert_load for number in layer)


def test_writers_write_lists_that_readers_take() -> None:
    fields: dict[str, Any] = {"attempt": 1, "step": 1, "epoch": 1, "tokens": 9, "elapsed": 0.1, "loss": 1.0, "lr": 1e-3}
    lists = {"expert_load": LOAD, "rank_seconds": [0.5, 0.25], "rank_data_wait": [0.0, 0.5]}
    written = orjson.loads(orjson.dumps(TrainLine(**fields, aux_loss=0.08, **lists).model_dump(exclude_unset=True)))
    found = lists_of(written)
    assert found is not None and told(found) == (LOAD, [0.5, 0.25], [0.0, 0.5])
    nothing = TrainLine(**fields, expert_load=[[math.nan, 1.0]], rank_seconds=[math.inf])
    assert nothing.expert_load is None and nothing.rank_seconds is None  # no run dies of a 0/0 in its log
    for wrong in ({"expert_load": [0.5]}, {"expert_load": [["x"]]}, {"rank_seconds": [-1.0]}):
        with pytest.raises(ValidationError):
            TrainLine(**fields, **wrong)
