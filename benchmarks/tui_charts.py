"""What the charts cost: the first picture of a long run, the next one after a new point, by length of the run.

    python benchmarks/tui_charts.py [--rounds N]

Each length is measured in turn, round by round, in one process; medians in milliseconds, and what of it is plotext's.
"""

import argparse
import json
import math
import statistics
import tempfile
import time
from pathlib import Path

from textual_plotext.plot import Plot

from engine.run.folder import RunFolder
from engine.run.view import RunView
from minimind_tui.charts import Axes, Inks, clean, draw_on
from minimind_tui.core.chart_series import MetricSeries
from minimind_tui.core.chart_state import ChartState

WIDTH, HEIGHT = 58, 12
LENGTHS = (300, 10_000, 100_000, 1_000_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as place:
        views = {length: make_view(Path(place) / str(length), length) for length in LENGTHS}
        first: dict[int, list[float]] = {length: [] for length in LENGTHS}
        later: dict[int, list[float]] = {length: [] for length in LENGTHS}
        plotted: dict[int, list[float]] = {length: [] for length in LENGTHS}
        for _round in range(rounds):
            for length, view in views.items():
                series, figure = MetricSeries("loss"), Plot()
                first[length].append(timed(lambda: draw(series, view, figure)))  # noqa: B023 - called at once
                later[length].append(timed(lambda: draw(series, view, figure)))  # noqa: B023
                picture = series.picture(ChartState(), WIDTH)
                assert picture is not None
                curves = [clean(curve) for curve in picture.curves]
                axes = Axes("", "", framed=False)
                plotted[length].append(
                    timed(lambda: draw_on(figure, curves, axes, WIDTH, HEIGHT, Inks(), thinned=True))  # noqa: B023
                )
    print(f"{'steps':>10} {'first ms':>9} {'next ms':>8} {'plotext ms':>11}")
    for length in LENGTHS:
        figures = (statistics.median(times[length]) * 1e3 for times in (first, later, plotted))
        print(f"{length:>10,} {next(figures):>9.1f} {next(figures):>8.1f} {next(figures):>11.1f}")


def draw(series: MetricSeries, view: RunView, figure: Plot) -> None:
    """One picture, as the widget makes it."""
    series.update(view)
    picture = series.picture(ChartState(), WIDTH)
    assert picture is not None
    axes = Axes("", "", x_range=picture.shown, framed=False)
    draw_on(figure, [clean(curve) for curve in picture.curves], axes, WIDTH, HEIGHT, Inks(), thinned=True)


def make_view(path: Path, length: int) -> RunView:
    """A run of `length` logged steps, read."""
    path.mkdir()
    folder = RunFolder(path)
    with folder.metrics.open("w") as file:
        for step in range(1, length + 1):
            loss = 2 + 6 * math.exp(-step / length * 5) + 0.2 * math.sin(step)
            file.write(json.dumps({"kind": "train", "attempt": 1, "step": step, "loss": loss}) + "\n")
    view = RunView(folder)
    view.read_all()
    return view


def timed(call: object) -> float:
    """Seconds of one call."""
    began = time.perf_counter()
    call()  # type: ignore[operator]
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
