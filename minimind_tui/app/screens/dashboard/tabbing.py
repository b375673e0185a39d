"""The dashboard's tabs: which there are, which one is shown, and the keys that lead to them and about in them."""

from textual.widget import Widget

from engine.language import _
from engine.run.folder import RunFolder
from minimind_tui.app.screens.dashboard.chart_grid import ChartGrid
from minimind_tui.app.screens.dashboard.panes import HappeningsPane
from minimind_tui.app.screens.dashboard.samples_pane import SamplesPane
from minimind_tui.app.screens.dashboard.steering import SteeredScreen
from minimind_tui.app.screens.dashboard.tab_strip import TabStrip

TABS = ("curves", "samples", "events", "settings", "log", "experts", "ranks")
"""Each is shown by the key of its place. The last two are there for runs with experts, and with several processes."""

_ALWAYS: tuple[str, ...] = TABS[:5]
_NEEDED = {
    "show_experts": "experts",
    "experts_over_time": "experts",
    "next_layer": "experts",
    "previous_layer": "experts",
    "show_ranks": "ranks",
}
"""Actions that need a tab not every run has."""


class TabbedScreen(SteeredScreen):
    """The tabs of a dashboard. Subclasses compose them and fill their panes."""

    def __init__(self, folder: RunFolder) -> None:
        super().__init__(folder)
        self.tabs = _ALWAYS
        """The tabs this run has."""
        self._tab = ""
        """The chosen tab; empty until one is chosen: the curves on a small screen, the samples below them else."""

    @property
    def tab(self) -> str:
        """The tab that is shown: on a large screen the curves are seen above the others as well."""
        return self._tab if self._tab in self.tabs else "samples" if self.has_class("-tall") else "curves"

    def offer_tabs(self, *, experts: bool, ranks: bool) -> None:
        """Which of the tabs that few runs have there are. Their panes are made when they are first wanted."""
        wanted = {"experts": experts, "ranks": ranks}
        tabs = tuple(tab for tab in TABS if wanted.get(tab, True))
        if tabs == self.tabs:
            return
        self.tabs = tabs
        for pane in self.rare_panes():
            if not self.query(f"#{pane.id}"):
                self.query_one("#dash-below").mount(pane, before="#pane-events")
        self._show_tab()
        self.refresh_bindings()

    def rare_panes(self) -> list[Widget]:
        """New panes for those of the run's tabs that few runs have; what draws them is imported for these alone."""
        panes: list[Widget] = []
        if "experts" in self.tabs:
            from minimind_tui.app.screens.dashboard.experts_pane import ExpertsPane

            panes.append(ExpertsPane())
        if "ranks" in self.tabs:
            from minimind_tui.app.screens.dashboard.ranks_pane import RanksPane

            panes.append(RanksPane())
        return panes

    def show_tab(self, tab: str) -> None:
        """Show a tab and put the keys there."""
        if tab not in self.tabs:
            return
        self._tab = tab
        self._show_tab()
        if tab == "curves":
            self.query_one(ChartGrid).loss.focus()
        elif tab == "samples":
            self.query_one("#sample-steps").focus()
        else:
            self.query_one(f"#pane-{tab}").focus()
        self.look(everything=tab == "curves")

    def _show_tab(self) -> None:
        tab = self.tab
        body = self.query_one("#dash-body")
        body.set_class(tab == "curves", "-curves")
        body.set_class(tab != "curves", "-other")
        body.set_class(tab in ("experts", "ranks"), "-even")
        self.query_one(TabStrip).show([(name, str(TABS.index(name) + 1), _tab_word(name)) for name in self.tabs], tab)
        for pane in self.query("#dash-below > .pane"):
            pane.display = str(pane.id).removeprefix("pane-") in self._panes
        self.query_one(HappeningsPane).set_class(tab != "events", "-beside")

    @property
    def _panes(self) -> tuple[str, ...]:
        """The panes that are seen: on a wide screen the events beside each other one."""
        tab = self.tab
        if tab == "curves":
            return ()
        return (tab,) if tab == "events" or not self.has_class("-wide") else (tab, "events")

    def on_tab_strip_chosen(self, event: TabStrip.Chosen) -> None:
        self.show_tab(event.tab)

    def action_show_curves(self) -> None:
        """The curves and numbers."""
        self.show_tab("curves")

    def action_show_samples(self) -> None:
        """What the model wrote over time."""
        self.show_tab("samples")

    def action_show_events(self) -> None:
        """What happened."""
        self.show_tab("events")

    def action_show_settings(self) -> None:
        """The settings."""
        self.show_tab("settings")

    def action_show_log(self) -> None:
        """The end of trainer.log."""
        self.show_tab("log")

    def action_show_experts(self) -> None:
        """How the experts are used."""
        self.show_tab("experts")

    def action_show_ranks(self) -> None:
        """How the processes keep pace."""
        self.show_tab("ranks")

    def action_next_tab(self) -> None:
        """The next tab."""
        self.show_tab(self.tabs[(self.tabs.index(self.tab) + 1) % len(self.tabs)])

    def action_previous_tab(self) -> None:
        """The tab before."""
        self.show_tab(self.tabs[self.tabs.index(self.tab) - 1])

    def action_experts_over_time(self) -> None:
        """One layer's experts over time, or all layers now."""
        self._turn_experts(0)

    def action_next_layer(self) -> None:
        """The next layer's experts over time."""
        self._turn_experts(1)

    def action_previous_layer(self) -> None:
        """The layer before, over time."""
        self._turn_experts(-1)

    def _turn_experts(self, by: int) -> None:
        from minimind_tui.app.screens.dashboard.experts_pane import ExpertsPane

        if self.tab != "experts":
            self.show_tab("experts")
        pane = self.query_one(ExpertsPane)
        pane.turn_layers(by) if by else pane.toggle_course()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        needed = _NEEDED.get(action)
        return super().check_action(action, parameters) if needed is None or needed in self.tabs else False

    def action_earlier_sample(self) -> None:
        """What the model wrote before."""
        self._turn_samples(1)

    def action_later_sample(self) -> None:
        """What it wrote after."""
        self._turn_samples(-1)

    def _turn_samples(self, by: int) -> None:
        if self.tab != "samples":
            self.show_tab("samples")
        self.query_one(SamplesPane).earlier(by)


def _tab_word(tab: str) -> str:
    return {
        "curves": _("Curves"),
        "samples": _("Samples"),
        "events": _("Events"),
        "settings": _("Settings"),
        "log": _("Log"),
        "experts": _("Experts"),
        "ranks": _("Ranks"),
    }[tab]
