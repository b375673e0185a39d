"""Curves as text, through plotext. The only module that knows plotext.

plotext raises on infinities and on a logarithm of what is not positive, places ticks without regard to their digits and
takes tens of microseconds a point. So numbers are cleaned, thinned and scaled here, and the ticks are ours.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from engine.settings.moments import format_duration

NAN = float("nan")
SMALLEST_WIDTH = 24
SMALLEST_HEIGHT = 7

_BIGGEST = 1e300  # beyond it, a range of values is no longer finite
_BARS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class _Look:
    """How a curve is drawn: plotext's marker and colour, and the colour as an ANSI code for the legend."""

    marker: str
    colour: str
    code: str

    def shown(self, label: str, *, colour: bool) -> str:
        """The legend's entry."""
        sign = "⠒⠒" if self.marker == "braille" else self.marker * 2
        return f"\033[{self.code}m{sign}\033[0m {label}" if colour else f"{sign} {label}"


# Several lines differ in their mark as well: colour is never the only sign.
_LINES = (
    _Look("braille", "cyan", "36"),
    _Look("*", "orange", "33"),
    _Look("+", "magenta", "35"),
    _Look("x", "green", "32"),
    _Look("#", "blue", "34"),
    _Look("@", "red", "31"),
)

Format = Callable[[float], str]


