import json
import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import UserError
from engine.settings.schedule import SCHEDULE_KINDS, Horizon, Schedule, plan_total

KINDS = st.sampled_from(SCHEDULE_KINDS)
PEAK = 5e-4


@st.composite
def schedules(draw: st.DrawFn) -> tuple[Schedule, Horizon]:
    schedule = Schedule(
        draw(KINDS),
        draw(st.floats(1e-6, 1.0)),
        warmup_steps=draw(st.integers(0, 40)),
        min_lr_ratio=draw(st.floats(0.0, 1.0)),
        decay_share=draw(st.floats(0.05, 1.0)),
    )
    return schedule, schedule.plan(draw(st.integers(1, 120)))


def test_cosine_is_minimind_s_curve_and_starts_at_exactly_the_learning_rate() -> None:  # trap 25
    schedule = Schedule("cosine", PEAK)
    horizon = schedule.plan(200)
    for step in range(200):
        expected = PEAK * (0.1 + 0.45 * (1 + math.cos(math.pi * step / 200)))
        assert schedule.lr_at(step, horizon) == pytest.approx(expected, rel=1e-12)
    assert schedule.lr_at(0, horizon) == PEAK
    assert schedule.lr_at(200, horizon) == pytest.approx(0.1 * PEAK, rel=1e-12)


@pytest.mark.parametrize("kind", SCHEDULE_KINDS)
def test_warm_up_rises_linearly_to_exactly_the_learning_rate(kind: str) -> None:
    schedule = Schedule(kind, PEAK, warmup_steps=9)  # type: ignore[arg-type]
    horizon = schedule.plan(100)
    assert [schedule.lr_at(step, horizon) for step in range(9)] == pytest.approx(
        [PEAK * (step + 1) / 10 for step in range(9)]
    )
    assert schedule.lr_at(9, horizon) == PEAK


def test_the_other_kinds_end_where_they_promise() -> None:
    linear, wsd, constant = (Schedule(kind, PEAK, decay_share=0.25) for kind in ("linear", "wsd", "constant"))
    horizon = Horizon.plan(100)
    assert linear.lr_at(50, horizon) == PEAK / 2
    assert linear.lr_at(99, horizon) == pytest.approx(PEAK / 100)
    assert [wsd.lr_at(step, horizon) for step in (0, 40, 75)] == [PEAK] * 3
    assert wsd.lr_at(76, horizon) == pytest.approx(PEAK * (1 - math.sqrt(1 / 25)))
    assert wsd.lr_at(100, horizon) == linear.lr_at(100, horizon) == 0.0
    assert [constant.lr_at(step, horizon) for step in (0, 50, 99)] == [PEAK] * 3


@given(schedules())
@settings(max_examples=50, deadline=None)
def test_bounded_and_falling_once_warm_up_is_over(case: tuple[Schedule, Horizon]) -> None:
    schedule, horizon = case
    rates = [schedule.lr_at(step, horizon) for step in range(horizon.end + 1)]
    assert all(0.0 <= rate <= schedule.learning_rate for rate in rates)
    assert all(rate > 0.0 for rate in rates[:-1]) or schedule.min_lr_ratio == 0.0
    settled = rates[schedule.warmup_steps :]
    assert all(later <= earlier for earlier, later in pairwise(settled))
    if schedule.warmup_steps < horizon.end:
        assert rates[schedule.warmup_steps] == schedule.learning_rate
    floor = {"cosine": schedule.min_lr_ratio, "linear": 0.0, "wsd": 0.0, "constant": 1.0}[schedule.kind]
    expected = floor * schedule.learning_rate * schedule.warm_up(horizon.end)
    assert rates[-1] == pytest.approx(expected, rel=1e-9, abs=1e-6 * schedule.learning_rate)


