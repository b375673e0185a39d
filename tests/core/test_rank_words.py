"""What is told of the ranks: the slowest, by how much, and whether it waits for data."""

from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from run_material import append_steps, write_run

from engine.language import current_language, set_language
from engine.run.interval_lists import IntervalLists
from engine.run.schema import State
from engine.run.view import RunView
from minimind_tui.core.ranks import NOTABLE, RankWatch, is_uneven, rank_lines, rank_look, step_time


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    before = current_language()
    set_language("en")
    yield
    set_language(before)


def interval(step: int, seconds: Sequence[float], data_wait: Sequence[float] = ()) -> IntervalLists:
    return IntervalLists(step, (), array("d", seconds), array("d", data_wait))


def test_the_slowest_is_named_with_the_reason() -> None:
    look = rank_look([interval(step, [1.0, 1.0, 1.5, 1.1], [0.0, 0.0, 0.4, 0.0]) for step in range(1, 5)])
    assert look is not None and look.slowest == 2 and look.behind == pytest.approx(0.5) and is_uneven(look)
    first, second = rank_lines(look)
    assert first == "Rank 2 holds the others up: 1.5 s an update, 50% more than the median of 1 s."
    assert "waits for data 40% of its time" in second


def test_a_slow_rank_that_has_its_data() -> None:
    look = rank_look([interval(1, [0.2, 0.1], [0.0, 0.5])])
    assert look is not None and look.slowest == 0 and look.behind == pytest.approx(1.0)
    assert "does not wait for data" in rank_lines(look)[1]


def test_a_little_slower_is_marked_and_no_warning() -> None:
    look = rank_look([interval(1, [1.0, 1.0, 1.0 + NOTABLE / 2])])
    assert look is not None and look.slowest == 2 and not is_uneven(look)
    assert rank_lines(look) == ["The ranks keep pace: the slowest, 2, takes 5% longer than the median of 1 s."]


def test_equal_ranks_have_no_slowest() -> None:
    look = rank_look([interval(1, [0.5, 0.505])])
    assert look is not None and look.slowest is None
    assert rank_lines(look) == ["All 2 ranks take equally long: 500 ms an update."]


def test_the_mean_is_of_intervals_with_as_many_ranks() -> None:
    look = rank_look([interval(1, [9.0, 9.0, 9.0]), interval(2, [1.0, 2.0]), interval(3, [1.0, 4.0])])
    assert look is not None and look.intervals == 2
    assert [one.seconds for one in look.ranks] == [1.0, 3.0]


def test_lists_of_different_lengths_leave_the_shorter_untold() -> None:
    look = rank_look([interval(1, [1.0, 2.0], [0.1, 0.2, 0.3])])
    assert look is not None and len(look.ranks) == 3
    assert [one.seconds for one in look.ranks] == [None] * 3 and look.slowest is None and rank_lines(look) == []
    assert [one.data_wait for one in look.ranks] == pytest.approx([0.1, 0.2, 0.3])


def test_ranks_that_take_no_time_at_all() -> None:
    look = rank_look([interval(1, [0.0, 0.0])])
    assert look is not None and look.slowest is None and not is_uneven(look)


def test_one_process_has_no_ranks() -> None:
    assert rank_look([]) is None and rank_look([interval(1, [1.0])]) is None


def test_ranks_of_before_a_resume_with_one_process_are_not_told_of(tmp_path: Path) -> None:
    folder = write_run(tmp_path, state=State.RUNNING, steps=20, total_steps=90, ranks=2)
    view, watch = RunView(folder), RankWatch()
    view.read_all()
    assert watch.look(view.train) is not None
    append_steps(folder, 21, 22)
    view.read_all()
    assert watch.look(view.train) is None


def test_times_in_words() -> None:
    assert [step_time(value) for value in (None, 0.0123, 0.5, 12.34, 0.0)] == [
        "–",
        "12.3 ms",
        "500 ms",
        "12.3 s",
        "0 ms",
    ]
