"""The chart of one metric of one run."""

import math
from collections.abc import Callable
from functools import partial

from rich.cells import cell_len
from textual.content import Content
from textual.events import MouseScrollDown, MouseScrollUp
from textual.visual import VisualType

from engine.language import _
from engine.run.view import RunView
from minimind_tui import words
from minimind_tui.app.bindings import bindings_of
from minimind_tui.app.widgets.plot import PlotWidget
from minimind_tui.charts import Axes, Sign, format_number
from minimind_tui.core.chart_series import MetricSeries, Picture, Reading, converted, position_of_step
from minimind_tui.core.chart_state import ChartState, Convert, Extent, Mark, mark_sign, mark_word, marks_of
from minimind_tui.safe_text import one_line

_ZOOM, _PAN = 0.5, 0.25
_MARKS_FROM_HEIGHT = 8
_BESIDE_TITLE = 4
"""Columns of the border and blanks beside a chart's title."""
_LABELS = 7
"""About the columns beside a chart's curves."""

_NUMBERS: dict[str, Callable[[float | None], str]] = {
    "loss": words.loss,
    "lr": words.rate,
    "tokens_per_s": words.count,
    "memory": words.size,
}


class ChartKeys(PlotWidget, can_focus=True):
    """The keys of charts. Their state is common to all charts of a screen, which follow each change together."""

    BINDINGS = bindings_of("chart")
    DEFAULT_CSS = """
    ChartKeys { border: round $border-blurred; border-title-color: $text-primary; border-title-style: bold;
        border-subtitle-color: $foreground-muted; padding: 0; }
    ChartKeys:focus { border: round $primary; }
    ChartKeys:focus:nocolor { border: heavy $primary; }
    ChartKeys.-maximized { width: 1fr; height: 1fr; }
    """

    def __init__(self, metric: str, state: ChartState, *, title: str = "") -> None:
        super().__init__()
        self.metric = metric
        self.state = state
        self.title = title or metric
        self.whole: Extent | None = None
        """What the curves span along the bottom; None while there are none."""

    def changed(self) -> None:
        """The shared state is another: every chart of the screen that shares it is drawn anew."""
        for chart in self.screen.query("ChartKeys"):
            if isinstance(chart, ChartKeys) and chart.state is self.state:
                chart.look_again()

    def look_again(self) -> None:
        """Draw anew."""
        self.refresh()

    def action_maximize_chart(self) -> None:
        """The chart alone on the screen, or back among the others."""
        if self.is_maximized:
            self.screen.minimize()
        else:
            self.screen.maximize(self)

    def action_toggle_log(self) -> None:
        """Logarithmic or linear values."""
        self.state.toggle_log(self.metric)
        self.changed()

    def action_cycle_smoothing(self) -> None:
        """Usual, strong, none."""
        self.state.cycle_smoothing()
        self.changed()

    def action_cycle_x(self) -> None:
        """Steps, tokens, time."""
        self.state.cycle_x(self.whole, self.converter())
        self.changed()

    def converter(self) -> Convert | None:
        """How a position of one axis becomes one of another; None where there is no one way."""
        return None

    def action_cursor_left(self) -> None:
        """Read the values before."""
        self._move_cursor(-1)

    def action_cursor_right(self) -> None:
        """Read the values after."""
        self._move_cursor(1)

    def action_zoom_in(self) -> None:
        """Half the range."""
        self._zoom(_ZOOM)

    def action_zoom_out(self) -> None:
        """Twice the range."""
        self._zoom(1 / _ZOOM)

    def action_zoom_reset(self) -> None:
        """The whole run."""
        self.state.reset()
        self.changed()

    def action_pan_left(self) -> None:
        """Earlier."""
        self._pan(-_PAN)

    def action_pan_right(self) -> None:
        """Later."""
        self._pan(_PAN)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        event.stop()
        self._zoom(_ZOOM)

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        event.stop()
        self._zoom(1 / _ZOOM)

    def _move_cursor(self, columns: int) -> None:
        if self.whole is not None:
            self.state.move_cursor(columns / max(1, self.content_size.width - _LABELS), self.whole)
            self.changed()

    def _zoom(self, factor: float) -> None:
        if self.whole is not None:
            self.state.zoom(factor, self.whole)
            self.changed()

    def _pan(self, share: float) -> None:
        if self.whole is not None:
            self.state.pan(share, self.whole)
            self.changed()


