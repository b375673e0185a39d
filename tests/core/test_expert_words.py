"""What is told of the experts: which starve and what helps, how even they are, what was dropped, and the signs."""

import re
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from run_material import write_run

from engine.language import current_language, set_language
from engine.run.expert_load import what_to_change
from engine.run.interval_lists import IntervalLists
from engine.run.schema import State
from engine.run.view import RunView
from engine.settings.settings import Settings
from minimind_tui.core.experts import (
    NONE,
    STARVES,
    ExpertWatch,
    dropped_words,
    expert_look,
    headline,
    layer_course,
    level_sign,
    sign,
    starving_line,
    strip,
    tone,
)

SILENT = array("d")


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    before = current_language()
    set_language("en")
    yield
    set_language(before)


def interval(step: int, *layers: Sequence[float]) -> IntervalLists:
    return IntervalLists(step, tuple(array("d", layer) for layer in layers), SILENT, SILENT)


def test_the_look_is_the_mean_of_the_recent_intervals() -> None:
    history = [interval(step, [0.25 + 0.05 * (-1) ** step, 0.75 - 0.05 * (-1) ** step]) for step in range(1, 41)]
    look = expert_look(history)
    assert look is not None and (look.step, look.intervals) == (40, 16)
    (layer,) = look.layers
    assert layer.shares == pytest.approx((0.25, 0.75)) and layer.busiest == 1
    assert layer.entropy == look.entropy == pytest.approx(0.8113, abs=1e-4)  # of 1/4 and 3/4, in bits
    assert look.busiest == pytest.approx(1.5) and look.starving == () and starving_line(look) == ""


def test_starving_experts_are_named_with_what_to_change() -> None:
    look = expert_look([interval(step, [0.5, 0.5], [0.999, 0.001]) for step in range(1, 20)])
    assert look is not None
    assert starving_line(look) == "Starving: layer 1 expert 1 (0.10%, fair: 50%)."
    assert "aux_loss_coef" in what_to_change()
    assert strip(look.layers[0]) == "▄▄" and strip(look.layers[1]) == "█" + STARVES


def test_the_settings_that_help_are_called_what_they_are_called() -> None:
    if "num_experts" not in Settings.model_fields:
        pytest.skip("this version has no settings of experts yet")
    named = set(re.findall(r"[a-z]+(?:_[a-z]+)+", what_to_change()))
    assert named == {"aux_loss_coef", "num_experts"} and named <= set(Settings.model_fields)


def test_many_starving_experts_are_counted() -> None:
    look = expert_look([interval(step, [1.0, 0.0, 0.0, 0.0, 0.0]) for step in range(1, 20)])
    assert look is not None and len(look.starving) == 4
    assert starving_line(look).endswith(", and 2 more.")


def test_too_few_intervals_accuse_nobody() -> None:
    look = expert_look([interval(step, [1.0, 0.0]) for step in range(1, 8)])
    assert look is not None and look.starving == () and strip(look.layers[0]) == "█" + NONE


def test_dropped_tokens_are_measured_not_claimed() -> None:
    whole = expert_look([interval(1, [0.33333, 0.33333, 0.33333])])
    cut = expert_look([interval(1, [0.5, 0.5], [0.5, 0.4])])
    assert whole is not None and dropped_words(whole) == "dropped tokens: 0"
    assert cut is not None and dropped_words(cut) == "10.0% of the tokens reached no expert"


def test_the_headline_names_the_least_even_layer() -> None:
    look = expert_look([interval(3, [], [0.5, 0.5], [1.0, 0.0])])
    assert look is not None and [layer.layer for layer in look.layers] == [1, 2]
    assert headline(look, 0.0812) == [
        "step 3",
        "entropy 0.50, lowest 0.00 in layer 2",
        "dropped tokens: 0",
        "aux. loss 0.0812",
    ]


def test_nobody_tells_of_experts() -> None:
    assert expert_look([]) is None
    assert expert_look([IntervalLists(1, (), array("d", [0.1, 0.2]), SILENT)]) is None


def test_a_layer_without_a_token_has_no_entropy() -> None:
    look = expert_look([interval(1, [0.0, 0.0])])
    assert look is not None and look.entropy is None and look.least_even is None
    assert headline(look, None) == ["step 1", "100.0% of the tokens reached no expert"]


@pytest.mark.parametrize(
    ("ratio", "expected"), [(0.0, NONE), (0.01, "▁"), (0.25, "▁"), (0.5, "▂"), (1.0, "▄"), (2.0, "█"), (9.0, "█")]
)
def test_signs_are_relative_to_the_fair_share(ratio: float, expected: str) -> None:
    assert sign(ratio / 64, 1 / 64) == expected


def test_signs_of_what_is_unknown_and_tones() -> None:
    assert sign(None, 0.5) == " " == level_sign(None)
    assert [level_sign(value) for value in (0.0, 0.01, 0.5, 0.51, 1.0, 7.0)] == ["▁", "▁", "▄", "▅", "█", "█"]
    assert [tone(ratio / 4, 1 / 4) for ratio in (0.4, 1.0, 1.6)] == ["cold", "fair", "hot"]


def test_the_course_of_a_layer_leaves_blanks_where_nothing_is_told() -> None:
    history = [interval(1, [0.5, 0.5]), interval(2, []), interval(3, [0.2, 0.3, 0.5]), interval(4, [1.0, 0.0])]
    course = layer_course(history, 0)
    assert course is not None and (course.first_step, course.last_step) == (1, 4)
    assert course.shares == ((0.5, None, None, 1.0), (0.5, None, None, 0.0))
    assert course.entropy == (1.0, None, None, 0.0)
    assert layer_course(history, 1) is None and layer_course([], 0) is None


def test_the_watch_works_only_when_the_series_went_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_run(tmp_path, state=State.RUNNING, steps=30, experts=(2, 4))
    view, watch = RunView(folder), ExpertWatch()
    assert watch.look(view.train) is None
    view.read_all()
    look = watch.look(view.train)
    assert look is not None and look.step == 30
    monkeypatch.setattr("minimind_tui.core.experts.expert_look", lambda history: pytest.fail("worked out again"))
    assert watch.look(view.train) is look
