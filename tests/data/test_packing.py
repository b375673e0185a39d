"""Best-fit packing: every piece in one row, no row over, and as tight as placing piece by piece."""

import time

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.data.packing import pack_best_fit


def one_by_one(lengths: list[int], capacity: int) -> list[int]:
    """Best-fit decreasing in its plainest form: the room left in each row."""
    room: list[int] = []
    for length in sorted(lengths, reverse=True):
        fitting = [(left, row) for row, left in enumerate(room) if left >= length]
        if fitting:
            room[min(fitting)[1]] -= length
        else:
            room.append(capacity - length)
    return room


@st.composite
def pieces(draw: st.DrawFn) -> tuple[list[int], int]:
    capacity = draw(st.integers(1, 60))
    return draw(st.lists(st.integers(1, capacity), min_size=1, max_size=120)), capacity


@settings(deadline=None)
@given(pieces())
def test_packing_equals_best_fit_decreasing(case: tuple[list[int], int]) -> None:
    lengths, capacity = case
    row_of_piece, rows = pack_best_fit(np.array(lengths), capacity)
    used = np.bincount(row_of_piece, weights=lengths, minlength=rows)
    assert len(used) == rows
    assert used.min() >= 1 and used.max() <= capacity
    plain = one_by_one(lengths, capacity)
    assert sorted((capacity - used).tolist()) == sorted(plain)
    # First-fit's guarantee, which best-fit decreasing shares: no more than one row is at most half full.
    assert (2 * used <= capacity).sum() <= 1


def test_packing_is_a_function_of_its_arguments() -> None:
    lengths = np.random.default_rng(1).integers(1, 513, 5000)
    first, second = pack_best_fit(lengths, 512), pack_best_fit(lengths.copy(), 512)
    assert np.array_equal(first[0], second[0]) and first[1] == second[1]


def test_a_million_pieces_take_seconds_and_fill_the_rows() -> None:
    lengths = np.minimum(np.random.default_rng(0).geometric(1 / 100, 10**6), 512).astype(np.int64)
    began = time.process_time()
    row_of_piece, rows = pack_best_fit(lengths, 512)
    assert time.process_time() - began < 5
    assert lengths.sum() / (rows * 512) > 0.999
    assert np.bincount(row_of_piece, weights=lengths).max() <= 512
