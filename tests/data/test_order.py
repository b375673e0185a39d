"""The order of an epoch: a bijection decided by size, seed and epoch, the same everywhere (traps 1 and 18)."""

import hashlib
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.data.order import permuted


@settings(max_examples=60, deadline=None)
@given(st.one_of(st.integers(1, 3000), st.sampled_from([4095, 4096, 4097, 16384])), st.integers(), st.integers(0, 99))
def test_every_row_comes_exactly_once(n: int, seed: int, epoch: int) -> None:
    order = permuted(range(n), n, seed, epoch)
    assert np.array_equal(np.sort(order), np.arange(n))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 10**12), st.integers(0, 2**63), st.integers(0, 1000), st.data())
def test_a_part_is_that_part_of_the_whole(n: int, seed: int, epoch: int, data: st.DataObject) -> None:
    index = data.draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=20, unique=True))
    together = permuted(np.array(index), n, seed, epoch)
    assert len(set(together.tolist())) == len(index)
    assert together.min() >= 0 and together.max() < n
    assert [permuted([i], n, seed, epoch)[0] for i in index] == together.tolist()  # type: ignore[arg-type]


def test_the_order_is_pinned_for_all_platforms() -> None:
    """A change of these values changes the order of every run that is resumed."""
    assert permuted(range(8), 8, 1, 0).tolist() == [4, 5, 2, 0, 7, 6, 3, 1]
    assert permuted(range(6), 10**6, 42, 3).tolist() == [343240, 864185, 364368, 838481, 133670, 711298]
    whole = permuted(range(100_003), 100_003, 7, 2).astype("<i8").tobytes()
    assert hashlib.sha256(whole).hexdigest()[:16] == "5e4ce309e58c5e6a"


@pytest.mark.parametrize("n", [1000, 1025, 5000, 70_000])
def test_the_order_is_well_mixed(n: int) -> None:
    order = permuted(range(n), n, 3, 1).astype(float)
    place = np.arange(n)
    limit = 4 / n**0.5
    assert abs(np.corrcoef(order, place)[0, 1]) < limit
    assert abs(np.corrcoef(order[:-1], order[1:])[0, 1]) < limit
    assert (order == place).sum() < 10
    # Each tenth of the epoch draws evenly from each tenth of the table.
    table = np.histogram2d(place, order, bins=10)[0]
    expected = n / 100
    assert ((table - expected) ** 2 / expected).sum() < 160  # chi-square, 81 degrees of freedom, p < 1e-6
    assert np.bincount((order % 2).astype(int) * 2 + place % 2).min() > n / 4 - 4 * (n / 16) ** 0.5 - 2


@pytest.mark.parametrize("n", [2, 3, 4])
def test_every_order_of_few_rows_is_equally_likely(n: int) -> None:
    counts = Counter(tuple(permuted(range(n), n, seed, 0).tolist()) for seed in range(2400))
    cases = {2: 2, 3: 6, 4: 24}[n]
    assert len(counts) == cases
    expected = 2400 / cases
    assert sum((count - expected) ** 2 / expected for count in counts.values()) < 60


def test_seed_epoch_and_size_each_matter() -> None:
    orders = [permuted(range(5000), n, seed, epoch) for n, seed, epoch in [(5000, 1, 0), (5000, 2, 0), (5000, 1, 1)]]
    for a in range(3):
        for b in range(a):
            assert (orders[a] == orders[b]).mean() < 0.01
    assert (permuted(range(5000), 5001, 1, 0) == orders[0]).mean() < 0.01


def test_an_index_outside_is_refused() -> None:
    for index in ([-1], [10]):
        with pytest.raises(IndexError):
            permuted(np.array(index), 10, 0, 0)
    assert permuted(range(0), 10, 0, 0).tolist() == []
