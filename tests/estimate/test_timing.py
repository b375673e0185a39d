"""Bands of timed updates: parts, not single updates, and never narrower than the margin."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.estimate.band import Band
from engine.estimate.timing import MARGIN, TimedUpdates


def timed(seconds: list[float], tokens: int = 10) -> TimedUpdates:
    result = TimedUpdates()
    for one in seconds:
        result.add(one, tokens)
    return result


def test_few_updates_are_told_apart() -> None:
    few = timed([1.0, 3.0, 2.0])
    assert (few.updates, few.mean, few.tokens_per_second) == (3, 2.0, 5.0)
    assert few.low == pytest.approx(1.0 * (1 - MARGIN)) and few.high == pytest.approx(3.0 * (1 + MARGIN))


def test_many_updates_are_averaged_before_they_are_compared() -> None:
    alternating = timed([0.5, 1.5] * 500)
    assert alternating.low == pytest.approx(1 - MARGIN) and alternating.high == pytest.approx(1 + MARGIN)
    drifting = timed([1.0] * 500 + [2.0] * 500)
    assert drifting.low == pytest.approx(1 - MARGIN) and drifting.high == pytest.approx(2 * (1 + MARGIN))


def test_memory_is_bounded() -> None:
    many = timed([1.0] * 100_000)
    assert 8 <= len(many._blocks) < 16 and many.updates == 100_000


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=200))
def test_the_mean_lies_within_the_band(seconds: list[float]) -> None:
    seen = timed(seconds)
    assert seen.mean == pytest.approx(sum(seconds) / len(seconds))
    if len(seconds) < 16:
        assert seen.low <= seen.mean <= seen.high
    assert min(seconds) * (1 - MARGIN) <= seen.low * (1 + 1e-9) and seen.high <= max(seconds) * (1 + MARGIN) * (
        1 + 1e-9
    )


def test_bands_add_up() -> None:
    band = Band(1.0, 4.0, "calibrated")
    assert band.middle == 2.0
    assert band.times(3) == Band(3.0, 12.0, "calibrated")
    assert band.plus(Band(1.0, 1.0, "rough")) == Band(2.0, 5.0, "calibrated")
    assert band.at_most(2.5) == Band(1.0, 2.5, "calibrated")
