"""Time left: over all epochs, from this process's own updates, without start-up (traps 40 and 41)."""

from hypothesis import given
from hypothesis import strategies as st

from engine.train.eta import EtaEstimator


def test_start_up_is_no_part_of_the_rate():
    eta = EtaEstimator()
    eta.mark(300.0, 1)  # five minutes of compiling before the first update ended
    assert eta.seconds_left(1000) is None
    for step in range(2, 12):
        eta.mark(300.0 + (step - 1) * 2.0, step)
    assert eta.seconds_per_update == 2.0
    assert eta.seconds_left(1011) == 2000.0


def test_a_resumed_run_counts_only_its_own_updates():
    eta = EtaEstimator()
    for index, step in enumerate(range(90_001, 90_011)):
        eta.mark(index * 3.0, step)
    assert eta.seconds_left(100_010) == 10_000 * 3.0


def test_the_window_follows_a_change_of_speed():
    eta = EtaEstimator(window_seconds=60, least_updates=5)
    now = 0.0
    for step in range(1, 200):
        now += 10.0 if step < 100 else 1.0
        eta.mark(now, step)
    assert eta.seconds_per_update is not None and eta.seconds_per_update < 1.01


def test_slow_updates_keep_the_least_number_of_marks():
    eta = EtaEstimator(window_seconds=60, least_updates=5)
    for step in range(1, 100):
        eta.mark(step * 120.0, step)
    assert eta.seconds_per_update == 120.0


@given(st.lists(st.floats(0.01, 100), min_size=3, max_size=60), st.integers(0, 10_000))
def test_the_figure_is_the_mean_rate_times_what_is_left(durations, ahead):
    eta = EtaEstimator(window_seconds=1e9)
    now = 0.0
    for step, seconds in enumerate(durations, start=1):
        now += seconds
        eta.mark(now, step)
    rate = sum(durations[1:]) / (len(durations) - 1)
    left = eta.seconds_left(len(durations) + ahead)
    assert left is not None and abs(left - rate * ahead) <= 1e-6 * max(1.0, left)