class MetricChart(ChartKeys):
    """One metric of one run: what was logged faint, its mean strong, the validations as points, marks below.

    Call `feed` after each poll of the run's view. `title` is shown with the newest value.
    """

    def __init__(self, metric: str, state: ChartState, *, title: str = "") -> None:
        super().__init__(metric, state, title=title)
        self._series = MetricSeries(metric)
        self._view: RunView | None = None
        self._fed: tuple[int, int] = (-1, -1)
        self._marks: list[Mark] = []
        self._marked: tuple[int, int, int] = (-1, -1, -1)
        """Of which events the marks are."""

    def feed(self, view: RunView) -> None:
        """Take in what is new; nothing happens when nothing is."""
        version = (view.version, view.rewinds)
        if view is self._view and version == self._fed:
            return
        self._view, self._fed = view, version
        self._series.update(view)
        marked = (id(view.events), len(view.events), view.rewinds)
        if marked != self._marked:
            self._marks, self._marked = marks_of(view.events), marked
        self.look_again()

    def look_again(self) -> None:
        """Draw anew, titles included."""
        picture = self._picture(1)
        self.whole = None if picture is None else picture.whole
        value = "" if picture is None or picture.last is None else "  " + self._in_words(picture.last)
        title = one_line(self.title)
        if cell_len(title + value) > self.size.width - _BESIDE_TITLE:
            value = ""  # a chart as small as that has the number inside
        self.border_title = Content.assemble(title, (value, "not bold $foreground"))
        self.border_subtitle = Content(self._subtitle())
        self.refresh()

    def _subtitle(self) -> str:
        """The reading at the cursor, or what is unusual about the chart and what its marks mean, as far as it fits."""
        cursor = self.state.cursor
        reading = None if cursor is None else self._series.at(self.state.x, cursor, self.state)
        if reading is not None:
            return self._reading_in_words(reading)
        words_ = self.state.words(self.metric, self.whole)
        has_marks = self.content_size.height >= _MARKS_FROM_HEIGHT
        kinds = dict.fromkeys(mark.kind for mark in self._marks if has_marks)
        told = [*([words_] if words_ else []), *(f"{self._sign(kind)} {mark_word(kind)}" for kind in kinds)]
        text, room = "  ".join(told), self.size.width - _BESIDE_TITLE
        while len(told) > 1 and not self.is_maximized and cell_len(text) > room:
            told.pop()
            text = "  ".join(told) + " …"
        return text if self.is_maximized or cell_len(text) <= room else words_

    def _reading_in_words(self, reading: Reading) -> str:
        value = _("no number") if math.isnan(reading.value) else self._in_words(reading.value)
        text = _("step {step}").format(step=reading.step) + f": {value}"
        if reading.mean is not None and not math.isnan(reading.mean):
            text += " · " + _("mean {value}").format(value=self._in_words(reading.mean))
        return text

    def converter(self) -> Convert | None:
        view = self._view
        return None if view is None else partial(converted, view)

    def on_resize(self) -> None:
        self.look_again()

    def drawn_from(self) -> object:
        return self._fed, self.state.version, self.is_maximized

    def draw(self, width: int, height: int) -> VisualType:
        picture = self._picture(width)
        if picture is None:
            return Content(_("nothing logged yet"))
        axes = Axes(
            "", "", self.state.x, log=self.metric in self.state.log, x_range=_opened(picture.shown), framed=False
        )
        signs = self._signs() if height >= _MARKS_FROM_HEIGHT else []
        number = "" if picture.last is None else self._in_words(picture.last)
        return self.plotted(picture.curves, axes, width, height, signs, number=number, cursor=self.state.cursor)

    def _picture(self, width: int) -> Picture | None:
        if self._view is not None:
            self._series.update(self._view)  # a chart that is fed seldom is drawn between two feeds, at a resize
        return self._series.picture(self.state, width)

    def _signs(self) -> list[Sign]:
        view = self._view
        if view is None:
            return []
        placed = ((mark, position_of_step(view, mark.step, self.state.x)) for mark in self._marks)
        return [
            Sign(position, self._sign(mark.kind), self.sign_colour(mark.kind))
            for mark, position in placed
            if position is not None
        ]

    def _sign(self, kind: "Mark | str") -> str:
        return mark_sign(kind, ascii_only=self._marker == "ascii")  # type: ignore[arg-type]

    def _in_words(self, value: float) -> str:
        return _NUMBERS.get(self.metric, _significant)(value)


def _significant(value: float | None) -> str:
    return "?" if value is None else format_number(value)


def _opened(shown: Extent) -> Extent | None:
    """A range that has a length; a single point gets the range that plotting it alone would have."""
    return shown if shown[1] > shown[0] else None
