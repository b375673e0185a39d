"""The stream of updates: every row once an epoch, whatever the ranks, resumed exactly (traps 1, 2, 5, 9, 21, 62)."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from data_material import make_texts
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.data.order import permuted
from engine.data.rows import IGNORE, Batch, RowTable, build_rows
from engine.data.stream import Cursor, Update, UpdateStream, updates_per_epoch
from engine.data.token_cache import TokenCache


class FakeRows:
    """A table whose batch says only which rows it holds."""

    def __init__(self, row_count: int) -> None:
        self.row_count = row_count
        self.row_targets = (np.arange(row_count, dtype=np.uint32) * 7) % 50 + 1

    def batch(self, row_indices: Any, *, fill_to: int = 0) -> Batch:
        rows = np.asarray(row_indices, dtype=np.int64)
        shape = (max(len(rows), fill_to), 1)
        empty = np.full(shape, IGNORE)
        targets = int(self.row_targets[rows].sum())
        return Batch(empty, empty, empty, empty, targets, np.append(rows, [-1] * (shape[0] - len(rows))))


def fake(row_count: int) -> RowTable:
    return FakeRows(row_count)  # type: ignore[return-value]


def seen(stream: UpdateStream) -> list[tuple[int, Cursor, int, list[list[int]]]]:
    """(epoch, cursor after, target tokens, the rows of each micro-batch) of every update."""
    with stream:
        return [
            (
                update.epoch,
                update.cursor_after,
                update.target_tokens,
                [[row for row in batch.rows.tolist() if row >= 0] for batch in update.micro_batches],
            )
            for update in stream
        ]


shapes = st.tuples(st.integers(1, 60), st.integers(1, 5), st.integers(1, 4), st.integers(1, 4))


@settings(max_examples=60, deadline=None)
@given(shapes, st.integers(0, 5), st.data())
def test_every_row_once_an_epoch_for_any_shape_and_exactly_on_from_any_cursor(
    shape: tuple[int, int, int, int], seed: int, data: st.DataObject
) -> None:
    row_count, micro_batch, accumulation, world = shape
    table = fake(row_count)
    options: dict[str, Any] = {"seed": seed, "micro_batch": micro_batch, "accumulation_steps": accumulation}
    options |= {"world_size": world, "end_epoch": 2}
    ranks = [seen(UpdateStream(table, rank=rank, **options)) for rank in range(world)]
    group = micro_batch * accumulation * world
    assert {len(rank) for rank in ranks} == {2 * updates_per_epoch(row_count, group)}
    for epoch in (0, 1):
        order = permuted(range(row_count), row_count, seed, epoch).tolist()
        taken = []
        for number, updates in enumerate(zip(*[[u for u in rank if u[0] == epoch] for rank in ranks], strict=True)):
            assert len({(cursor, targets, len(batches)) for _e, cursor, targets, batches in updates}) == 1
            content = [row for _e, _c, _t, batches in updates for batch in batches for row in batch]
            wanted = order[number * group : (number + 1) * group]
            assert sorted(content) == sorted(wanted)  # the same whatever the ranks and micro-batches
            assert updates[0][2] == int(table.row_targets[wanted].sum())
            assert all(len(batch) <= micro_batch for _e, _c, _t, batches in updates for batch in batches)
            assert len(updates[0][3]) <= accumulation
            taken += content
        assert sorted(taken) == list(range(row_count))
    cut = data.draw(st.integers(0, len(ranks[0])))
    rank = data.draw(st.integers(0, world - 1))
    start = ranks[0][cut - 1][1] if cut else Cursor()
    assert seen(UpdateStream(table, rank=rank, start=start, **options)) == ranks[rank][cut:]


def test_a_cursor_from_another_effective_batch_goes_on_with_the_rows_left() -> None:
    table = fake(50)
    first = seen(UpdateStream(table, seed=1, micro_batch=7))[:3]
    rest = seen(UpdateStream(table, seed=1, micro_batch=4, accumulation_steps=3, start=first[-1][1]))
    rows = [row for *_ignored, batches in first + rest for batch in batches for row in batch]
    assert sorted(rows) == list(range(50))
    assert rest[-1][1] == Cursor(1, 0)


def test_the_end_of_an_epoch_is_the_start_of_the_next() -> None:
    table = fake(10)
    options: dict[str, Any] = {"seed": 1, "micro_batch": 4, "end_epoch": 3}
    assert seen(UpdateStream(table, start=Cursor(0, 10), **options)) == seen(
        UpdateStream(table, start=Cursor(1, 0), **options)
    )
    assert seen(UpdateStream(table, start=Cursor(3, 0), **options)) == []
    with pytest.raises(ValueError, match="cursor"):
        UpdateStream(table, start=Cursor(0, 11), **options)


def test_a_rank_without_rows_gets_a_batch_without_weight() -> None:
    table = fake(5)
    options: dict[str, Any] = {"seed": 0, "micro_batch": 2, "accumulation_steps": 2, "world_size": 2}
    for fixed_shape, rows in ((False, 1), (True, 2)):
        with UpdateStream(table, rank=1, fixed_shape=fixed_shape, **options) as stream:
            update = next(stream)
            batches = list(update.micro_batches)
        assert len(batches) == len(update.micro_batches) == 2
        assert batches[1].target_tokens == 0
        assert batches[1].labels.shape[0] == rows
        assert (batches[1].labels == IGNORE).all()
        assert update.target_tokens == int(table.row_targets.sum())


def test_fixed_shape_changes_no_weight(make_cache: Callable[[Sequence[str]], TokenCache]) -> None:
    table = build_rows(make_cache(make_texts(120)), max_seq_len=64, bos_id=1, eos_id=2)
    options: dict[str, Any] = {"seed": 3, "micro_batch": 4, "accumulation_steps": 2}

    def labels(fixed_shape: bool) -> list[list[int]]:
        with UpdateStream(table, fixed_shape=fixed_shape, **options) as stream:
            batches = [batch for update in stream for batch in update.micro_batches]
        if fixed_shape:
            assert {batch.ids.shape for batch in batches} == {(4, 64)}
        return [batch.labels[batch.labels != IGNORE].tolist() for batch in batches]

    assert table.row_count % 4
    assert labels(True) == labels(False)


def test_an_update_left_halfway_does_not_shift_the_next() -> None:
    table = fake(40)
    options: dict[str, Any] = {"seed": 1, "micro_batch": 2, "accumulation_steps": 5}
    whole = seen(UpdateStream(table, **options))
    with UpdateStream(table, **options) as stream:
        first = next(stream)
        next(iter(first.micro_batches))
        second = next(stream)
        assert [batch.rows.tolist() for batch in second.micro_batches] == whole[1][3]


class FailingRows(FakeRows):
    def batch(self, row_indices: Any, *, fill_to: int = 0) -> Batch:
        if 0 in np.asarray(row_indices):
            raise OSError("the disk went away")
        return super().batch(row_indices, fill_to=fill_to)


def test_what_the_thread_raises_reaches_the_consumer() -> None:
    stream = UpdateStream(FailingRows(30), seed=1, micro_batch=1)  # type: ignore[arg-type]
    order = permuted(range(30), 30, 1, 0).tolist()
    got = []
    with stream, pytest.raises(OSError, match="disk went away"):
        for update in stream:
            got += [int(batch.rows[0]) for batch in update.micro_batches]
    assert got == order[: order.index(0)]
    assert not stream._thread.is_alive()


@pytest.mark.parametrize("taken", [0, 1, 3])
def test_close_ends_the_thread_at_any_time(taken: int) -> None:
    stream = UpdateStream(fake(1000), seed=1, micro_batch=1, prefetch=2)
    for _update in range(taken):
        list(next(stream).micro_batches)
    stream.close()
    stream.close()
    assert not stream._thread.is_alive()
    assert list(stream) == []
    assert not any(thread.name.startswith("prefetch") for thread in threading.enumerate())


class SlowRows(FakeRows):
    delay = 0.02

    def batch(self, row_indices: Any, *, fill_to: int = 0) -> Batch:
        time.sleep(self.delay)
        return super().batch(row_indices, fill_to=fill_to)


def consume(stream: Iterator[Update], seconds: float) -> None:
    for update in stream:
        for _batch in update.micro_batches:
            time.sleep(seconds)


def test_waiting_for_data_is_measured_and_prefetching_hides_it() -> None:
    slow = SlowRows(15)
    with UpdateStream(slow, seed=1, micro_batch=1) as hungry:  # type: ignore[arg-type]
        consume(hungry, 0)
    assert hungry.wait_seconds > 0.6 * 15 * SlowRows.delay
    with UpdateStream(slow, seed=1, micro_batch=1) as busy:  # type: ignore[arg-type]
        consume(busy, 3 * SlowRows.delay)
    assert busy.wait_seconds < 0.5 * hungry.wait_seconds


def test_no_more_than_asked_for_is_prefetched() -> None:
    made = SimpleNamespace(count=0)

    class Counting(FakeRows):
        def batch(self, row_indices: Any, *, fill_to: int = 0) -> Batch:
            made.count += 1
            return super().batch(row_indices, fill_to=fill_to)

    with UpdateStream(Counting(100), seed=1, micro_batch=1, accumulation_steps=50, prefetch=3):  # type: ignore[arg-type]
        time.sleep(0.3)
        assert made.count == 4  # three waiting, one in the thread's hand


@pytest.mark.parametrize("wrong", [{"rank": 2, "world_size": 2}, {"micro_batch": 0}, {"accumulation_steps": 0}])
def test_impossible_shapes_are_refused(wrong: dict[str, int]) -> None:
    options: dict[str, Any] = {"seed": 0, "micro_batch": 1, **wrong}
    with pytest.raises(ValueError):
        UpdateStream(fake(5), **options)
