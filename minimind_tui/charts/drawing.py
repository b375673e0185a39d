"""Curves drawn by plotext. The only module that knows how.

plotext raises on infinities and on a logarithm of what is not positive, places ticks without regard to their digits and
takes tens of microseconds a point. So numbers are cleaned, thinned and scaled here, and the ticks are ours.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from minimind_tui.charts.curves import Axes, Curve, Sign, clean
from minimind_tui.charts.numbers import NAN, format_number, log_ticks, nice_ticks, range_of, sparkline, thin

SMALLEST_WIDTH = 24
SMALLEST_HEIGHT = 7

Colour = str | int | tuple[int, int, int]
"""plotext's: a name, one of the terminal's 256, or red, green, blue."""


@dataclass(frozen=True)
class Inks:
    """Colours and marks. `lines` differ in their mark as well: colour is never the only sign.

    `fine` is plotext's marker for curves alone in their chart: braille, hd, dot, or a character.
    """

    lines: tuple[Colour, ...] = ("cyan", "orange", "magenta", "green", "blue", "red")
    marks: tuple[str, ...] = ("", "*", "+", "x", "#", "@")
    """Of each line; empty is `fine`."""
    faint: Colour = "gray"
    points: Colour = "orange"
    fine: str = "braille"
    coloured: bool = True
    symbols: tuple[str, ...] = ()
    """Where there are some, every line is drawn with `fine` and has one of these here and there, instead of a mark."""

    def mark(self, number: int) -> str:
        """The mark of a line."""
        return (not self.symbols and self.marks[number % len(self.marks)]) or self.fine

    def legend_mark(self, number: int) -> str:
        """What stands for a line in a legend."""
        if self.symbols:
            return self.symbols[number % len(self.symbols)]
        return {"braille": "⠒", "hd": "▄", "dot": "•"}.get(self.mark(number), self.mark(number))


_SYMBOL_COLUMNS = 15
"""A line's symbol comes about once in so many columns."""
_LEAST_LABEL = 5
"""Labels beside a chart without a frame take at least so many columns: charts above each other begin alike."""

_ANSI = {"cyan": "36", "orange": "33", "magenta": "35", "green": "32", "blue": "34", "red": "31", "gray": "90"}
_TERMINAL = Inks()


def render_chart(curves: Sequence[Curve], axes: Axes, width: int, height: int, *, colour: bool = True) -> str:
    """The curves as `height` lines of at most `width` columns, with ANSI colours or without any escape.

    Never raises for the numbers in it: infinite ones are left out, as are those a logarithm cannot show. A chart that
    is too small for axes becomes a line of bars; one without a single number says so.
    """
    cleaned = [curve for curve in (clean(curve, log=axes.log) for curve in curves) if curve.x]
    if not cleaned:
        return axes.title
    if width < SMALLEST_WIDTH or height < SMALLEST_HEIGHT:
        return "\n".join(f"{curve.label} {sparkline(curve.y, max(1, width - 1))}"[:width] for curve in cleaned)
    # plotext offers no public class for a figure; its module-level functions share one global figure between callers.
    from plotext import uncolorize
    from plotext._figure import _figure_class

    inks = Inks(coloured=colour)
    text = draw_on(_figure_class(), cleaned, axes, width, height - (len(cleaned) > 1), inks)
    if not colour:
        text = str(uncolorize(text))
    lines = [line.rstrip() for line in text.rstrip("\n").split("\n")]
    # Beside the curves, never on them: plotext's own legend covers the first, highest losses.
    entries = [_entry(curve, number, colour=colour) for curve, number in _numbered(cleaned)]
    return "\n".join([*lines, " " + "   ".join(entries)] if len(entries) > 1 else lines)


