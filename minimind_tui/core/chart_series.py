"""A run's column as the few points a chart of some width can show, kept up to date as the run grows."""

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, islice

from engine.run.history import Series
from engine.run.view import RunView
from minimind_tui.charts.curves import Curve, XAxis
from minimind_tui.charts.numbers import BIGGEST, NAN
from minimind_tui.core.chart_state import ChartState, Extent

_BLOCK = 64
_X_COLUMNS = {"tokens": "tokens", "time": "elapsed"}
_NO_METRIC_OF_A_VALIDATION = frozenset({"tokens", "elapsed", "epoch"})
"""Columns that a validation's line repeats; the curve of training has them in full."""

EXACT_METRICS = frozenset({"lr", "tokens", "elapsed", "epoch", "skipped"})
"""Columns without noise: their mean would only be wrong."""


@dataclass(frozen=True)
class Picture:
    """What a chart of one metric draws. `last` is the newest value, smoothed where the metric is noisy."""

    curves: list[Curve]
    whole: Extent
    """What the run spans along the bottom."""
    shown: Extent
    """The part of it that is drawn."""
    last: float | None


class Column:
    """One growing column: sums for any window and extremes for any range, without looking at every point again."""

    def __init__(self) -> None:
        self.sums = array("d", [0.0])
        self.counts = array("q", [0])
        self._lows: array[float] = array("d")
        self._highs: array[float] = array("d")

    def take(self, values: Sequence[float]) -> None:
        """Take in what a column has grown by; `values` is the whole column."""
        grown = values[len(self.sums) - 1 :]
        usable = [-BIGGEST < value < BIGGEST for value in grown]
        numbers = grown if all(usable) else [value if ok else 0.0 for value, ok in zip(grown, usable, strict=True)]
        # without the first, which is what was there already
        self.sums.extend(islice(accumulate(numbers, initial=self.sums[-1]), 1, None))
        self.counts.extend(islice(accumulate(usable, initial=self.counts[-1]), 1, None))
        for block in range(len(self._lows), len(values) // _BLOCK):
            low, high = _extremes(values[block * _BLOCK : (block + 1) * _BLOCK])
            self._lows.append(low)
            self._highs.append(high)

    def extremes(self, values: Sequence[float], begin: int, end: int) -> tuple[float, float]:
        """The least and greatest number of `values[begin:end]`; (inf, -inf) when there is none."""
        first, last = -(-begin // _BLOCK), end // _BLOCK
        if first >= last:
            return _extremes(values[begin:end])
        head, tail = _extremes(values[begin : first * _BLOCK]), _extremes(values[last * _BLOCK : end])
        return (
            min(head[0], tail[0], min(self._lows[first:last])),
            max(head[1], tail[1], max(self._highs[first:last])),
        )

    def mean(self, begin: int, end: int) -> float:
        """The mean of the numbers in `[begin:end]`; NaN when there is none."""
        count = self.counts[end] - self.counts[begin]
        return (self.sums[end] - self.sums[begin]) / count if count else NAN


class MetricSeries:
    """One metric of one run. Call `update` after each poll of the view, `picture` when it is to be drawn."""

    def __init__(self, metric: str) -> None:
        self.metric = metric
        self._column = Column()
        self._rewinds = -1
        self._train: Series | None = None
        self._validation: Series | None = None

    def update(self, view: RunView) -> None:
        """Take in what the run has logged since the last time."""
        train = view.train
        if view.rewinds != self._rewinds or train is not self._train:
            self._column, self._rewinds, self._train = Column(), view.rewinds, train
        self._validation = view.validation
        self._column.take(train.column(self.metric))

    def picture(
        self, state: ChartState, width: int, *, raw: bool = True, whole: Extent | None = None
    ) -> Picture | None:
        """Curves of at most a few points a column of `width`; None while there is no number to draw.

        Without `raw` only the smoothed line is drawn, or the validations where nothing else was logged. `whole` is what
        several runs in one chart span together; the range that is shown is a part of that.
        """
        train, validation = self._train, self._validation
        if train is None or validation is None:
            return None
        checked = self._checked(validation, state.x)
        has_train = self._column.counts[-1] > 0
        if not has_train and not checked[0]:
            return None
        positions = _positions(train, state.x)
        ends = [position for position in (*positions[:1], *positions[-1:]) if math.isfinite(position)]
        ends += checked[0]
        own = (min(ends), max(ends)) if ends else (0.0, 1.0)
        whole = whole or own
        shown = state.shown(whole)
        curves: list[Curve] = []
        if has_train:
            curves += self._trained(train, positions, state, shown, width, raw=raw)
        if checked[0] and (raw or not has_train):
            curves.append(Curve("", *checked, "points" if has_train else "line"))
        return Picture(curves, whole, shown, self._last(train, state))

    def _trained(
        self, train: Series, positions: Sequence[float], state: ChartState, shown: Extent, width: int, *, raw: bool
    ) -> list[Curve]:
        values = train.column(self.metric)
        begin = max(0, bisect_left(positions, shown[0]))
        end = min(len(values), bisect_right(positions, shown[1]))
        window = self._window(state, len(values))
        curves = []
        if window <= 1:
            return [Curve("", *self._envelope(values, positions, begin, end, width))]
        if raw:
            curves.append(Curve("", *self._envelope(values, positions, begin, end, width), "faint"))
        stride = max(1, (end - begin) // (2 * max(1, width)))
        indexes = list(range(begin, end, stride))
        if indexes and indexes[-1] != end - 1:
            indexes.append(end - 1)
        count, half = len(values), (window - 1) // 2
        x, y = [], []
        for index in indexes:
            reach = min(half, index, count - 1 - index)
            near = stride == 1 and not -BIGGEST < values[index] < BIGGEST
            x.append(float(positions[index]))
            y.append(NAN if near else self._column.mean(index - reach, index + reach + 1))
        curves.append(Curve("", x, y))
        return curves

    def _envelope(
        self, values: Sequence[float], positions: Sequence[float], begin: int, end: int, width: int
    ) -> tuple[list[float], list[float]]:
        """The points of a range, or the least and the greatest of each of `width` parts of it."""
        if end - begin <= 4 * width:
            return [float(position) for position in positions[begin:end]], list(values[begin:end])
        x, y = [], []
        for part in range(width):
            first, last = begin + part * (end - begin) // width, begin + (part + 1) * (end - begin) // width
            low, high = self._column.extremes(values, first, last)
            here = float(positions[(first + last) // 2])
            x += [here, here]
            y += [low, high] if low <= high else [NAN, NAN]
        return x, y

    def _checked(self, validation: Series, x: XAxis) -> tuple[list[float], list[float]]:
        """Where this metric was validated."""
        if self.metric in _NO_METRIC_OF_A_VALIDATION or self.metric not in validation.names:
            return [], []
        pairs = [
            (float(position), value)
            for position, value in zip(_positions(validation, x), validation.column(self.metric), strict=True)
            if math.isfinite(position) and -BIGGEST < value < BIGGEST
        ]
        return [position for position, _value in pairs], [value for _position, value in pairs]

    def _window(self, state: ChartState, count: int) -> int:
        return 1 if self.metric in EXACT_METRICS else state.window(count)

    def _last(self, train: Series, state: ChartState) -> float | None:
        """The mean of the newest points: of as many as are averaged in the curve, ten at most."""
        count = len(train)
        if not count:
            return None
        newest = min(10, self._window(state, count))
        value = self._column.mean(max(0, count - newest), count) if newest > 1 else train.column(self.metric)[-1]
        return value if -BIGGEST < value < BIGGEST else None


def position_of_step(view: RunView, step: int, x: XAxis) -> float | None:
    """Where a step lies on the bottom axis: at its own line, or the nearest one before it; None before the first."""
    if x == "step":
        return float(step)
    steps = view.train.steps
    index = bisect_right(steps, step) - 1
    if index < 0:
        return None
    position = view.train.column(_X_COLUMNS[x])[index]
    return position if math.isfinite(position) else None


def _positions(series: Series, x: XAxis) -> Sequence[float]:
    return series.steps if x == "step" else series.column(_X_COLUMNS[x])


def _extremes(values: Sequence[float]) -> tuple[float, float]:
    numbers = [value for value in values if -BIGGEST < value < BIGGEST]
    return (min(numbers), max(numbers)) if numbers else (math.inf, -math.inf)
