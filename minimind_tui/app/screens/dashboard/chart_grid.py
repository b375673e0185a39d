"""The four charts of a run: the loss first, the others refreshed more slowly while nobody looks at them."""

from textual.app import ComposeResult
from textual.containers import Container

from engine.language import _
from engine.run.view import RunView
from minimind_tui.app.widgets.metric_chart import MetricChart
from minimind_tui.core.chart_state import ChartState

_SLOWLY_SECONDS = 4.0
"""How often a chart is drawn that is neither the loss nor in focus."""

_YOUNG = 100
"""Log intervals below which every chart is drawn at once: it is quickly done, and one waits for something to see."""


class ChartGrid(Container):
    """Lays the charts out by the screen's size (dashboard.tcss) and feeds those that are seen."""

    def __init__(self, state: ChartState) -> None:
        super().__init__(id="dash-charts")
        self._state = state
        self._fed: dict[str, tuple[int, float]] = {}
        """Of each chart the view's version it was fed, and when."""

    def compose(self) -> ComposeResult:
        for metric, title in (
            ("loss", _("Loss")),
            ("lr", _("LR")),
            ("grad_norm", _("Grad norm")),
            ("tokens_per_s", _("Tokens/s")),
        ):
            chart = MetricChart(metric, self._state, title=title)
            chart.id = f"chart-{metric}"
            yield chart

    @property
    def loss(self) -> MetricChart:
        """The chart of the loss."""
        return self.query_one("#chart-loss", MetricChart)

    def feed(self, view: RunView, now: float, *, all_at_once: bool = False) -> None:
        """Give the charts what is new. `now` is on a clock that only grows, in seconds."""
        maximized = self.screen.maximized
        young = len(view.train) < _YOUNG
        for chart in self.query(MetricChart):
            if maximized is not None and chart is not maximized:
                continue
            version, when = self._fed.get(chart.metric, (-1, float("-inf")))
            looked_at = chart.metric == "loss" or chart.has_focus or chart is maximized
            due = version != view.version and (looked_at or young or now - when >= _SLOWLY_SECONDS)
            if due or all_at_once:
                self._fed[chart.metric] = (view.version, now)
                chart.feed(view)
