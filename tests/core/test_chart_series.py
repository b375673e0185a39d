"""What charts draw of a run: right at any length, range, axis and smoothing, and the same however the run grew."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.run.folder import RunFolder
from engine.run.view import RunView
from minimind_tui.charts.numbers import smooth
from minimind_tui.core.chart_series import Column, MetricSeries, Reading, converted, position_of_step
from minimind_tui.core.chart_state import ChartState

NAN, INF = float("nan"), float("inf")
any_number = st.floats(allow_nan=True, allow_infinity=True, width=64)


def view_of(path: Path, losses: list[float | None], *, first: int = 1, **more: float) -> RunView:
    """A run that logged these losses; tokens and time grow with the steps."""
    folder = RunFolder(path)
    path.mkdir(exist_ok=True)
    append(folder, losses, first=first, **more)
    view = RunView(folder)
    view.read_all()
    return view


def append(folder: RunFolder, losses: list[float | None], *, first: int, attempt: int = 1, **more: float) -> None:
    with folder.metrics.open("a") as file:
        for step, loss in enumerate(losses, first):
            line = {"kind": "train", "attempt": attempt, "step": step, "loss": loss, "lr": step / 1000}
            file.write(json.dumps(line | {"tokens": step * 100, "elapsed": step * 0.5} | more) + "\n")


def series_of(view: RunView, metric: str = "loss") -> MetricSeries:
    series = MetricSeries(metric)
    series.update(view)
    return series


@settings(max_examples=80, deadline=None)
@given(st.lists(any_number, max_size=400), st.data())
def test_a_column_knows_extremes_and_means_of_any_range(values: list[float], data: st.DataObject) -> None:
    column = Column()
    cut = data.draw(st.integers(0, len(values)))
    column.take(values[:cut])
    column.take(values)
    begin = data.draw(st.integers(0, len(values)))
    end = data.draw(st.integers(begin, len(values)))
    numbers = [value for value in values[begin:end] if -1e300 < value < 1e300]
    found = column.summary(values, begin, end)
    assert column.has_numbers == any(-1e300 < value < 1e300 for value in values)
    assert (found.low, found.high) == ((min(numbers), max(numbers)) if numbers else (INF, -INF))
    if all(abs(value) < 1e6 for value in values if math.isfinite(value)):
        mean = column.mean(values, begin, end)
        assert math.isnan(mean) if not numbers else mean == pytest.approx(sum(numbers) / len(numbers), abs=1e-6)


@pytest.mark.parametrize("spike", [1e17, 1e25, 1e299])
def test_one_huge_value_spoils_no_mean_but_its_neighbours(spike: float) -> None:
    values = [1.0] * 100 + [spike] + [1.0] * 400
    column = Column()
    column.take(values)
    assert column.mean(values, 150, 480) == 1.0


def test_a_value_is_read_at_the_nearest_line(tmp_path: Path) -> None:
    series = series_of(view_of(tmp_path / "run", [float(n) for n in range(1, 101)]))
    assert series.at("step", 41.6, ChartState()) == Reading(42, 42.0, 42.0)
    assert series.at("tokens", 1e9, ChartState(smoothing="none")) == Reading(100, 100.0, None)
    assert series.at("time", -5, ChartState(smoothing="none")) == Reading(1, 1.0, None)
    assert series_of(view_of(tmp_path / "empty", [])).at("step", 1, ChartState()) is None


def test_a_position_is_that_of_the_same_line_on_another_axis(tmp_path: Path) -> None:
    view = view_of(tmp_path / "run", [1.0] * 50)
    assert converted(view, 20, "step", "tokens") == 2000
    assert converted(view, 2000, "tokens", "time") == 10.0
    assert converted(view_of(tmp_path / "empty", []), 20, "step", "tokens") == 0.0


def test_nothing_logged_is_no_picture(tmp_path: Path) -> None:
    view = view_of(tmp_path / "run", [])
    assert series_of(view).picture(ChartState(), 80) is None
    assert series_of(view_of(tmp_path / "other", [None, None])).picture(ChartState(), 80) is None


def test_a_short_run_is_drawn_point_by_point_with_its_mean(tmp_path: Path) -> None:
    losses: list[float | None] = [8.0 - n / 20 + (n % 3) for n in range(100)]
    picture = series_of(view_of(tmp_path / "run", losses)).picture(ChartState(), 80)
    assert picture is not None
    faint, line = picture.curves
    assert (faint.style, line.style) == ("faint", "line")
    assert list(faint.y) == losses and list(faint.x) == list(range(1, 101))
    averaged = smooth([float(loss or 0) for loss in losses], 5)
    assert list(line.y[:-1]) == pytest.approx(averaged[:-1])
    assert line.y[-1] == pytest.approx(sum(float(loss or 0) for loss in losses[-2:]) / 2)  # not its last value's noise
    assert picture.whole == picture.shown == (1, 100)


def test_a_gap_is_a_gap_in_both_lines(tmp_path: Path) -> None:
    losses: list[float | None] = [1.0] * 40 + [None] * 5 + [1.0] * 40
    picture = series_of(view_of(tmp_path / "run", losses)).picture(ChartState(), 80)
    assert picture is not None
    for curve in picture.curves:
        assert [math.isnan(value) for value in curve.y] == [loss is None for loss in losses]


def test_a_long_run_keeps_its_extremes_in_few_points(tmp_path: Path) -> None:
    losses: list[float | None] = [2.0] * 20_000
    losses[7_777], losses[12_345] = 9.0, 0.5
    picture = series_of(view_of(tmp_path / "run", losses)).picture(ChartState(), 60)
    assert picture is not None
    faint, line = picture.curves
    assert len(faint.x) <= 4 * 60 and len(line.x) <= 4 * 60 + 2
    assert max(faint.y) == 9.0 and min(faint.y) == 0.5
    assert line.x[0] == 1 and line.x[-1] == 20_000


def test_a_run_that_grows_is_drawn_as_one_that_was_there(tmp_path: Path) -> None:
    view = view_of(tmp_path / "run", [5.0, 4.0])
    series = series_of(view)
    append(view.folder, [3.0, 2.0, 1.0], first=3)
    view.read_all()
    series.update(view)
    fresh = RunView(view.folder)
    fresh.read_all()
    assert series.picture(ChartState(), 40) == series_of(fresh).picture(ChartState(), 40)


def test_what_a_resume_undid_is_gone(tmp_path: Path) -> None:
    view = view_of(tmp_path / "run", [5.0, 4.0, 3.0, 99.0])
    series = series_of(view)
    with view.folder.metrics.open("a") as file:
        file.write(json.dumps({"kind": "attempt", "attempt": 2, "step": 3, "start_step": 3}) + "\n")
    append(view.folder, [2.0], first=4, attempt=2)
    view.read_all()
    series.update(view)
    picture = series.picture(ChartState(smoothing="none"), 40)
    assert picture is not None and list(picture.curves[0].y) == [5.0, 4.0, 3.0, 2.0]


def test_only_the_range_is_drawn_and_its_mean_knows_its_neighbours(tmp_path: Path) -> None:
    losses: list[float | None] = [float(n) for n in range(1, 1001)]
    state = ChartState()
    state.zoom(0.1, (1, 1000))
    picture = series_of(view_of(tmp_path / "run", losses)).picture(state, 400)
    assert picture is not None and picture.shown == pytest.approx((900.1, 1000))
    assert picture.curves[0].x[0] == 900 and picture.curves[1].y[0] == pytest.approx(900)


@pytest.mark.parametrize(("axis", "first", "last"), [("step", 1, 10), ("tokens", 100, 1000), ("time", 0.5, 5.0)])
def test_each_axis_has_its_own_positions(tmp_path: Path, axis: str, first: float, last: float) -> None:
    view = view_of(tmp_path / "run", [1.0] * 10)
    picture = series_of(view).picture(ChartState(x=axis), 40)  # type: ignore[arg-type]
    assert picture is not None and picture.whole == (first, last)
    assert position_of_step(view, 10, axis) == last  # type: ignore[arg-type]
    assert position_of_step(view, 0, "tokens") is None


def test_the_learning_rate_is_never_averaged(tmp_path: Path) -> None:
    picture = series_of(view_of(tmp_path / "run", [1.0] * 100), "lr").picture(ChartState(smoothing="strong"), 80)
    assert picture is not None and picture.last == 0.1
    assert [curve.style for curve in picture.curves] == ["line"]


def test_validations_are_points_or_the_line_where_there_is_nothing_else(tmp_path: Path) -> None:
    view = view_of(tmp_path / "run", [1.0] * 10)
    with view.folder.metrics.open("a") as file:
        for step, bits in ((5, 1.5), (10, 1.2)):
            line = {"kind": "validation", "attempt": 1, "step": step, "tokens": step * 100, "elapsed": step * 0.5}
            file.write(json.dumps(line | {"loss": 2.0, "bits_per_byte": bits}) + "\n")
    view.read_all()
    loss = series_of(view).picture(ChartState(), 40)
    bits_per_byte = series_of(view, "bits_per_byte").picture(ChartState(), 40)
    assert loss is not None and loss.curves[-1].style == "points" and list(loss.curves[-1].x) == [5, 10]
    assert bits_per_byte is not None and [curve.style for curve in bits_per_byte.curves] == ["line"]
    assert list(bits_per_byte.curves[0].y) == [1.5, 1.2]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.none(), st.floats(-1e305, 1e305)), max_size=60), st.integers(0, 100), st.booleans())
def test_any_numbers_make_a_picture_or_none(
    tmp_path_factory: pytest.TempPathFactory, losses: list[float | None], width: int, zoomed: bool
) -> None:
    state = ChartState()
    if zoomed:
        state.zoom(0.3, (1, 60))
        state.pan(-0.5, (1, 60))
    picture = series_of(view_of(tmp_path_factory.mktemp("any") / "run", losses)).picture(state, width)
    assert picture is None or picture.curves