@given(schedules(), st.lists(st.tuples(st.floats(0, 0.99), st.integers(1, 150)), min_size=1, max_size=4))
@settings(max_examples=80, deadline=None)
def test_replanning_never_moves_the_current_learning_rate_nor_the_past(
    case: tuple[Schedule, Horizon], moves: list[tuple[float, int]]
) -> None:
    schedule, horizon = case
    at = 0
    for share, more in moves:
        at = max(at, int(share * horizon.end))
        moved = schedule.replan(horizon, at, at + more)
        assert moved.end == at + more
        assert moved.progress(moved.end) == 1.0
        assert schedule.lr_at(at, moved) == schedule.lr_at(at, horizon)
        assert [schedule.lr_at(s, moved) for s in range(at)] == pytest.approx(
            [schedule.lr_at(s, horizon) for s in range(at)], abs=1e-6 * schedule.learning_rate
        )
        progress = [moved.progress(step) for step in range(moved.end + 2)]
        assert all(b >= a for a, b in pairwise(progress))
        assert all(0.0 <= p <= 1.0 for p in progress)
        horizon = moved


@given(st.integers(1, 300), st.integers(0, 300), st.integers(1, 300))
@settings(max_examples=50, deadline=None)
def test_the_horizon_s_progress_goes_on_from_where_it_was(total: int, at: int, more: int) -> None:
    horizon = Horizon.plan(total)
    at = min(at, total)
    moved = horizon.replan(at, at + more)
    assert moved.progress(at) == horizon.progress(at)
    assert moved.progress(at + more) == 1.0
    middle = at + more / 2
    expected = (moved.progress(at) + 1.0) / 2
    if middle.is_integer():
        assert moved.progress(int(middle)) == pytest.approx(expected)


def test_progress_is_continuous_so_one_update_never_changes_much() -> None:
    schedule = Schedule("cosine", 1.0)
    horizon = schedule.plan(1000).replan(400, 5000).replan(900, 1500)
    rates = [schedule.lr_at(step, horizon) for step in range(1501)]
    steepest = math.pi / 2 * 0.9 / 600
    assert max(a - b for a, b in pairwise(rates)) <= steepest


def test_wsd_replanned_before_its_decay_decays_over_its_share_of_the_new_horizon() -> None:
    schedule = Schedule("wsd", PEAK, warmup_steps=10, decay_share=0.2)
    horizon = schedule.replan(schedule.plan(110), 60, 1010)
    rates = [schedule.lr_at(step, horizon) for step in range(10, 1011)]
    assert rates.index(next(rate for rate in rates if rate < PEAK)) == pytest.approx(801, abs=1)
    fresh = schedule.plan(1010)
    assert rates == pytest.approx([schedule.lr_at(step, fresh) for step in range(10, 1011)], abs=1e-9)
    assert schedule.extends_in_place(horizon, 700) and not schedule.extends_in_place(horizon, 900)


def test_wsd_cut_short_starts_its_decay_at_once() -> None:
    schedule = Schedule("wsd", PEAK, decay_share=0.2)
    horizon = schedule.replan(schedule.plan(1000), 500, 520)
    assert schedule.lr_at(500, horizon) == PEAK > schedule.lr_at(501, horizon)
    assert schedule.lr_at(510, horizon) == pytest.approx(PEAK * (1 - math.sqrt(0.5)))


def test_replanning_within_the_warm_up_keeps_the_warm_up() -> None:
    schedule = Schedule("linear", PEAK, warmup_steps=100)
    moved = schedule.replan(schedule.plan(1000), 10, 500)
    assert moved == schedule.plan(500)
    cut = schedule.replan(schedule.plan(1000), 10, 50)
    assert cut.progress(10) == 0.0 and cut.progress(30) == 0.5


def test_a_warm_up_longer_than_the_run_still_ends_as_promised() -> None:
    schedule = Schedule("linear", PEAK, warmup_steps=100)
    horizon = schedule.plan(5)
    assert schedule.lr_at(0, horizon) == pytest.approx(PEAK / 101)
    assert schedule.lr_at(5, horizon) == 0.0


def test_a_horizon_re_planned_at_every_update_stays_small_and_exact() -> None:
    schedule = Schedule("cosine", PEAK, warmup_steps=5)
    horizon = schedule.plan(1000)
    for at in range(1, 900):
        before = schedule.lr_at(at, horizon)
        horizon = schedule.replan(horizon, at, 1000 + at % 7)
        assert schedule.lr_at(at, horizon) == before
    assert len(horizon.knots) < 300
    assert horizon.knots[0][0] == 5


