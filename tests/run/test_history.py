"""Attempts in order: after any number of crashes and resumes each step comes once, and none is missing."""

import math
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.run.create import create_run
from engine.run.history import MOST_COLUMNS, EventHistory, MetricsHistory, Series
from engine.run.jsonl_log import Line, LineWriter, encode_line
from engine.run.schema import AttemptHeader, TrainLine, ValidationLine
from engine.run.view import RunView


def train(attempt: int, step: int, loss: float | None = None, **more: Any) -> Line:
    loss = float(1000 * attempt + step) if loss is None else loss
    line = TrainLine(attempt=attempt, step=step, epoch=0, tokens=step, elapsed=0.1, loss=loss, lr=1e-3, **more)
    return line.model_dump(exclude_unset=True) | {"v": 1, "t": line.t, "kind": "train"}


def validation(attempt: int, step: int) -> Line:
    return ValidationLine(
        attempt=attempt, step=step, epoch=0, tokens=step, elapsed=0.1, loss=1000.0 * attempt + step
    ).model_dump()


def header(attempt: int, start_step: int) -> Line:
    return AttemptHeader(attempt=attempt, step=start_step, start_step=start_step).model_dump()


def odd_lines() -> st.SearchStrategy[Line]:
    """Lines with steps that jump or repeat, other attempts, values of any kind, and keys that come and go."""
    values = st.one_of(
        st.none(), st.booleans(), st.integers(-9, 9), st.floats(-9, 9), st.text(max_size=2), st.just([1])
    )
    return st.fixed_dictionaries(
        {"kind": st.just("train")},
        optional={
            "step": st.one_of(st.integers(-1, 40), st.none(), st.booleans()),
            "attempt": st.sampled_from([1, 1, 1, 1, 2, None, True]),
            "loss": values,
            "lr": values,
            "extra": values,
        },
    )


@given(
    regular=st.lists(st.integers(1, 30), max_size=30, unique=True).map(sorted),
    odd=st.lists(odd_lines(), max_size=30),
    same_keys=st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_many_lines_at_once_are_taken_as_one_by_one(regular: list[int], odd: list[Line], same_keys: bool) -> None:
    lines: list[Line] = [{"attempt": 1, "step": step, "loss": step / 2, "lr": None, "t": "now"} for step in regular]
    if same_keys:
        lines = [line | {"extra": value} for line, value in zip(lines, [1, None, True, "x", 2.5] * 6, strict=False)]
    for batch in (lines, odd):
        together, apart = Series(), Series()
        for series in (together, apart):
            series.begin_attempt(1, 0)
        refused = sum(not apart.add(line) for line in batch)
        assert together.add_many(batch) == refused
        assert together.names == apart.names and together.last == apart.last
        assert (together.steps, together.attempts) == (apart.steps, apart.attempts)
        for name in apart.names:
            assert repr(together.column(name)) == repr(apart.column(name))


@st.composite
def attempts(draw: st.DrawFn) -> list[tuple[int, int]]:
    """(start_step, last step) of each attempt; each begins at a step some earlier one reached."""
    found, reached = [], 0
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, reached))
        reached = start + draw(st.integers(0, 12))
        found.append((start, reached))
    return found


@given(attempts=attempts(), lose_headers=st.booleans(), interval=st.integers(1, 4))
@settings(max_examples=300, deadline=None)
def test_each_step_comes_once_and_from_the_newest_attempt(
    attempts: list[tuple[int, int]], lose_headers: bool, interval: int
) -> None:
    history, expected = MetricsHistory(), {}
    for number, (start, end) in enumerate(attempts, 1):
        lines = [] if lose_headers else [header(number, start)]
        expected = {step: value for step, value in expected.items() if lose_headers or step <= start}
        for step in range(start + 1, end + 1):
            if step % interval == 0:
                lines.append(train(number, step))
                if lose_headers:
                    expected = {one: value for one, value in expected.items() if one < step}
                expected[step] = 1000.0 * number + step
        history.feed(lines)
    assert dict(zip(history.train.steps, history.train.column("loss"), strict=True)) == expected
    assert list(history.train.steps) == sorted(expected)


def test_a_validation_at_the_start_step_is_kept_and_can_be_made_again() -> None:
    history = MetricsHistory()
    history.feed([header(1, 0), validation(1, 10), validation(1, 20), header(2, 10)])
    assert list(history.validation.steps) == [10]
    history.feed([validation(2, 10), validation(2, 20)])
    assert list(history.validation.column("loss")) == [2010.0, 2020.0]


def test_a_late_line_of_an_ended_attempt_is_refused() -> None:
    history = MetricsHistory()
    history.feed([header(1, 0), train(1, 1), train(1, 2), header(2, 1), train(2, 2), train(1, 3), header(1, 0)])
    assert list(history.train.column("loss")) == [1001.0, 2002.0]
    assert history.refused == 1


def test_a_step_logged_twice_counts_once() -> None:
    history = MetricsHistory()
    history.feed([train(1, 1), train(1, 2, 5.0), train(1, 2, 6.0), train(1, 1, 7.0)])
    assert list(history.train.steps) == [1, 2] and list(history.train.column("loss")) == [1001.0, 5.0]
    assert history.refused == 2


