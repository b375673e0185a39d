"""A run bounded by time ends in time, with its schedule."""

from engine.train.budget import EndPlanner, TimeBounds


def run(
    bounds: TimeBounds, seconds: list[float], epochs_end: int, reserve: float = 0.0
) -> tuple[int, float, list[int]]:
    """Simulates updates of the given durations (the last repeats) until the planned end or the hard stop."""
    planner = EndPlanner(bounds, epochs_end)
    end, step, elapsed, ends = epochs_end, 0, 0.0, []
    while step < end and not planner.expired(elapsed, now=elapsed):
        elapsed += seconds[min(step, len(seconds) - 1)]
        step += 1
        recent = seconds[min(step - 1, len(seconds) - 1)]
        new_end = planner.plan(step, end, elapsed, elapsed, recent, reserve)
        if new_end is not None:
            end = new_end
            ends.append(end)
    return step, elapsed, ends


def test_a_budget_becomes_a_number_of_updates():
    step, elapsed, ends = run(TimeBounds(budget_seconds=100), [1.0], epochs_end=10_000)
    assert step == ends[-1] == 100
    assert elapsed <= 100


def test_the_end_holds_back_its_own_time():
    step, elapsed, _ = run(TimeBounds(budget_seconds=100), [1.0], epochs_end=10_000, reserve=10)
    assert step == 90 and elapsed == 90


def test_a_slowdown_is_planned_for_again():
    step, elapsed, ends = run(TimeBounds(budget_seconds=100), [1.0] * 40 + [2.0], epochs_end=10_000)
    assert elapsed <= 100 and 65 <= step <= 70
    assert len(ends) >= 2


def test_epochs_that_end_sooner_are_left_alone():
    step, elapsed, ends = run(TimeBounds(budget_seconds=1000), [1.0], epochs_end=50)
    assert (step, elapsed, ends) == (50, 50.0, [])


def test_the_hard_stop_needs_no_plan():
    planner = EndPlanner(TimeBounds(budget_seconds=5), most_updates=100)
    assert not planner.expired(4.9, now=0) and planner.expired(5.0, now=0)


def test_a_deadline_counts_the_wall_clock_and_a_budget_active_time():
    bounds = TimeBounds(budget_seconds=100, deadline=1000.0)
    assert bounds.seconds_left(elapsed=40, now=990) == 10
    assert bounds.binding(elapsed=40, now=990) == "deadline"
    assert bounds.seconds_left(elapsed=95, now=900) == 5
    assert bounds.binding(elapsed=95, now=900) == "time_budget"
    assert not TimeBounds().bounded and TimeBounds().seconds_left(1e9, 1e9) == float("inf")