@given(schedules(), st.integers(1, 500))
@settings(max_examples=50, deadline=None)
def test_a_horizon_survives_json(case: tuple[Schedule, Horizon], more: int) -> None:
    schedule, horizon = case
    horizon = schedule.replan(horizon, horizon.end // 3, horizon.end // 3 + more)
    assert Horizon.from_list(json.loads(json.dumps(horizon.to_list()))) == horizon


@pytest.mark.parametrize("knots", [[], [[5, 1.0]], [[0, 0.5], [5, 0.2]], [[5, 0.0], [5, 1.0]], [[0, 0.0], [5, 0.9]]])
def test_knots_that_make_no_horizon_are_refused(knots: list[list[float]]) -> None:
    with pytest.raises(ValueError):
        Horizon.from_list(knots)


def test_an_end_that_is_already_past_is_refused() -> None:
    with pytest.raises(ValueError):
        Horizon.plan(100).replan(50, 50)


@pytest.mark.parametrize("wrong", [{"min_lr_ratio": 1.1}, {"decay_share": 0.0}, {"warmup_steps": -1}])
def test_numbers_out_of_bounds_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        Schedule("cosine", PEAK, **wrong)  # type: ignore[arg-type]


class TestMoreEpochs:
    """Trap 12: extending a run made its learning rate jump from 5e-5 to 2.75e-4."""

    @pytest.mark.parametrize("kind", SCHEDULE_KINDS)
    def test_in_the_middle_the_schedule_is_stretched(self, kind: str) -> None:
        schedule = Schedule(kind, PEAK)  # type: ignore[arg-type]
        horizon = schedule.plan(100)
        onward, longer = schedule.extended(horizon, 50, 300)
        assert onward.lr_at(50, longer) == schedule.lr_at(50, horizon)
        assert longer.end == 300
        assert onward.lr_at(300, longer) == pytest.approx(schedule.lr_at(100, horizon), abs=1e-12)

    def test_a_finished_cosine_goes_on_from_its_last_learning_rate(self) -> None:
        schedule = Schedule("cosine", PEAK)
        horizon = schedule.plan(100)
        onward, longer = schedule.extended(horizon, 100, 200)
        assert onward.lr_at(100, longer) == schedule.lr_at(99, horizon)
        rates = [onward.lr_at(step, longer) for step in range(100, 201)]
        assert all(b < a for a, b in pairwise(rates))
        assert rates[-1] == pytest.approx(0.1 * rates[0])

    def test_a_finished_constant_goes_on(self) -> None:
        schedule = Schedule("constant", PEAK)
        onward, longer = schedule.extended(schedule.plan(100), 100, 200)
        assert (onward, longer.end) == (schedule, 200)

    @pytest.mark.parametrize("kind", ["linear", "wsd"])
    def test_a_schedule_that_ended_at_zero_says_so(self, kind: str) -> None:
        schedule = Schedule(kind, PEAK)  # type: ignore[arg-type]
        with pytest.raises(UserError, match="--learning_rate"):
            schedule.extended(schedule.plan(1000), 1000, 2000)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((1000,), (1000, "epochs")),
        ((1000, 50), (50, "max_steps")),
        ((1000, 5000), (1000, "epochs")),
        ((1000, 1000), (1000, "epochs")),
        ((1000, None, 60.0, 2.0), (30, "time")),
        ((1000, 20, 60.0, 2.0), (20, "max_steps")),
        ((1000, None, 60.0, None), (1000, "epochs")),
        ((1000, None, 1e300, 1e-300), (1000, "epochs")),
        ((1000, None, -5.0, 2.0), (1, "time")),
    ],
)
def test_the_tightest_bound_says_how_many_updates(arguments: tuple[float, ...], expected: tuple[int, str]) -> None:
    assert tuple(plan_total(*arguments)) == expected  # type: ignore[arg-type]


def test_a_time_budget_counts_from_the_updates_already_made() -> None:
    assert plan_total(1000, None, 60.0, 2.0, steps_done=100) == (130, "time")
    assert plan_total(1000, None, 0.0, 2.0, steps_done=100) == (100, "time")
    assert plan_total(1000, 80, None, None, steps_done=100) == (100, "max_steps")
