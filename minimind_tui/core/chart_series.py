"""A run's column as the few points a chart of some width can show, kept up to date as the run grows."""

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from engine.run.history import Series
from engine.run.view import RunView
from minimind_tui.charts.curves import Curve, XAxis
from minimind_tui.charts.numbers import BIGGEST, NAN, NEWEST, is_drawable
from minimind_tui.core.chart_state import ChartState, Extent

_BLOCK = 64
_X_COLUMNS = {"tokens": "tokens", "time": "elapsed"}
_NO_METRIC_OF_A_VALIDATION = frozenset({"tokens", "elapsed", "epoch"})
"""Columns that a validation's line repeats; the curve of training has them in full."""

EXACT_METRICS = frozenset({"lr", "tokens", "elapsed", "epoch", "skipped", "loss_scale"})
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


@dataclass(frozen=True)
class Summary:
    """Some numbers in short: how many, their sum, the least and the greatest; inf and -inf where there is none."""

    count: int
    total: float
    low: float
    high: float


class Column:
    """One growing column, summarised block by block: means and extremes of any range without a look at every point.

    Sums are a block's own, never running ones: after one value of 1e20 a difference of running sums is noise.
    """

    def __init__(self) -> None:
        self.length = 0
        self.has_numbers = False
        self._counts = array("q")
        self._totals: array[float] = array("d")
        self._lows: array[float] = array("d")
        self._highs: array[float] = array("d")

    def take(self, values: Sequence[float]) -> None:
        """Take in what a column has grown by; `values` is the whole column."""
        self.has_numbers = self.has_numbers or any(is_drawable(value) for value in values[self.length :])
        self.length = len(values)
        for block in range(len(self._lows), len(values) // _BLOCK):
            count, total, low, high = _summarised(values[block * _BLOCK : (block + 1) * _BLOCK])
            self._counts.append(count)
            self._totals.append(total)
            self._lows.append(low)
            self._highs.append(high)

    def mean(self, values: Sequence[float], begin: int, end: int) -> float:
        """The mean of the numbers in `values[begin:end]`; NaN when there is none."""
        first, last = -(-begin // _BLOCK), end // _BLOCK
        if first >= last:
            count, total = _summed(values[begin:end])
        else:
            head, tail = _summed(values[begin : first * _BLOCK]), _summed(values[last * _BLOCK : end])
            count = head[0] + tail[0] + sum(self._counts[first:last])
            total = head[1] + tail[1] + sum(self._totals[first:last])
        return total / count if count else NAN

    def summary(self, values: Sequence[float], begin: int, end: int) -> Summary:
        """What `values[begin:end]` comes to."""
        first, last = -(-begin // _BLOCK), end // _BLOCK
        if first >= last:
            return Summary(*_summarised(values[begin:end]))
        head, tail = _summarised(values[begin : first * _BLOCK]), _summarised(values[last * _BLOCK : end])
        return Summary(
            head[0] + tail[0] + sum(self._counts[first:last]),
            head[1] + tail[1] + sum(self._totals[first:last]),
            min(head[2], tail[2], min(self._lows[first:last])),
            max(head[3], tail[3], max(self._highs[first:last])),
        )


@dataclass(frozen=True)
class Reading:
    """What a chart shows at one place: the step, the value logged there, and the mean around it where one is drawn."""

    step: int
    value: float
    mean: float | None


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
        has_train = self._column.has_numbers
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
        # with a neighbour on either side, so that a line goes on to the edge
        begin = max(0, bisect_left(positions, shown[0]) - 1)
        end = min(len(values), bisect_right(positions, shown[1]) + 1)
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
        x, y = [], []
        for index in indexes:
            gap = stride == 1 and not is_drawable(values[index])
            x.append(float(positions[index]))
            y.append(NAN if gap else self._mean(values, index, window))
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
            found = self._column.summary(values, first, last)
            here = float(positions[(first + last) // 2])
            x += [here, here]
            y += [found.low, found.high] if found.count else [NAN, NAN]
        return x, y

    def _mean(self, values: Sequence[float], index: int, window: int) -> float:
        """The centred mean, over fewer points at the ends; the newest ones take some more of those before them, or a
        live curve would end in the noise of its last value.
        """
        half = min((window - 1) // 2, index)
        after = min(half, len(values) - 1 - index)
        before = max(after, half // 2) if after < half else half
        return self._column.mean(values, index - before, index + after + 1)

    def at(self, x: XAxis, position: float, state: ChartState) -> Reading | None:
        """The logged line nearest to a position; None where nothing is logged."""
        train = self._train
        if train is None or not len(train):
            return None
        positions, values = _positions(train, x), train.column(self.metric)
        index = min(bisect_left(positions, position), len(values) - 1)
        if index and position - positions[index - 1] < positions[index] - position:
            index -= 1
        window = self._window(state, len(values))
        return Reading(train.steps[index], values[index], self._mean(values, index, window) if window > 1 else None)

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
        """The mean of the newest points: of as many as are averaged in the curve, `NEWEST` at most."""
        count = len(train)
        if not count:
            return None
        newest = min(NEWEST, self._window(state, count))
        values = train.column(self.metric)
        value = self._column.mean(values, max(0, count - newest), count) if newest > 1 else values[-1]
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


def converted(view: RunView, position: float, old: XAxis, new: XAxis) -> float:
    """Where a position of one axis lies on another: at the same line of the log."""
    train = view.train
    index = min(bisect_left(_positions(train, old), position), len(train) - 1)
    place = float(_positions(train, new)[index]) if index >= 0 else NAN
    return place if math.isfinite(place) else 0.0


def _positions(series: Series, x: XAxis) -> Sequence[float]:
    return series.steps if x == "step" else series.column(_X_COLUMNS[x])


def _summed(values: Sequence[float]) -> tuple[int, float]:
    """Count and sum of the numbers among some values."""
    total = sum(values)
    if -BIGGEST < total < BIGGEST:
        return len(values), total
    numbers = [value for value in values if is_drawable(value)]
    return len(numbers), sum(numbers)


def _summarised(values: Sequence[float]) -> tuple[int, float, float, float]:
    """Count, sum, least and greatest of the numbers among some values."""
    if values:
        total, low, high = sum(values), min(values), max(values)
        if math.isfinite(total) and low > -BIGGEST and high < BIGGEST:  # a NaN makes the sum one
            return len(values), total, low, high
    numbers = [value for value in values if is_drawable(value)]
    return len(numbers), sum(numbers), min(numbers, default=math.inf), max(numbers, default=-math.inf)
