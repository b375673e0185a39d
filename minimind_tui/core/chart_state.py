"""How the charts of a screen are looked at, shared by all of them: axis, range, smoothing, logs; and the marks."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from engine.language import _
from engine.run.schema import EventKind
from minimind_tui.charts.curves import X_AXES, XAxis
from minimind_tui.charts.numbers import format_elapsed, format_number, usual_window

Smoothing = Literal["usual", "strong", "none"]
_SMOOTHINGS: tuple[Smoothing, ...] = ("usual", "strong", "none")
_STRONG = 4
"""How many times the usual window the strong one is."""

_SHORTEST = 1 / 2000
"""The shortest range that can be zoomed to, as a share of the whole."""

Extent = tuple[float, float]
Convert = Callable[[float, XAxis, XAxis], float]
"""A position, its axis, and the axis it is wanted on."""


@dataclass
class ChartState:
    """What a person chose. `version` grows with every change, so that charts know when to draw anew."""

    x: XAxis = "step"
    smoothing: Smoothing = "usual"
    log: set[str] = field(default_factory=set)
    """The metrics drawn logarithmically."""
    span: float | None = None
    """Length of the range that is shown; None is the whole run."""
    end: float | None = None
    """Where the range ends; None follows the newest point."""
    cursor: float | None = None
    """Where values are read, a position on the bottom axis; None where nobody reads any."""
    version: int = 0

    def cycle_x(self, whole: Extent | None = None, converted: Convert | None = None) -> None:
        """Steps, tokens, time, and again. With a way to convert positions the same part stays in sight; else the whole
        is shown, for the numbers of a range mean something else now.
        """
        old, new = self.x, X_AXES[(X_AXES.index(self.x) + 1) % len(X_AXES)]
        low, high = (0.0, 0.0) if whole is None else self.shown(whole)
        span, end, cursor = self.span, self.end, self.cursor
        self.x = new
        self.reset()
        if converted is None or whole is None:
            return
        if span is not None:
            low, high = converted(low, old, new), converted(high, old, new)
            if high > low:
                self.span, self.end = high - low, None if end is None else high
        if cursor is not None:
            self.cursor = converted(cursor, old, new)

    def cycle_smoothing(self) -> None:
        """Usual, strong, none, and again."""
        self.smoothing = _SMOOTHINGS[(_SMOOTHINGS.index(self.smoothing) + 1) % len(_SMOOTHINGS)]
        self.version += 1

    def toggle_log(self, metric: str) -> None:
        """Logarithmic values for a metric, or linear ones."""
        self.log ^= {metric}
        self.version += 1

    def zoom(self, factor: float, whole: Extent) -> None:
        """Show a range `factor` times as long; the end stays where it is, the middle where the range was moved."""
        low, high = self.shown(whole)
        length = whole[1] - whole[0]
        span = (high - low) * factor
        if length <= 0 or span >= length:
            self.span = self.end = None
            self.version += 1
            return
        if self.end is not None:
            self.end = min(whole[1], (low + high) / 2 + span / 2)
        self.span = max(span, length * _SHORTEST)
        self.version += 1

    def pan(self, share: float, whole: Extent) -> None:
        """Move the range by a share of its length; at the newest point it follows again. Nothing moves a whole run."""
        if self.span is None:
            return
        _low, high = self.shown(whole)
        end = max(high + share * self.span, whole[0] + self.span)
        self.end = None if end >= whole[1] else end
        self.version += 1

    def move_cursor(self, share: float, whole: Extent) -> None:
        """Move the place where values are read by a share of the range; it begins at the range's newest end."""
        low, high = self.shown(whole)
        begin = high if self.cursor is None or not low <= self.cursor <= high else self.cursor
        self.cursor = min(high, max(low, begin + share * (high - low)))
        self.version += 1

    def reset(self) -> None:
        """The whole run, and nobody reads values."""
        self.span = self.end = self.cursor = None
        self.version += 1

    def shown(self, whole: Extent) -> Extent:
        """The range that is shown of a curve that spans `whole`."""
        if self.span is None:
            return whole
        end = whole[1] if self.end is None else min(self.end, whole[1])
        return max(whole[0], end - self.span), end

    def window(self, count: int) -> int:
        """Points to average in a curve of `count`; 1 averages nothing."""
        if self.smoothing == "none":
            return 1
        usual = usual_window(count)
        return usual if self.smoothing == "usual" else usual * _STRONG | 1

    def words(self, metric: str, whole: Extent | None) -> str:
        """What differs from a chart of the whole run as it usually is."""
        parts = []
        if self.x != "step":
            parts.append({"tokens": _("by tokens"), "time": _("by time")}[self.x])
        if metric in self.log:
            parts.append(_("log"))
        if self.smoothing != "usual":
            parts.append({"strong": _("smoother"), "none": _("not smoothed")}[self.smoothing])
        if self.span is not None and whole is not None:
            form = format_elapsed if self.x == "time" else format_number
            low, high = self.shown(whole)
            parts.append(f"{form(round(low))}–{form(round(high))}" + ("" if self.end is not None else " →"))
        return " · ".join(parts)


MarkKind = Literal["checkpoint", "sample", "control", "spike", "resume"]


@dataclass(frozen=True)
class Mark:
    """Something that happened at a step."""

    kind: MarkKind
    step: int


_KINDS: dict[str, MarkKind] = {
    EventKind.CHECKPOINT: "checkpoint",
    EventKind.SAMPLE: "sample",
    EventKind.CONTROL: "control",
    EventKind.GUARD: "spike",
    EventKind.ROLLBACK: "spike",
    EventKind.RESUMED: "resume",
}
_IMPORTANCE: tuple[MarkKind, ...] = ("checkpoint", "sample", "control", "spike", "resume")
_SIGNS: dict[MarkKind, tuple[str, str]] = {
    "checkpoint": ("◆", "C"),
    "sample": ("▾", "s"),
    "control": ("●", "o"),
    "spike": ("!", "!"),
    "resume": ("»", ">"),
}


def mark_sign(kind: MarkKind, *, ascii_only: bool = False) -> str:
    """The character of a kind of mark."""
    return _SIGNS[kind][ascii_only]


def mark_word(kind: MarkKind) -> str:
    """What a kind of mark is called."""
    return {
        "checkpoint": _("checkpoint"),
        "sample": _("sample"),
        "control": _("request"),
        "spike": _("skipped update"),
        "resume": _("resumed"),
    }[kind]


def marks_of(events: Iterable[Mapping[str, Any]]) -> list[Mark]:
    """The marks of a run's events, the most important kinds last, so that they are drawn over the others."""
    found = {
        Mark(kind, step)
        for event in events
        if (kind := _KINDS.get(str(event.get("kind")))) is not None
        and type(step := event.get("step")) is int
        and (kind != "control" or event.get("accepted") is True)
    }
    return sorted(found, key=lambda mark: (_IMPORTANCE.index(mark.kind), mark.step))
