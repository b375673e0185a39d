"""Fewer rows at a time from the same updates, and an update dealt again from its first row."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.data.rows import IGNORE, Batch
from engine.data.stream import Cursor, UpdateStream


class Numbered:
    """Rows whose batch says only which rows it holds."""

    def __init__(self, row_count: int) -> None:
        self.row_count = row_count
        self.row_targets = np.arange(1, row_count + 1, dtype=np.uint32)

    def batch(self, row_indices: Any, *, fill_to: int = 0) -> Batch:
        rows = np.asarray(row_indices, dtype=np.int64)
        shape = (max(len(rows), fill_to), 1)
        empty = np.full(shape, IGNORE)
        return Batch(empty, empty, empty, empty, int(self.row_targets[rows].sum()), rows)


def stream_of(rows: int, at_once: int | None, **options: Any) -> UpdateStream:
    return UpdateStream(Numbered(rows), seed=3, at_once=at_once, end_epoch=2, **options)


def updates_of(stream: UpdateStream) -> list[tuple[Cursor, int, int, list[int]]]:
    """(cursor after, target tokens, rows, the rows in their order) of every update from here on."""
    return [
        (
            update.cursor_after,
            update.target_tokens,
            update.row_count,
            [row for batch in update.micro_batches for row in batch.rows.tolist()],
        )
        for update in stream
    ]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 50), st.integers(1, 6), st.integers(1, 4), st.integers(1, 30))
def test_an_update_has_the_same_rows_whatever_is_computed_at_once(
    rows: int, micro_batch: int, steps: int, at_once: int
) -> None:
    options = {"micro_batch": micro_batch, "accumulation_steps": steps}
    with stream_of(rows, None, **options) as usual, stream_of(rows, at_once, **options) as other:
        assert usual.rows_per_update == other.rows_per_update == micro_batch * steps
        assert other.micro_batches == -(-micro_batch * steps // at_once)
        assert updates_of(usual) == updates_of(other)


@settings(max_examples=40, deadline=None)
@given(st.data(), st.integers(5, 40), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3))
def test_ranks_share_what_is_dealt_unevenly_without_losing_a_row(
    data: st.DataObject, rows: int, micro_batch: int, steps: int, world: int
) -> None:
    at_once = data.draw(st.integers(1, micro_batch))
    options: dict[str, Any] = {"micro_batch": micro_batch, "accumulation_steps": steps, "world_size": world}
    dealt = []
    for rank in range(world):
        with stream_of(rows, at_once, rank=rank, **options) as stream:
            dealt.append(updates_of(stream))
    with stream_of(rows, None, micro_batch=micro_batch * world, accumulation_steps=steps) as alone:
        for together, of_each in zip(updates_of(alone), zip(*dealt, strict=True), strict=True):
            assert {one[:3] for one in of_each} == {together[:3]}
            assert sorted(row for one in of_each for row in one[3]) == sorted(together[3])


@settings(max_examples=40, deadline=None)
@given(st.data(), st.integers(2, 40), st.integers(1, 5), st.integers(1, 3))
def test_an_update_begun_is_dealt_again_from_its_first_row(
    data: st.DataObject, rows: int, micro_batch: int, steps: int
) -> None:
    options: dict[str, Any] = {"micro_batch": micro_batch, "accumulation_steps": steps}
    with stream_of(rows, None, **options) as usual:
        expected = updates_of(usual)
    made = data.draw(st.integers(0, len(expected) - 1))
    with stream_of(rows, None, prefetch=2, **options) as stream:
        taken = []
        for _update in range(made):
            update = next(stream)
            taken += [row for batch in update.micro_batches for row in batch.rows.tolist()]
        before = stream.cursor
        begun = iter(next(stream).micro_batches)
        next(begun)
        stream.deal_again(before, data.draw(st.integers(1, micro_batch)))
        again = updates_of(stream)
    assert again == expected[made:]
    assert taken == [row for update in expected[:made] for row in update[3]]


def test_the_time_waited_goes_on_and_the_old_thread_is_gone() -> None:
    with stream_of(20, None, micro_batch=4) as stream:
        next(iter(next(stream).micro_batches))
        waited, thread = stream.wait_seconds, stream._thread
        stream.deal_again(Cursor(), 2)
        assert not thread.is_alive() and stream.wait_seconds >= waited


def test_compiled_code_gets_its_one_shape() -> None:
    with stream_of(10, 3, micro_batch=5, fixed_shape=True) as stream:
        shapes = {batch.ids.shape for update in stream for batch in update.micro_batches}
    assert shapes == {(3, 1)}
