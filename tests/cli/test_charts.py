"""Charts: whatever was logged, something honest is drawn and nothing raises."""

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from minimind_tui.charts import (
    Axes,
    Curve,
    clean,
    format_elapsed,
    format_number,
    nice_ticks,
    render_chart,
    smooth,
    sparkline,
    thin,
    usual_window,
)

NAN, INF = float("nan"), float("inf")
numbers = st.floats(allow_nan=True, allow_infinity=True, width=64)


def chart(values: list[float], *, log: bool = False, width: int = 60, height: int = 12) -> str:
    curve = Curve("loss", [float(n) for n in range(len(values))], values)
    return render_chart([curve], Axes("loss", "step", log=log), width, height, colour=False)


@settings(max_examples=80, deadline=None)
@given(st.lists(numbers, max_size=40), st.booleans(), st.integers(1, 90), st.integers(1, 30))
def test_any_numbers_are_drawn_within_the_size_asked_for(
    values: list[float], log: bool, width: int, height: int
) -> None:
    drawn = chart(values, log=log, width=width, height=height).split("\n")
    assert len(drawn) <= height
    assert all(cell_len(line) <= max(width, 4) for line in drawn)
    assert "\x1b" not in "".join(drawn)


@pytest.mark.parametrize("values", [[], [NAN], [INF, -INF], [NAN] * 50])
def test_without_a_number_only_the_title_is_drawn(values: list[float]) -> None:
    assert chart(values) == "loss"


@pytest.mark.parametrize("values", [[3.0], [3.0] * 30, [0.0, 0.0], [1e308, -1e308, 3.0], [-1.0, 2.0]])
def test_one_point_and_a_flat_curve_have_axes(values: list[float]) -> None:
    assert "┤" in chart(values)


def test_a_logarithm_leaves_out_what_is_not_positive() -> None:
    cleaned = clean(Curve("", [0.0, 1.0, 2.0, 3.0], [-1.0, 10.0, 0.0, 1000.0]), log=True)
    assert cleaned.x == [1.0, 2.0, 3.0]
    assert cleaned.y[0] == 1.0 and math.isnan(cleaned.y[1]) and cleaned.y[2] == 3.0


def test_a_falling_curve_falls_from_left_to_right() -> None:
    rows = chart([10.0 - n / 10 for n in range(100)]).split("\n")[2:-3]
    first = [re.sub(r"^[^┤│]*[┤│]", "", row)[:8].strip(" │") != "" for row in rows]
    last = [row.rstrip(" │")[-1:] not in ("", "┤") and len(row.rstrip(" │")) > 50 for row in rows]
    assert first.index(True) < last.index(True)


def test_a_gap_stays_a_gap() -> None:
    values = [5.0] * 40 + [NAN] * 20 + [5.0] * 40
    [row] = [
        line for line in chart(values, width=80).split("\n") if "⠒" in line or "⠉" in line or "⠤" in line or "⣀" in line
    ]
    body = row.split("│")[-2] if row.count("│") > 1 else row.split("┤")[1].rstrip("│")
    assert re.search(r"\S\s{10,}\S", body)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=3000), st.integers(1, 50))
def test_thinning_keeps_ends_extremes_and_order(values: list[float], buckets: int) -> None:
    x, y = thin([float(n) for n in range(len(values))], values, buckets)
    assert len(x) <= max(4 * buckets, len(values) if len(values) <= 4 * buckets else 0)
    assert x == sorted(x)
    assert (min(y), max(y)) == (min(values), max(values))
    assert (y[0], y[-1]) == (values[0], values[-1])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=200), st.integers(1, 60))
def test_a_mean_stays_within_the_values_and_keeps_a_line(values: list[float], window: int) -> None:
    averaged = smooth(values, window)
    assert len(averaged) == len(values)
    assert all(min(values) - 1e-6 <= value <= max(values) + 1e-6 for value in averaged)
    line = [2.0 * n for n in range(50)]
    assert smooth(line, window) == pytest.approx(line)  # a straight line is its own centred mean: nothing lags