def draw_on(
    figure: Any,
    curves: Sequence[Curve],
    axes: Axes,
    width: int,
    height: int,
    inks: Inks,
    signs: Sequence[Sign] = (),
    *,
    thinned: bool = False,
    cursor: float | None = None,
) -> str:
    """Draw cleaned curves (at least one) on a figure of plotext's; returns `height` lines with ANSI colours.

    `signs` stand on the bottom axis, later ones over earlier ones; `cursor` is where a line from top to bottom stands
    behind the curves. `thinned`: the curves have few enough points already.
    """
    figure.clear_figure()
    figure._limit_size(False, False)  # else nothing is larger than the terminal it finds, or believes to find
    figure.plotsize(width, height)
    figure.theme("clear")
    if axes.title:
        figure.title(axes.title)
    if axes.x_label:
        figure.xlabel(axes.x_label)
    if not axes.framed:
        figure.xaxes(True, False)
        figure.yaxes(True, False)
    shown = [_within(curve, axes.x_range) for curve in curves]
    values = [value for curve in shown for value in curve.y if not math.isnan(value)]
    positions = [position for curve in shown for position in curve.x]
    y_low, y_high = range_of(values) if values else (0.0, 1.0)
    x_low, x_high = axes.x_range or (range_of(positions) if positions else (0.0, 1.0))
    figure.ylim(y_low, y_high)
    figure.xlim(x_low, x_high)
    y_ticks = (log_ticks if axes.log else nice_ticks)(y_low, y_high, max(3, min(7, height // 2)))
    figure.yticks(y_ticks, _labels([10**tick if axes.log else tick for tick in y_ticks], framed=axes.framed))
    x_ticks, x_labels = axes.x_ticks(x_low, x_high, max(2, width // 12))
    figure.xticks(x_ticks, x_labels)
    for curve, number in _numbered(shown):
        if not curve.x:
            continue
        x, y = (curve.x, curve.y) if thinned else thin(curve.x, curve.y, width)
        if curve.style == "faint":
            figure.scatter(x, y, marker=inks.fine if inks.coloured else ".", color=inks.faint)
        elif curve.style == "points":
            figure.scatter(x, y, marker="o", color=inks.points)
        else:
            _draw_line(figure, inks.mark(number), inks.lines[number % len(inks.lines)], x, y)
    figure._set_sizes()
    figure._build_matrix()
    matrix = figure.monitor.matrix
    if len(matrix.Cols_canvas) > 1 and x_low < x_high:
        if inks.symbols:
            for order, (curve, number) in enumerate(_numbered(shown)):
                if curve.style == "line":
                    _set_symbols(matrix, curve, order, inks, number, (x_low, x_high), (y_low, y_high))
        _set_signs(matrix, signs, (x_low, x_high))
        _set_cursor(matrix, cursor, (x_low, x_high))
    return str(matrix.set_canvas()).rstrip("\n")


def _numbered(curves: Sequence[Curve]) -> list[tuple[Curve, int]]:
    """Each curve with the number of its look: its own, or the next among the lines."""
    result, lines = [], 0
    for curve in curves:
        result.append((curve, curve.colour if curve.colour is not None else lines))
        lines += curve.style == "line"
    return result


def _within(curve: Curve, x_range: tuple[float, float] | None) -> Curve:
    """The part of a curve in the range; a line goes on to the range's ends."""
    if x_range is None:
        return curve
    low, high = x_range
    inside = [index for index, position in enumerate(curve.x) if low <= position <= high]
    if len(inside) == len(curve.x):
        return curve
    x, y = [curve.x[index] for index in inside], [curve.y[index] for index in inside]
    if curve.style == "line":
        first, last = _between(curve, low), _between(curve, high)
        if not math.isnan(first):
            x, y = [low, *x], [first, *y]
        if not math.isnan(last):
            x, y = [*x, high], [*y, last]
    return Curve(curve.label, x, y, curve.style, curve.colour)


def _between(curve: Curve, position: float) -> float:
    """The line's value at a position between two of its points; NaN where it has none, or one of its own."""
    index = bisect_left(curve.x, position)
    if not 0 < index < len(curve.x) or curve.x[index] == position:
        return NAN
    left, right = curve.x[index - 1], curve.x[index]
    return curve.y[index - 1] + (curve.y[index] - curve.y[index - 1]) * (position - left) / (right - left)


def _entry(curve: Curve, number: int, *, colour: bool) -> str:
    """A legend's entry."""
    if curve.style == "faint":
        sign, code = ("⠒⠒" if colour else ".."), _ANSI["gray"]
    elif curve.style == "points":
        sign, code = "oo", _ANSI["orange"]
    else:
        sign = _TERMINAL.legend_mark(number) * 2
        code = _ANSI[str(_TERMINAL.lines[number % len(_TERMINAL.lines)])]
    return f"\033[{code}m{sign}\033[0m {curve.label}" if colour else f"{sign} {curve.label}"


def _draw_line(figure: Any, mark: str, colour: Colour, x: Sequence[float], y: Sequence[float]) -> None:
    """One line, broken where there is no number."""
    start = 0
    for index in range(len(y) + 1):
        if index < len(y) and not math.isnan(y[index]):
            continue
        if index > start:
            draw = figure.plot if index - start > 1 else figure.scatter
            draw(x[start:index], y[start:index], marker=mark, color=colour)
        start = index + 1


def _labels(values: Sequence[float], *, framed: bool) -> list[str]:
    """The numbers beside the left axis; with more digits where the usual ones would make two of them alike."""
    labels = [format_number(value) for value in values]
    if len(set(labels)) < len(labels):
        labels = [f"{value:.6g}" for value in values]
    return labels if framed else [label.rjust(_LEAST_LABEL) for label in labels]


def _cell(value: float, low: float, high: float, cells: int, dots: int = 1) -> int:
    """The cell a value falls into, as plotext places its points; `dots` is how many of the marker's a cell has."""
    return math.floor(0.5 + (cells * dots - 1) * (value - low) / (high - low)) // dots


def _set_symbols(
    matrix: Any,
    curve: Curve,
    order: int,
    inks: Inks,
    number: int,
    x: tuple[float, float],
    y: tuple[float, float],
) -> None:
    """A line's symbol at its end and here and there before it, at other places for each line."""
    columns, rows = matrix.Cols_canvas, matrix.Rows_canvas
    across, up = {"braille": (2, 4), "hd": (2, 2)}.get(inks.fine, (1, 1))
    symbol, colour = inks.legend_mark(number), inks.lines[number % len(inks.lines)]
    before = (order * 4) % _SYMBOL_COLUMNS - _SYMBOL_COLUMNS
    last = max((index for index, value in enumerate(curve.y) if not math.isnan(value)), default=-1)
    for index, (position, value) in enumerate(zip(curve.x, curve.y, strict=True)):
        column = _cell(position, *x, len(columns), across)
        if math.isnan(value) or (index != last and column - before < _SYMBOL_COLUMNS):
            continue
        before = column
        row = _cell(value, *y, len(rows), up)
        matrix.insert_element(columns.start + column, rows.start + row, symbol, colour)


def _set_signs(matrix: Any, signs: Sequence[Sign], x: tuple[float, float]) -> None:
    columns, axis = matrix.Cols_canvas, matrix.Rows_canvas.start - 1
    for sign in signs:
        if x[0] <= sign.x <= x[1]:
            column = columns.start + _cell(sign.x, *x, len(columns))
            matrix.insert_element(column, axis, sign.character, sign.colour)


def _set_cursor(matrix: Any, cursor: float | None, x: tuple[float, float]) -> None:
    if cursor is None or not x[0] <= cursor <= x[1]:
        return
    column = matrix.Cols_canvas.start + _cell(cursor, *x, len(matrix.Cols_canvas))
    for row in matrix.Rows_canvas:
        if matrix.marker[row][column] == " ":
            matrix.insert_element(column, row, "│")
