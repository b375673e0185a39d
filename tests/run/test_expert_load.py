"""Entropy and starvation: against values worked out by hand, and where there is little to go by."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.run.expert_load import (
    JUDGED_FROM,
    JUDGED_OVER,
    STARVING_SHARE,
    Starving,
    StarvingWatch,
    entropy,
    mean_load,
    recent_loads,
    starving_experts,
    unassigned,
)


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ([0.25] * 4, 1.0),
        ([1.0, 0.0, 0.0, 0.0], 0.0),
        ([0.5, 0.5, 0.0, 0.0], 0.5),  # ln 2 / ln 4
        ([0.5, 0.25, 0.125, 0.125], 0.875),  # 1.75 bits of 2
        ([1.0], 1.0),
        ([0.0, 0.0], None),
        ([], None),
    ],
)
def test_entropy(shares: list[float], expected: float | None) -> None:
    assert entropy(shares) == (None if expected is None else pytest.approx(expected))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=64))
@settings(max_examples=100, deadline=None)
def test_entropy_lies_between_0_and_1(shares: list[float]) -> None:
    value = entropy(shares)
    assert value is None or (0 <= value <= 1 and math.isfinite(value))


def test_starving_is_less_than_a_tenth_of_the_fair_share_on_the_mean_of_several_intervals() -> None:
    fair = 1 / 4
    just_below, just_above = STARVING_SHARE * fair * 0.99, STARVING_SHARE * fair * 1.01
    mean = [[0.25, 0.25, 0.25, 0.25], [just_below, 0.4, just_above, 0.4]]
    assert starving_experts(mean, JUDGED_FROM) == [Starving(1, 0, just_below, fair)]
    assert starving_experts(mean, JUDGED_FROM - 1) == []


def test_one_empty_interval_is_no_starvation_and_a_fed_expert_is_soon_no_more() -> None:
    even, one_sided = [[0.5, 0.5]], [[1.0, 0.0]]

    def judged(history: list[list[list[float]]]) -> list[Starving]:
        recent = recent_loads(history)
        return starving_experts(mean_load(recent), len(recent))

    assert judged([even] * 20 + [one_sided]) == []
    assert [one.expert for one in judged([one_sided] * 20)] == [1]
    assert [one.expert for one in judged([even] * 50 + [one_sided] * JUDGED_OVER)] == [1]
    assert judged([one_sided] * 20 + [even] * 2) == []


def test_only_loads_of_one_shape_are_put_together() -> None:
    before, now = [[0.5, 0.5]], [[0.2, 0.3, 0.5]]
    assert recent_loads([before] * 5 + [now] * 3) == [now] * 3
    assert len(recent_loads([now] * 100)) == JUDGED_OVER
    assert recent_loads([]) == []


def test_a_layer_without_experts_starves_nobody() -> None:
    assert mean_load([[[], [0.5, 0.5]], [[], [0.7, 0.3]]]) == [[], pytest.approx([0.6, 0.4])]
    assert starving_experts([[], [0.5, 0.5]], 16) == []


def test_what_reached_no_expert() -> None:
    assert unassigned([0.25, 0.25, 0.25, 0.25]) == 0.0
    assert unassigned([0.5, 0.3]) == pytest.approx(0.2)


def test_a_watch_warns_once_when_experts_begin_to_starve_and_again_after_they_recovered() -> None:
    watch = StarvingWatch()
    even, one, two = [[0.5, 0.5]], [[0.99, 0.01]], [[1.0, 0.0], [0.0, 1.0]]
    assert not any(watch.take(even) for _ in range(JUDGED_OVER))
    told = [watch.take(one) for _ in range(2 * JUDGED_OVER)]
    assert [message for message in told if message] == ["Expert 1 of layer 0 starves."]
    assert not any(watch.take(even) for _ in range(2 * JUDGED_OVER))
    assert [m for _ in range(JUDGED_FROM) if (m := watch.take(two))] == [
        "2 experts starve, among them expert 1 of layer 0."
    ]
