"""Numbers made fit for a chart: cleaned, thinned, averaged, put in words, and the ticks of an axis."""

import math
import re
from collections.abc import Sequence
from itertools import accumulate

from engine.settings.moments import format_duration

NAN = float("nan")
BIGGEST = 1e300
"""Beyond it, a range of values is no longer finite."""

NEWEST = 10
"""Points at most that a curve's newest value, in a title or among the numbers, is the mean of."""

_BARS = "▁▂▃▄▅▆▇█"
_CLOCK_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)


def is_drawable(value: float, *, log: bool = False) -> bool:
    """Whether a chart can show a value: finite, of a sane size, and above zero on a logarithmic axis."""
    return -BIGGEST < value < BIGGEST and (value > 0 or not log)


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
    usable = [is_drawable(value) for value in y]
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


def recent(y: Sequence[float]) -> float | None:
    """The mean of the newest points: of a twentieth of them, `NEWEST` at most; None without a finite number."""
    finite = [value for value in y[-min(NEWEST, usual_window(len(y))) :] if math.isfinite(value)]
    if not finite:
        finite = [value for value in y[-NEWEST:] if math.isfinite(value)][-1:]
    return sum(finite) / len(finite) if finite else None


def sparkline(y: Sequence[float], width: int) -> str:
    """The numbers of `y` as one line of at most `width` bars; a space where there is none."""
    step = max(1.0, len(y) / max(1, width))
    cells = []
    for cell in range(min(width, len(y))):
        inside = [v for v in y[int(cell * step) : max(int(cell * step) + 1, int((cell + 1) * step))] if is_drawable(v)]
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
            if size >= 1e15:
                return f"{value:.2g}"
            return f"{value / (1e3 if name == 'k' else unit):.3g}{name}"
    return f"{value:.4g}" if size >= 1e-4 or size == 0 else f"{value:.2g}"


def format_elapsed(value: float) -> str:
    """Seconds on an axis, as `1h30m`, `2h`, `1.5s`."""
    if 0 < abs(value) < 60 and value != round(value):
        return f"{value:.3g}s"
    return re.sub(r"(?<=[dhm])00[hms]$", "", format_duration(value))


def range_of(values: Sequence[float]) -> tuple[float, float]:
    """The least and the greatest of some numbers, set apart where they are the same."""
    low, high = min(values), max(values)
    if low == high:
        margin = abs(low) * 0.1 or 1.0
        return low - margin, high + margin
    return low, high


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


def log_ticks(low: float, high: float, most: int) -> list[float]:
    """Ticks on a logarithmic axis, as logarithms: decades when several fit, else round numbers in between."""
    high = min(high, 307.0)  # the largest power of ten there is
    decades = [float(power) for power in range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)]
    if len(decades) >= 3:
        return decades[:: max(1, math.ceil(len(decades) / most))]
    return [math.log10(value) for value in nice_ticks(10**low, 10**high, most) if value > 0]


def clock_ticks(low: float, high: float, most: int) -> list[float]:
    """Round moments within a range of seconds: whole seconds, minutes, hours, days; at most `most` of them."""
    span = high - low
    for step in _CLOCK_STEPS:
        if span / step <= most - 1:
            break
    else:
        return [day * 86400 for day in nice_ticks(low / 86400, high / 86400, most, whole=True)]
    if span < most - 1:
        return nice_ticks(low, high, most)
    return [index * float(step) for index in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]
