"""Range, axis and smoothing as the keys change them; the marks of a run's events."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minimind_tui.core.chart_state import ChartState, Mark, mark_sign, mark_word, marks_of

WHOLE = (0.0, 1000.0)


def test_a_zoom_keeps_the_newest_point_in_sight_as_the_run_grows() -> None:
    state = ChartState()
    state.zoom(0.5, WHOLE)
    assert state.shown(WHOLE) == (500, 1000)
    assert state.shown((0, 2000)) == (1500, 2000)


def test_a_range_moved_away_stays_where_it_is_until_it_is_moved_back() -> None:
    state = ChartState()
    state.zoom(0.5, WHOLE)
    state.pan(-0.5, WHOLE)
    assert state.shown(WHOLE) == (250, 750)
    assert state.shown((0, 9000)) == (250, 750)
    state.zoom(0.5, WHOLE)
    assert state.shown(WHOLE) == (375, 625)
    state.pan(10, WHOLE)
    assert state.shown((0, 3000)) == (2750, 3000)


def test_a_range_stops_at_the_beginning() -> None:
    state = ChartState()
    state.zoom(0.5, WHOLE)
    state.pan(-10, WHOLE)
    assert state.shown(WHOLE) == (0, 500)


def test_zooming_out_of_everything_is_the_whole_run_again() -> None:
    state = ChartState()
    state.zoom(0.5, WHOLE)
    state.zoom(2, WHOLE)
    assert state.shown(WHOLE) == WHOLE and state.span is None
    state.pan(-1, WHOLE)
    assert state.shown(WHOLE) == WHOLE


@given(st.lists(st.tuples(st.booleans(), st.floats(-3, 3)), max_size=30), st.floats(0, 1e9), st.floats(0, 1e9))
def test_any_keys_leave_a_range_within_the_run(moves: list[tuple[bool, float]], low: float, length: float) -> None:
    state, whole = ChartState(), (low, low + length)
    for zoom, amount in moves:
        if zoom:
            state.zoom(2.0**amount, whole)
        else:
            state.pan(amount, whole)
        shown = state.shown(whole)
        assert whole[0] <= shown[0] <= shown[1] <= whole[1]


def test_every_change_is_noticed() -> None:
    state, versions = ChartState(), [0]
    changes = (
        state.cycle_x,
        state.cycle_smoothing,
        lambda: state.toggle_log("loss"),
        lambda: state.zoom(0.5, WHOLE),
        lambda: state.pan(-0.1, WHOLE),
        state.reset,
    )
    for change in changes:
        change()
        versions.append(state.version)
    assert versions == sorted(set(versions))


def test_cycles_come_round() -> None:
    state = ChartState()
    axes = [state.x]
    for _turn in range(3):
        state.cycle_x()
        axes.append(state.x)
    assert axes == ["step", "tokens", "time", "step"]
    windows = []
    for _turn in range(4):
        windows.append(state.window(1000))
        state.cycle_smoothing()
    assert windows == [51, 205, 1, 51]


def test_the_words_tell_what_is_unusual() -> None:
    state = ChartState()
    assert state.words("loss", WHOLE) == ""
    state.cycle_x()
    state.toggle_log("loss")
    state.cycle_smoothing()
    state.zoom(0.5, WHOLE)
    assert state.words("loss", WHOLE) == "by tokens · log · smoother · 500–1000 →"
    assert "log" not in state.words("lr", WHOLE)


def test_marks_are_made_of_events_once_each_and_only_of_what_was_done() -> None:
    events = [
        {"kind": "checkpoint", "step": 5},
        {"kind": "checkpoint", "step": 5},
        {"kind": "control", "step": 6, "accepted": True},
        {"kind": "control", "step": 7, "accepted": False},
        {"kind": "resumed", "step": 5},
        {"kind": "guard", "step": 8},
        {"kind": "sample", "step": None},
        {"kind": "novelty", "step": 9},
        {},
    ]
    assert marks_of(events) == [Mark("checkpoint", 5), Mark("control", 6), Mark("spike", 8), Mark("resume", 5)]


@pytest.mark.parametrize("kind", ["checkpoint", "sample", "control", "spike", "resume"])
def test_every_mark_has_a_sign_of_its_own_and_a_word(kind: str) -> None:
    others = {"checkpoint", "sample", "control", "spike", "resume"} - {kind}
    for ascii_only in (False, True):
        sign = mark_sign(kind, ascii_only=ascii_only)  # type: ignore[arg-type]
        assert len(sign) == 1 and sign.isascii() >= ascii_only
        assert sign not in {mark_sign(other, ascii_only=ascii_only) for other in others}  # type: ignore[arg-type]
    assert mark_word(kind)  # type: ignore[arg-type]