@pytest.mark.parametrize(
    "line",
    [
        {},
        {"kind": "train"},
        {"kind": "train", "step": "5", "attempt": 1},
        {"kind": "train", "step": 1.5, "attempt": 1},
        {"kind": "train", "step": -1, "attempt": 1},
        {"kind": "train", "step": 2**63, "attempt": 1},
        {"kind": "train", "step": 5, "attempt": 2**63},
        {"kind": "train", "step": True, "attempt": 1},
        {"kind": "attempt", "attempt": None, "start_step": 3},
        {"kind": 7, "step": 5, "attempt": 1},
    ],
)
def test_lines_that_make_no_sense_are_counted(line: Line) -> None:
    history = MetricsHistory()
    history.feed([train(1, 1), line, train(1, 2)])
    assert list(history.train.steps) == [1, 2] and history.refused == 1


def test_columns_hold_any_number_and_mark_what_is_missing() -> None:
    series = Series()
    series.add(train(1, 1))
    series.add(train(1, 2, mfu=0.5, brand_new=3, expert_load=[[0.1, 0.9]], note="text"))
    series.add({"kind": "train", "attempt": 1, "step": 3, "loss": None})
    assert math.isnan(series.column("mfu")[0]) and list(series.column("mfu"))[1] == 0.5
    assert list(series.column("brand_new"))[1] == 3.0
    assert math.isnan(series.column("loss")[2])
    assert all(len(series.column(name)) == 3 for name in [*series.names, "no such column"])
    assert not {"step", "attempt", "v", "note", "expert_load"} & set(series.names)
    assert series.last == {"kind": "train", "attempt": 1, "step": 3, "loss": None}


def test_events_of_undone_steps_go_and_what_people_did_stays() -> None:
    def event(kind: str, attempt: int, step: int) -> Line:
        return {"v": 1, "t": "", "kind": kind, "attempt": attempt, "step": step}

    history = EventHistory()
    history.feed(
        [
            header(1, 0),
            event("checkpoint", 1, 10),
            event("sample", 1, 10),
            event("sample", 1, 15),
            event("control", 1, 15),
            event("failed", 1, 16),
            header(2, 10),
            event("sample", 2, 15),
        ]
    )
    told = [(line["kind"], line["attempt"], line["step"]) for line in history.events]
    assert told == [
        ("attempt", 1, 0),
        ("checkpoint", 1, 10),
        ("sample", 1, 10),
        ("control", 1, 15),
        ("failed", 1, 16),
        ("attempt", 2, 10),
        ("sample", 2, 15),
    ]


def test_a_validation_that_a_checkpoint_owed_and_two_attempts_made_counts_once() -> None:
    def validation(attempt: int, step: int) -> Line:
        return {"v": 1, "t": "", "kind": "validation", "attempt": attempt, "step": step, "loss": 1.0 + step}

    # the second attempt dies before it saves again, so the third begins where it began
    lines = [header(1, 0), validation(1, 6), header(2, 12), validation(2, 12), header(3, 12), validation(3, 12)]
    events, metrics = EventHistory(), MetricsHistory()
    events.feed(lines)
    metrics.feed(lines)
    told = [(line["attempt"], line["step"]) for line in events.events if line["kind"] == "validation"]
    assert told == [(1, 6), (3, 12)]
    assert list(metrics.validation.steps) == [6, 12] and list(metrics.validation.attempts) == [1, 3]


def test_a_view_follows_a_growing_run_and_a_rewind(tmp_path: Path) -> None:
    folder = create_run(tmp_path, "x", "")
    view, writer = RunView(folder), LineWriter(folder.metrics)
    view.poll()
    assert not view.poll()  # nothing new: no redraw
    writer.append(train(1, 1))
    writer.append(train(1, 2))
    assert view.poll() and list(view.train.steps) == [1, 2] and view.rewinds == 0
    version = view.version
    writer.append(header(2, 1))
    assert view.poll() and list(view.train.steps) == [1] and view.rewinds == 1 and view.version > version
    writer.append(train(2, 2))
    assert view.poll() and list(view.column("loss")) == [1001.0, 2002.0]
    folder.metrics.write_bytes(encode_line(train(1, 1)))  # restored from somewhere
    assert view.poll() and list(view.train.steps) == [1] and view.rewinds == 2


def test_a_hundred_thousand_lines_are_read_quickly(tmp_path: Path) -> None:
    folder = create_run(tmp_path, "x", "")
    lines = [train(1, step, grad_norm=1.0, tokens_per_s=5e4, data_wait=0.01, memory=1 << 30) for step in (1, 2)]
    first = encode_line(lines[0])
    with folder.metrics.open("wb") as file:
        for step in range(1, 100_001):
            file.write(first.replace(b'"step":1,', b'"step":%d,' % step, 1))
    view = RunView(folder)
    before = time.process_time()
    view.read_all()
    seconds = time.process_time() - before
    assert len(view.train) == 100_000 and view.train.steps[-1] == 100_000
    assert seconds < 3.0  # about 0.5 on a slow core: a model validated for each line would need several times that
    before = time.process_time()
    for _ in range(100):
        view.poll()
    assert time.process_time() - before < 0.5  # an idle poll does not read the file again


@pytest.mark.parametrize("at_once", [1, 100])
def test_lines_that_all_have_names_of_their_own_make_no_more_columns_than_a_log_may_have(at_once: int) -> None:
    lines: list[Line] = [
        {"attempt": 1, "step": step, "loss": 1.0, f"name{step // at_once}": 1.0} for step in range(300 * at_once)
    ]
    series = Series()
    for start in range(0, len(lines), at_once):
        assert series.add_many(lines[start : start + at_once]) == 0
    assert len(series) == len(lines)
    assert len(series.names) == MOST_COLUMNS
    assert series.column("loss")[5] == 1.0