@dataclass(frozen=True)
class Curve:
    """One curve: `x` grows, `y` has NaN where there is no number. `style`: a line, or points apart."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    style: str = "line"
    """`line`; `faint` for raw values behind a smoothed line; `points` for few, marked ones."""


@dataclass(frozen=True)
class Axes:
    """What a chart shows beside its curves."""

    title: str
    x_label: str
    x_format: Format = field(default=lambda value: format_number(value))
    log: bool = False
    x_whole: bool = False
    """What runs along the bottom is counted: no tick between two of it."""


def render_chart(curves: Sequence[Curve], axes: Axes, width: int, height: int, *, colour: bool = True) -> str:
    """The curves as `height` lines of at most `width` columns, with ANSI colours or without any escape.

    Never raises for the numbers in it: infinite ones are left out, as are those a logarithm cannot show. A chart that
    is too small for axes becomes a line of bars; one without a single number says so.
    """
    cleaned = [clean(curve, log=axes.log) for curve in curves]
    cleaned = [curve for curve in cleaned if curve.x]
    if not cleaned:
        return axes.title
    if width < SMALLEST_WIDTH or height < SMALLEST_HEIGHT:
        return "\n".join(f"{curve.label} {sparkline(curve.y, max(1, width - 1))}"[:width] for curve in cleaned)
    return _draw(cleaned, axes, width, height, colour=colour)


def clean(curve: Curve, *, log: bool = False) -> Curve:
    """The curve with NaN for every value that cannot be drawn, and without NaN at its ends or where x is no number."""
    x, y = [], []
    for position, value in zip(curve.x, curve.y, strict=True):
        if math.isfinite(position) and abs(position) < _BIGGEST:
            shown = math.isfinite(value) and abs(value) < _BIGGEST and (value > 0 or not log)
            x.append(float(position))
            y.append((math.log10(value) if log else float(value)) if shown else NAN)
    while y and math.isnan(y[-1]):
        del x[-1], y[-1]
    first = next((index for index, value in enumerate(y) if not math.isnan(value)), len(y))
    return Curve(curve.label, x[first:], y[first:], curve.style)


def thin(x: Sequence[float], y: Sequence[float], buckets: int) -> tuple[list[float], list[float]]:
    """At most `4 * buckets` points that look the same: of each bucket its first, least, greatest and last.

    A bucket without any number keeps one NaN, so that a gap stays a gap.
    """
    if len(x) <= 4 * buckets:
        return list(x), list(y)
    kept: list[int] = []
    for bucket in range(buckets):
        inside = range(bucket * len(x) // buckets, (bucket + 1) * len(x) // buckets)
        numbers = [index for index in inside if not math.isnan(y[index])]
        if not numbers:
            kept.append(inside[0])
            continue
        low, high = min(numbers, key=y.__getitem__), max(numbers, key=y.__getitem__)
        kept += sorted({numbers[0], low, high, numbers[-1]})
    return [x[index] for index in kept], [y[index] for index in kept]


def smooth(y: Sequence[float], window: int) -> list[float]:
    """The centred mean over `window` points, fewer at the ends: it does not lag. NaN stays NaN and counts nowhere."""
    if window <= 1:
        return list(y)
    usable = [math.isfinite(value) and abs(value) < _BIGGEST for value in y]
    sums = list(accumulate((v if ok else 0.0 for v, ok in zip(y, usable, strict=True)), initial=0.0))
    counts = list(accumulate((int(ok) for ok in usable), initial=0))
    result = []
    for index, ok in enumerate(usable):
        reach = min((window - 1) // 2 or 1, index, len(y) - 1 - index)
        low, high = index - reach, index + reach + 1
        result.append((sums[high] - sums[low]) / (counts[high] - counts[low]) if ok else NAN)
    return result


def usual_window(count: int) -> int:
    """Points to average when nobody asked for a number: a twentieth of the curve, an odd number."""
    return max(1, count // 20) | 1


def sparkline(y: Sequence[float], width: int) -> str:
    """The numbers of `y` as one line of at most `width` bars; a space where there is none."""
    step = max(1.0, len(y) / width)
    cells = []
    for cell in range(min(width, len(y))):
        inside = [
            v for v in y[int(cell * step) : max(int(cell * step) + 1, int((cell + 1) * step))] if math.isfinite(v)
        ]
        cells.append(sum(inside) / len(inside) if inside else NAN)
    numbers = [value for value in cells if math.isfinite(value)]
    if not numbers:
        return ""
    low, span = min(numbers), (max(numbers) - min(numbers)) or 1.0
    top = len(_BARS) - 1
    return "".join(" " if math.isnan(value) else _BARS[round((value - low) / span * top)] for value in cells)


def format_number(value: float) -> str:
    """A number in few characters: `0.0005`, `3.21`, `12k`, `4.5M`, `1e-08`."""
    size = abs(value)
    for unit, name in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if size >= unit:
            return f"{value / (1e3 if name == 'k' else unit):.3g}{name}"
    return f"{value:.4g}" if size >= 1e-4 or size == 0 else f"{value:.2g}"


def format_elapsed(value: float) -> str:
    """Seconds on an axis, as `1h30m`."""
    return format_duration(value)


def nice_ticks(low: float, high: float, most: int, *, whole: bool = False) -> list[float]:
    """Round numbers (1, 2, 5 times a power of ten) within the range, at most `most` of them; `whole` ones only."""
    span = high - low
    if span <= 0 or not math.isfinite(span):
        return [low]
    power = 10.0 ** math.floor(math.log10(span / most))
    if whole:
        power = max(1.0, power)
    for factor in (1, 2, 5, 10, 20, 50):
        step = power * factor
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most:
            break
    return [index * step for index in range(first, last + 1)][:most]


def _log_ticks(low: float, high: float, most: int) -> list[float]:
    """Ticks on a logarithmic axis, as logarithms: decades when several fit, else round numbers in between."""
    decades = [float(power) for power in range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)]
    if len(decades) >= 3:
        return decades[:: max(1, math.ceil(len(decades) / most))]
    return [math.log10(value) for value in nice_ticks(10**low, 10**high, most) if value > 0]


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    if low == high:
        margin = abs(low) * 0.1 or 1.0
        return low - margin, high + margin
    return low, high


def _draw(curves: Sequence[Curve], axes: Axes, width: int, height: int, *, colour: bool) -> str:
    # plotext offers no public class for a figure; its module-level functions share one global figure between callers.
    from plotext import uncolorize
    from plotext._figure import _figure_class

    figure = _figure_class()
    figure.plotsize(width, height - (len(curves) > 1))
    figure.theme("clear")
    figure.title(axes.title)
    figure.xlabel(axes.x_label)
    y_low, y_high = _range([value for curve in curves for value in curve.y if not math.isnan(value)])
    x_low, x_high = _range([position for curve in curves for position in curve.x])
    figure.ylim(y_low, y_high)
    figure.xlim(x_low, x_high)
    y_ticks = (_log_ticks if axes.log else nice_ticks)(y_low, y_high, max(2, min(7, height // 3)))
    figure.yticks(y_ticks, [format_number(10**tick if axes.log else tick) for tick in y_ticks])
    x_ticks = nice_ticks(x_low, x_high, max(2, width // 10), whole=axes.x_whole)
    figure.xticks(x_ticks, [axes.x_format(tick) for tick in x_ticks])
    legend: list[tuple[Curve, _Look]] = []
    for curve in curves:
        x, y = thin(curve.x, curve.y, width)
        if curve.style == "faint":
            look = _Look("braille" if colour else ".", "gray", "90")
            figure.scatter(x, y, marker=look.marker, color=look.colour)
        elif curve.style == "points":
            look = _Look("o", "orange", "33")
            figure.scatter(x, y, marker=look.marker, color=look.colour)
        else:
            number = sum(earlier.style == "line" for earlier, _ in legend)
            look = _LINES[number % len(_LINES)]
            _draw_line(figure, look, x, y)
        legend.append((curve, look))
    text = str(figure.build())
    if not colour:
        text = str(uncolorize(text))
    lines = [line.rstrip() for line in text.rstrip("\n").split("\n")]
    # Beside the curves, never on them: plotext's own legend covers the first, highest losses.
    entries = [look.shown(curve.label, colour=colour) for curve, look in legend]
    return "\n".join([*lines, " " + "   ".join(entries)] if len(entries) > 1 else lines)


def _draw_line(figure: Any, look: _Look, x: Sequence[float], y: Sequence[float]) -> None:
    """One line, broken where there is no number."""
    start = 0
    for index in range(len(y) + 1):
        if index < len(y) and not math.isnan(y[index]):
            continue
        if index > start:
            draw = figure.plot if index - start > 1 else figure.scatter
            draw(x[start:index], y[start:index], marker=look.marker, color=look.colour)
        start = index + 1
