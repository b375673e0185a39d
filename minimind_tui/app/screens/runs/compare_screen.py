"""Several runs side by side: their curves in one chart, their numbers and differing settings in a table below."""

import time
from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.timer import Timer

from engine.language import _
from engine.run.folder import RunFolder
from engine.run.view import RunView
from minimind_tui.app.base_screen import BaseScreen
from minimind_tui.app.bindings import bindings_of
from minimind_tui.app.guarding import guarded
from minimind_tui.app.screens.runs.compare_tables import comparison_lines
from minimind_tui.app.texts import PlainText
from minimind_tui.app.widgets.overlay_chart import OverlayChart, looks_of
from minimind_tui.core.chart_state import ChartState
from minimind_tui.core.comparison import Compared, Comparison, compare, read_compared
from minimind_tui.core.run_index import read_entry

METRICS = ("loss", "perplexity", "bits_per_byte", "lr", "grad_norm", "tokens_per_s")
SLICE_SECONDS = 0.05
"""How long one look reads at most, over all runs."""

_BREATH = 0.01
_ANSI_STYLES = {name: f"ansi_{name}" for name in ("cyan", "green", "red", "magenta", "blue")} | {
    "orange": "ansi_yellow"
}
_ENDED_SECONDS = 2.0


class CompareScreen(BaseScreen):
    """Some runs, live or past."""

    BINDINGS = bindings_of("compare")
    CSS_PATH = "compare.tcss"

    def __init__(self, folders: Sequence[RunFolder]) -> None:
        super().__init__()
        self.charts = ChartState()
        self.metric = METRICS[0]
        self.comparison: Comparison | None = None
        self._views = [RunView(folder) for folder in folders]
        self._runs: list[Compared] = []
        self._looked_at = float("-inf")
        self._follow_up: Timer | None = None

    # -- composing

    def title_words(self) -> str:
        return _("Compare {n} runs").format(n=len(self._views))

    def compose_body(self) -> ComposeResult:
        yield OverlayChart(self.metric, self.charts, title=metric_title(self.metric))
        with VerticalScroll(id="compare-tables", classes="panel"):
            yield PlainText(id="compare-text")

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _theme: self._show_tables())  # signs have its colours
        self.look(everything=True)
        self.set_interval(self.minimind.preferences.refresh_seconds, self._tick, name="look at the runs")

    async def relanguage(self) -> None:
        focused = self.focused.id if self.focused is not None else None
        await super().relanguage()
        self.look(everything=True)
        self.call_after_refresh(self._show_tables)  # only then it is known how wide they are
        self.query_one("#compare-tables" if focused == "compare-tables" else OverlayChart).focus()

    def on_resize(self) -> None:
        self.call_after_refresh(self._show_tables)

    # -- looking

    def _tick(self) -> None:
        live = any(view.observation.is_live for view in self._views)
        if live or time.monotonic() - self._looked_at >= _ENDED_SECONDS:
            self.look()

    def look(self, *, everything: bool = False) -> None:
        """Read what is new of each run and show it; a failure is told and the screen lives on."""
        with guarded(self, _("Looking at the runs failed")):
            self._looked_at = time.monotonic()
            changed = [view.poll(SLICE_SECONDS / len(self._views)) for view in self._views]
            if not all(view.caught_up or view.problem for view in self._views):
                if self._follow_up is None:
                    self._follow_up = self.set_timer(_BREATH, self._go_on, name="read on")
            elif any(changed) or everything or not self._runs:
                self._show()

    def _go_on(self) -> None:
        self._follow_up = None
        self.look(everything=True)

    def _show(self) -> None:
        self._runs = [read_compared(read_entry(view.folder), view) for view in self._views]
        self.comparison = compare(self._runs)
        self.query_one(OverlayChart).feed([(run.name, run.view) for run in self._runs])
        self._show_tables()

    def _show_tables(self) -> None:
        if self.comparison is None or not self.query("#compare-text"):
            return
        panel = self.query_one("#compare-tables")
        panel.border_title = Content(_("Numbers and settings"))
        parts = [_("settings that differ: {n}").format(n=len(self.comparison.differing))]
        if any(row.best for row in self.comparison.numbers):
            parts.append(_("* the best"))
        panel.border_subtitle = Content(" · ".join(parts))
        width = max(24, panel.scrollable_content_region.width)
        lines = comparison_lines(self.comparison, self._signs(), width)
        self.query_one("#compare-text", PlainText).show(Content("\n").join(lines))

    def _signs(self) -> list[tuple[str, str]]:
        """What stands for each run in the chart's legend, with its style."""
        looks = looks_of([view.folder.id for view in self._views])
        inks = self.query_one(OverlayChart).inks
        signs = []
        for view in self._views:
            number = looks[view.folder.id]
            colour = inks.lines[number % len(inks.lines)]
            style = (
                f"rgb({','.join(map(str, colour))})" if isinstance(colour, tuple) else _ANSI_STYLES.get(str(colour), "")
            )
            signs.append((inks.legend_mark(number), style))
        return signs

    def action_cycle_metric(self) -> None:
        """The next metric."""
        self.metric = METRICS[(METRICS.index(self.metric) + 1) % len(METRICS)]
        self.query_one(OverlayChart).show_metric(self.metric, metric_title(self.metric))


def metric_title(metric: str) -> str:
    """What a chart of a metric is called."""
    return {
        "loss": _("Loss"),
        "perplexity": _("Perplexity of the validation"),
        "bits_per_byte": _("Bits per byte of the validation"),
        "lr": _("Learning rate"),
        "grad_norm": _("Gradient norm"),
        "tokens_per_s": _("Tokens/s"),
    }[metric]
