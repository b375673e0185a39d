"""What a chart is made of."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from minimind_tui.charts.numbers import (
    BIGGEST,
    NAN,
    clock_ticks,
    format_elapsed,
    format_number,
    is_drawable,
    nice_ticks,
)

XAxis = Literal["step", "tokens", "time"]
Style = Literal["line", "faint", "points"]

X_AXES: tuple[XAxis, ...] = get_args(XAxis)


def as_x_axis(name: str) -> XAxis:
    """The axis of that name. Raises StopIteration where there is none."""
    return next(axis for axis in X_AXES if axis == name)


@dataclass(frozen=True)
class Curve:
    """One curve: `x` grows, `y` has NaN where there is no number."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    style: Style = "line"
    """`line`; `faint` for raw values behind a smoothed line; `points` for few, marked ones."""
    colour: int | None = None
    """Which of the looks for lines (a colour with its mark); None takes the next one."""


@dataclass(frozen=True)
class Axes:
    """What a chart shows beside its curves."""

    title: str
    x_label: str
    x: XAxis = "step"
    """What runs along the bottom: steps and tokens are counted, time is seconds."""
    log: bool = False
    x_range: tuple[float, float] | None = None
    """The part of the bottom axis to show; None takes what the curves span."""
    framed: bool = True
    """Axes on all four sides; else on the left and at the bottom, for a chart that stands in a box already."""

    def x_ticks(self, low: float, high: float, most: int) -> tuple[list[float], list[str]]:
        """Where the bottom axis has its ticks, and what stands there."""
        if self.x == "time":
            ticks = clock_ticks(low, high, most)
            return ticks, [format_elapsed(tick) for tick in ticks]
        ticks = nice_ticks(low, high, most, whole=True)
        return ticks, [format_number(tick) for tick in ticks]


@dataclass(frozen=True)
class Sign:
    """A character on the bottom axis, where something happened."""

    x: float
    character: str
    colour: str | int | tuple[int, int, int] | None = None
    """One of plotext's; None is the axis's own."""


def clean(curve: Curve, *, log: bool = False) -> Curve:
    """The curve with NaN for every value that cannot be drawn, and without NaN at its ends or where x is no number.

    On a logarithmic axis the values become their logarithms to base ten.
    """
    x, y = [], []
    for position, value in zip(curve.x, curve.y, strict=True):
        if -BIGGEST < position < BIGGEST:
            x.append(float(position))
            shown = is_drawable(value, log=log)
            y.append((math.log10(value) if log else float(value)) if shown else NAN)
    while y and math.isnan(y[-1]):
        del x[-1], y[-1]
    first = next((index for index, value in enumerate(y) if not math.isnan(value)), len(y))
    return Curve(curve.label, x[first:], y[first:], curve.style, curve.colour)
