"""Curves as SVG text: axes, ticks, legend; no script, no font and no file from elsewhere.

Colours are middle tones that stand out on white and on black alike, the background is left to the page. Lines differ by
width and dashes as well as by colour.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from minimind_tui.charts.curves import Curve, clean
from minimind_tui.charts.numbers import format_number, log_ticks, nice_ticks, range_of, thin
from minimind_tui.report.escaping import xml_text

WIDTH, HEIGHT = 760, 280
_LEFT, _RIGHT, _TOP, _BOTTOM = 68, 18, 34, 40
_INK = "#7d8590"
_LINE, _RAW, _POINTS = "#2f81f7", "#8b949e", "#db6d28"
_FONT = "ui-sans-serif, system-ui, -apple-system, 'Segoe UI', 'Noto Sans', 'PingFang SC', sans-serif"
_SHOWN_RULES = 40
_CIRCLES = 200


@dataclass(frozen=True)
class Rule:
    """A vertical line where something happened."""

    x: float
    label: str


@dataclass(frozen=True)
class Chart:
    """What one picture shows. `unit` stands at the left axis, `x_label` below."""

    title: str
    unit: str
    x_label: str
    curves: Sequence[Curve]
    rules: Sequence[Rule] = ()
    log: bool = False
    y_format: Callable[[float], str] = format_number


@dataclass(frozen=True)
class _Plane:
    """From numbers to the picture's coordinates."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float

    def x(self, value: float) -> float:
        return _LEFT + (value - self.x_low) / (self.x_high - self.x_low) * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        return HEIGHT - _BOTTOM - (value - self.y_low) / (self.y_high - self.y_low) * (HEIGHT - _TOP - _BOTTOM)


def svg_chart(chart: Chart) -> str:
    """The chart as one <svg> element; empty text when no curve has a number in it.

    Numbers that cannot be drawn (NaN, infinities, on a logarithmic axis what is not above zero) leave a gap.
    """
    curves = [curve for curve in (clean(curve, log=chart.log) for curve in chart.curves) if curve.x]
    if not curves:
        return ""
    plane = _plane(curves)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'role="img" font-family="{xml_text(_FONT)}" font-size="12" fill="{_INK}">',
        f"<title>{xml_text(chart.title)}</title>",
        f'<text x="{_LEFT}" y="18" font-size="13" font-weight="600">{xml_text(chart.title)}</text>',
        *_axes(chart, plane),
        *(_rule(rule, plane) for rule in chart.rules[-_SHOWN_RULES:] if plane.x_low <= rule.x <= plane.x_high),
    ]
    for curve in curves:
        parts += _curve(curve, plane, chart)
    parts += _legend(curves)
    return "\n".join([*parts, "</svg>"])


def _plane(curves: Sequence[Curve]) -> _Plane:
    y_low, y_high = range_of([value for curve in curves for value in curve.y if not math.isnan(value)])
    x_low, x_high = range_of([position for curve in curves for position in curve.x])
    margin = 0.04 * (y_high - y_low)
    return _Plane(x_low, x_high, y_low - margin, y_high + margin)


def _axes(chart: Chart, plane: _Plane) -> Iterable[str]:
    bottom, right = HEIGHT - _BOTTOM, WIDTH - _RIGHT
    ticks = (log_ticks if chart.log else nice_ticks)(plane.y_low, plane.y_high, 6)
    for tick in ticks:
        y = plane.y(tick)
        yield f'<path d="M{_LEFT} {y:.1f}H{right}" stroke="{_INK}" stroke-opacity=".25"/>'
        words = xml_text(chart.y_format(10**tick if chart.log else tick))
        yield f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{words}</text>'
    for tick in nice_ticks(plane.x_low, plane.x_high, 8, whole=True):
        x = plane.x(tick)
        yield f'<path d="M{x:.1f} {bottom}v5" stroke="{_INK}"/>'
        yield f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{xml_text(format_number(tick))}</text>'
    yield f'<path d="M{_LEFT} {_TOP}V{bottom}H{right}" fill="none" stroke="{_INK}"/>'
    yield f'<text x="{right}" y="{HEIGHT - 6}" text-anchor="end">{xml_text(chart.x_label)}</text>'
    middle = (_TOP + bottom) / 2
    yield (
        f'<text x="14" y="{middle:.0f}" text-anchor="middle" transform="rotate(-90 14 {middle:.0f})">'
        f"{xml_text(chart.unit)}</text>"
    )


def _rule(rule: Rule, plane: _Plane) -> str:
    x = plane.x(rule.x)
    return (
        f'<path d="M{x:.1f} {_TOP}V{HEIGHT - _BOTTOM}" stroke="{_INK}" stroke-dasharray="2 3">'
        f"<title>{xml_text(rule.label)}</title></path>"
    )


def _curve(curve: Curve, plane: _Plane, chart: Chart) -> Iterable[str]:
    x, y = thin(curve.x, curve.y, WIDTH - _LEFT - _RIGHT)
    path = _path(x, y, plane)
    if curve.style == "points":
        yield f'<path d="{path}" fill="none" stroke="{_POINTS}" stroke-width="1.2" stroke-dasharray="5 3"/>'
        if len(curve.x) <= _CIRCLES:
            for position, value in zip(x, y, strict=True):
                if not math.isnan(value):
                    yield _circle(position, value, plane, chart)
        return
    faint = curve.style == "faint"
    colour, width, opacity = (_RAW, 1.0, 0.55) if faint else (_LINE, 2.0, 1.0)
    yield (
        f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="{width}" stroke-opacity="{opacity}" '
        'stroke-linejoin="round" stroke-linecap="round"/>'
    )


def _circle(position: float, value: float, plane: _Plane, chart: Chart) -> str:
    words = f"{format_number(position)}: {chart.y_format(10**value if chart.log else value)}"
    return (
        f'<circle cx="{plane.x(position):.1f}" cy="{plane.y(value):.1f}" r="3.2" fill="{_POINTS}">'
        f"<title>{xml_text(words)}</title></circle>"
    )


def _path(x: Sequence[float], y: Sequence[float], plane: _Plane) -> str:
    """A path that is broken where there is no number; a number alone becomes a dot (a line of no length)."""
    parts: list[str] = []
    drawing = False
    for index, (position, value) in enumerate(zip(x, y, strict=True)):
        if math.isnan(value):
            drawing = False
            continue
        point = f"{plane.x(position):.1f} {plane.y(value):.1f}"
        if drawing:
            parts.append(f"L{point}")
        else:
            alone = index + 1 == len(y) or math.isnan(y[index + 1])
            parts.append(f"M{point}" + ("h.01" if alone else ""))
        drawing = True
    return "".join(parts)


def _legend(curves: Sequence[Curve]) -> Iterable[str]:
    """Names of the curves at the top right, when there are several."""
    if len(curves) < 2:
        return
    x = float(WIDTH - _RIGHT)
    for curve in reversed(curves):
        yield f'<text x="{x:.0f}" y="18" text-anchor="end">{xml_text(curve.label)}</text>'
        x -= 12 + sum(12 if ord(character) > 0x2E7F else 7.4 for character in curve.label)
        sign = {
            "points": f'<circle cx="{x - 6:.0f}" cy="14" r="3.2" fill="{_POINTS}"/>',
            "faint": f'<path d="M{x - 14:.0f} 14h14" stroke="{_RAW}" stroke-opacity=".55"/>',
        }.get(curve.style, f'<path d="M{x - 14:.0f} 14h14" stroke="{_LINE}" stroke-width="2"/>')
        yield sign
        x -= 30