def test_a_mean_counts_only_numbers() -> None:
    averaged = smooth([1.0, NAN, 3.0, INF, 5.0], 3)
    assert averaged[0] == 1.0 and averaged[2] == 3.0 and averaged[4] == 5.0
    assert math.isnan(averaged[1]) and math.isnan(averaged[3])


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9), st.integers(2, 12))
@settings(max_examples=100, deadline=None)
def test_ticks_are_few_and_inside(low: float, span: float, most: int) -> None:
    ticks = nice_ticks(low, low + span, most)
    assert len(ticks) <= most
    slack = span * 1e-3 + abs(low) * 1e-9
    assert all(low - slack <= tick <= low + span + slack for tick in ticks)


def test_ticks_are_not_too_few_either_and_whole_where_things_are_counted() -> None:
    assert nice_ticks(8.851, 8.934, 4) == pytest.approx([8.86, 8.88, 8.90, 8.92])
    assert nice_ticks(1, 3, 8, whole=True) == [1, 2, 3]
    assert nice_ticks(0, 100, 6) == [0, 20, 40, 60, 80, 100]


def test_several_curves_have_a_legend_beside_them_and_differ_without_colour() -> None:
    x = [float(n) for n in range(50)]
    drawn = render_chart(
        [Curve("first", x, [1.0] * 50), Curve("second", x, [2.0] * 50)], Axes("loss", "step"), 70, 14, colour=False
    )
    legend = drawn.split("\n")[-1]
    assert "⠒⠒ first" in legend and "** second" in legend
    assert "***" in drawn.split("\n")[2] + drawn.split("\n")[3]
    assert len(drawn.split("\n")) == 14


def test_colour_only_when_asked() -> None:
    x = [0.0, 1.0]
    assert "\x1b[" in render_chart([Curve("a", x, x)], Axes("loss", "step"), 60, 12, colour=True)


def test_a_tiny_terminal_gets_bars() -> None:  # trap 44
    assert chart([3.0, 2.0, 1.0], width=12, height=3) == "loss █▅▁"


def test_bars_follow_the_numbers() -> None:
    assert sparkline([0.0, NAN, 7.0], 10) == "▁ █"
    assert sparkline([NAN], 5) == ""
    assert len(sparkline(list(range(1000)), 20)) == 20


def test_numbers_are_short() -> None:
    assert [format_number(value) for value in (0, 0.0005, 3.2149, 12_000, 4_560_000, 1e-8, -2.5)] == [
        "0", "0.0005", "3.215", "12k", "4.56M", "1e-08", "-2.5",
    ]  # fmt: skip
    assert usual_window(1000) == 51 and usual_window(3) == 1


def test_a_chart_has_the_size_asked_for_whatever_the_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    lines = chart([float(n) for n in range(300)], width=200, height=50).split("\n")
    assert len(lines) == 50 and max(map(cell_len, lines)) == 200


def test_no_two_ticks_are_named_alike() -> None:
    values = [5.03e-05 + n * 1e-08 for n in range(100)]
    labels = re.findall(r"([\d.e-]+)┤", chart(values, height=20))
    assert len(labels) >= 4 and len(set(labels)) == len(labels)


def test_a_line_goes_on_to_the_ends_of_the_range() -> None:
    curve = Curve("", [0.0, 100.0], [0.0, 100.0])
    drawn = render_chart([curve], Axes("loss", "step", x_range=(40, 60)), 60, 12, colour=False)
    body = [row.split("┤")[-1].strip("│ ") for row in drawn.split("\n")[2:-3]]
    assert all(row for row in body)


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (0.5, "0.5s"), (90, "1m30s"), (7200, "2h"), (86400, "1d")])
def test_moments_on_an_axis_are_short(seconds: float, text: str) -> None:
    assert format_elapsed(seconds) == text


def test_a_single_huge_value_has_a_logarithmic_axis() -> None:
    assert "┤" in chart([4.3e283], log=True)
