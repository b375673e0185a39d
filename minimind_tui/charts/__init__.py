"""Curves as text, through plotext."""

from minimind_tui.charts.curves import Axes, Curve, Sign, clean
from minimind_tui.charts.drawing import Inks, draw_on, render_chart
from minimind_tui.charts.numbers import (
    format_elapsed,
    format_number,
    nice_ticks,
    smooth,
    sparkline,
    thin,
    usual_window,
)

__all__ = [
    "Axes",
    "Curve",
    "Inks",
    "Sign",
    "clean",
    "draw_on",
    "format_elapsed",
    "format_number",
    "nice_ticks",
    "render_chart",
    "smooth",
    "sparkline",
    "thin",
    "usual_window",
]
