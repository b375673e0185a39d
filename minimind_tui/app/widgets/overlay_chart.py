"""One metric of several runs in one chart."""

import zlib
from collections.abc import Sequence
from dataclasses import replace

from textual.content import Content
from textual.visual import VisualType

from engine.language import _
from engine.run.view import RunView
from minimind_tui.app.widgets.metric_chart import ChartKeys
from minimind_tui.charts import Axes, Curve, Inks
from minimind_tui.core.chart_series import MetricSeries
from minimind_tui.core.chart_state import ChartState
from minimind_tui.safe_text import one_line

LOOKS = 6
"""Colours with their symbols; more runs than that share them."""


def looks_of(ids: Sequence[str]) -> dict[str, int]:
    """A look for each run: the one its id asks for, or the next that is free, whatever else is compared beside it."""
    taken: dict[int, str] = {}
    looks: dict[str, int] = {}
    for run_id in sorted(set(ids)):
        wanted = zlib.crc32(run_id.encode()) % LOOKS
        free = next((n % LOOKS for n in range(wanted, wanted + LOOKS) if n % LOOKS not in taken), wanted)
        taken[free] = run_id
        looks[run_id] = free
    return looks


class OverlayChart(ChartKeys):
    """The smoothed curve of each run, in a colour and with a symbol that are the run's own; the legend is below."""

    def __init__(self, metric: str, state: ChartState, *, title: str = "") -> None:
        super().__init__(metric, state, title=title)
        self._runs: list[tuple[str, RunView]] = []
        self._series: dict[str, MetricSeries] = {}
        self._fed: tuple[object, ...] = ()

    def feed(self, runs: Sequence[tuple[str, RunView]]) -> None:
        """Take in the runs to compare, each with its label; nothing happens when nothing is new."""
        version = tuple((label, view.folder.id, view.version, view.rewinds) for label, view in runs)
        if version == self._fed:
            return
        self._fed, self._runs = version, list(runs)
        kept = {view.folder.id: self._series.get(view.folder.id) or MetricSeries(self.metric) for _label, view in runs}
        self._series = kept
        for _label, view in runs:
            kept[view.folder.id].update(view)
        self.look_again()

    def show_metric(self, metric: str, title: str) -> None:
        """Compare another metric."""
        self.metric, self.title = metric, title
        self._series = {view.folder.id: MetricSeries(metric) for _label, view in self._runs}
        for _label, view in self._runs:
            self._series[view.folder.id].update(view)
        self.look_again()

    def look_again(self) -> None:
        """Draw anew, titles included."""
        pictures = [self._series[view.folder.id].picture(self.state, 1, raw=False) for _label, view in self._runs]
        extents = [picture.whole for picture in pictures if picture is not None]
        self.whole = (min(low for low, _h in extents), max(high for _l, high in extents)) if extents else None
        self.border_title = Content(one_line(self.title))
        self.border_subtitle = Content(self.state.words(self.metric, self.whole))
        self.refresh()

    @property
    def inks(self) -> Inks:
        """Fine lines, each with its run's symbol."""
        return replace(super().inks, symbols=self.symbols)

    def drawn_from(self) -> object:
        return self._fed, self.metric, self.state.version

    def draw(self, width: int, height: int) -> VisualType:
        looks = looks_of([view.folder.id for _label, view in self._runs])
        curves: list[Curve] = []
        entries: list[Content] = []
        inks = self.inks
        shown = None if self.whole is None else self.state.shown(self.whole)
        for label, view in self._runs:
            number = looks[view.folder.id]
            picture = self._series[view.folder.id].picture(self.state, width, raw=False, whole=self.whole)
            if picture is not None:
                curves += [Curve("", curve.x, curve.y, "line", number) for curve in picture.curves]
            entries.append(_legend(inks.legend_mark(number), inks.lines[number % len(inks.lines)], one_line(label)))
        if not curves:
            return Content(_("nothing logged yet"))
        legend = Content("   ").join(entries)
        rows = min(max(1, -(-legend.cell_length // max(1, width))), max(0, height - 7))
        opened = shown if shown is not None and shown[1] > shown[0] else None
        axes = Axes("", "", self.state.x, log=self.metric in self.state.log, x_range=opened, framed=False)
        drawn = self.plotted(curves, axes, width, height - rows, [], cursor=self.state.cursor)
        return Content("\n").join([_as_content(drawn), legend]) if rows else drawn


def _legend(mark: str, colour: object, label: str) -> Content:
    style = f"rgb({colour[0]},{colour[1]},{colour[2]})" if isinstance(colour, tuple) else f"ansi_{_ansi(str(colour))}"
    return Content.assemble((mark, style), " ", label)


def _ansi(name: str) -> str:
    return {"orange": "yellow"}.get(name, name)


def _as_content(drawn: VisualType) -> Content:
    from rich.text import Text

    return Content.from_rich_text(drawn) if isinstance(drawn, Text) else Content(str(drawn))
