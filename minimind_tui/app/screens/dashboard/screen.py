"""The dashboard's screen: follows one run's folder and shows what there is of it."""

import time
from datetime import datetime
from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Container
from textual.timer import Timer

from engine.errors import UserError
from engine.language import _
from engine.run.annotations import read_annotations
from engine.run.folder import RunFolder
from engine.run.observe import Observation
from engine.run.schema import ENDED_STATES, Manifest, State
from engine.run.trainer_log import last_lines
from minimind_tui.app.bindings import bindings_of
from minimind_tui.app.guarding import describe, tell
from minimind_tui.app.screens.dashboard.banner_panel import BannerPanel
from minimind_tui.app.screens.dashboard.chart_grid import ChartGrid
from minimind_tui.app.screens.dashboard.numbers_panel import NumbersPanel
from minimind_tui.app.screens.dashboard.panes import HappeningsPane, LogPane, SettingsPane
from minimind_tui.app.screens.dashboard.progress_line import ProgressLine
from minimind_tui.app.screens.dashboard.samples_pane import SamplesPane
from minimind_tui.app.screens.dashboard.tab_strip import TabStrip
from minimind_tui.app.screens.dashboard.tabbing import TabbedScreen
from minimind_tui.app.texts import PlainText
from minimind_tui.charts.numbers import recent
from minimind_tui.core.chart_state import ChartState
from minimind_tui.core.dashboard.banner import banner_of
from minimind_tui.core.dashboard.happenings import happening_line, happening_lines
from minimind_tui.core.dashboard.log_tail import LogTail
from minimind_tui.core.dashboard.numbers import numbers_of
from minimind_tui.core.dashboard.progress import local_now, progress_of
from minimind_tui.core.dashboard.requests import request_words
from minimind_tui.core.dashboard.samples import sample_pages
from minimind_tui.core.experts import ExpertWatch
from minimind_tui.core.ranks import RankWatch
from minimind_tui.safe_text import one_line

SLICE_SECONDS = 0.1
"""How long one look reads at most; what is left is read a moment later, so that keys stay alive."""

_BREATH = 0.01
_ENDED_SECONDS = 2.0
"""How often a run that has ended is looked at: somebody may resume it elsewhere."""

_NOTICE_SECONDS = 20.0


class DashboardScreen(TabbedScreen):
    """One run, live or past. Any number of these can look at a run; none can hurt it."""

    BINDINGS = bindings_of("dashboard")
    CSS_PATH = "dashboard.tcss"
    AUTO_FOCUS = ""  # the footer shows the run's keys first; `1` and tab lead to the charts and theirs
    HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (56, "-narrow"), (100, "-normal"), (160, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-lowest"), (15, "-short"), (32, "-tall")]

    def __init__(self, folder: RunFolder) -> None:
        super().__init__(folder)
        self.charts = ChartState()
        self.log_tail = LogTail(folder)
        self._manifest: Manifest | None = None
        self._there = True
        self._last_log: list[str] = []
        self._weights: Path | None = None
        self._known: tuple[object, ...] = ()
        """What the things that seldom change were made from."""
        self._shown: dict[str, object] = {}
        """What each pane was last filled from."""
        self._experts = ExpertWatch()
        self._ranks = RankWatch()
        self._heard = (-1, 0)
        """Events whose loud ones were told, and the rewinds then; what was there at first is told to nobody."""
        self._looked_at = float("-inf")
        self._failure = ""
        self._timer: Timer | None = None
        self._follow_up: Timer | None = None

    # -- composing

    def title_words(self) -> str:
        return one_line(read_annotations(self.folder).title or self.folder.id)

    def compose_body(self) -> ComposeResult:
        yield ProgressLine()
        yield BannerPanel()
        yield PlainText(id="dash-notice")
        with Container(id="dash-body"):
            with Container(id="dash-curves"):
                yield ChartGrid(self.charts)
                yield NumbersPanel()
            yield TabStrip()
            with Container(id="dash-below"):
                yield SamplesPane()
                yield SettingsPane()
                yield LogPane()
                yield from self.rare_panes()
                yield HappeningsPane()

    def on_mount(self) -> None:
        self._show_tab()
        self.look()
        self._timer = self.set_interval(self.minimind.preferences.refresh_seconds, self._tick, name="look at the run")

    async def relanguage(self) -> None:
        await super().relanguage()
        self._known, self._shown = (), {}
        self._show_tab()
        self.look(everything=True)

    def on_resize(self) -> None:
        self.call_after_refresh(self._fit)

    def _fit(self) -> None:
        """The terminal has another size: what is seen may be something else."""
        self._show_tab()
        self.query_one(BannerPanel).fit()
        self.look()

    # -- looking

    def on_screen_suspend(self) -> None:
        if self._timer is not None:
            self._timer.pause()

    def on_screen_resume(self) -> None:
        if self._timer is not None:
            self._timer.resume()
            self.look()

    def _tick(self) -> None:
        """The timer's look; a run that has ended is looked at seldom."""
        ended = self.view.observation.state in ENDED_STATES and self.view.caught_up
        if ended and time.monotonic() - self._looked_at < _ENDED_SECONDS:
            return
        self.look()

    def look(self, *, everything: bool = False) -> None:
        """Read what is new and show it. A failure is told once and the screen lives on."""
        if not self.is_mounted or (self._follow_up is not None and not everything):
            return  # the next look comes in a moment
        self._looked_at = time.monotonic()
        try:
            self._look(everything)
            self._failure = ""
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            if said != self._failure:
                self._failure = said
                words = describe(error) if not isinstance(error, UserError) else str(error)
                tell(self, _("Looking at the run failed") + ": " + words, severity="error")

    def _look(self, everything: bool) -> None:
        self._there = self.folder.path.is_dir()
        if self._there:
            self.view.poll(SLICE_SECONDS)
            if not self.view.caught_up and not self.view.problem and self._follow_up is None:
                self._follow_up = self.set_timer(_BREATH, self._go_on)
        seen = self.view.observation
        self._look_at_rest(seen)
        experts, ranks = self._experts.look(self.view.train), self._ranks.look(self.view.train)
        self.offer_tabs(experts=experts is not None, ranks=seen.status is not None and seen.status.world_size > 1)
        now = local_now()
        self.query_one(ProgressLine).show(progress_of(seen, now))
        if not self.view.caught_up and not self.view.problem:
            return  # the numbers of half a history would only flicker
        self._hear(now)
        self.query_one(NumbersPanel).show(numbers_of(self.view, self._manifest, now, experts=experts, ranks=ranks))
        if self.query_one("#dash-curves").display:
            self.query_one(ChartGrid).feed(self.view, time.monotonic(), all_at_once=everything)
        self._show_panes(now)
        self._show_notice()

    def _go_on(self) -> None:
        self._follow_up = None
        self.look()

    # -- what seldom changes

    def _look_at_rest(self, seen: Observation) -> None:
        """The manifest, the banner, the keys: made anew when the run's state is another."""
        status = seen.status
        known = (
            seen.state,
            seen.message if seen.state is not State.RUNNING else "",
            None if status is None else (status.attempt, status.phase in (None, "training"), status.last_checkpoint),
            self._there,
            self.view.problem,
            self._statement,
        )
        if known == self._known:
            return
        fresh = not self._known or self._known[:3] != known[:3]
        self._known = known
        if fresh:
            self._read_rest(seen)
        self.query_one(BannerPanel).show(
            banner_of(
                self.folder,
                seen,
                there=self._there,
                log_problem=self.view.problem,
                statement=self._statement_lines(seen),
                resumable=self._statement.possible if self._statement else None,
                last_log=self._last_log,
                weights=self._weights,
            )
        )
        self.refresh_bindings()

    def _statement_lines(self, seen: Observation) -> list[str]:
        """What a resume would be; from which step a crashed run goes on, its own message says already."""
        statement = self._statement
        if statement is None:
            return []
        lines = statement.lines()
        said = seen.state is State.CRASHED and statement.possible and statement.step > 0
        return lines[1:] if said else lines

    def _read_rest(self, seen: Observation) -> None:
        try:
            self._manifest = self.folder.read_manifest()
        except UserError:
            self._manifest = None
        ended = seen.state in ENDED_STATES
        attempts = self._manifest.attempts if self._manifest is not None else []
        offset = attempts[-1].log_offset if attempts else 0
        self._last_log = last_lines(self.folder.trainer_log, offset) if ended else []
        self._weights = next(iter(sorted(self.folder.weights.glob("*.safetensors"))), None)
        self.judge_resume()

    # -- tabs

    def _show_panes(self, now: datetime) -> None:
        """Fill the panes that are seen, each only when what it shows is new."""
        events = self.view.events
        state = (len(events), self.view.rewinds, self.view.bad_lines)
        for pane in self._panes:
            if pane == "log":
                news = self.log_tail.poll()
                if news or pane not in self._shown:
                    self.query_one(LogPane).show(self.log_tail)
                self._shown[pane] = None
            elif pane == "settings":
                if pane not in self._shown:
                    self._shown[pane] = None
                    self._show_settings()
            elif pane in ("experts", "ranks"):
                self._show_lists(pane)
            elif self._shown.get(pane) != state:
                self._shown[pane] = state
                if pane == "samples":
                    self.query_one(SamplesPane).show(sample_pages(events))
                else:
                    self.query_one(HappeningsPane).show(*happening_lines(events, now), self.view.bad_lines)

    def _show_settings(self) -> None:
        from minimind_tui.core.dashboard.settings_table import settings_table  # it reads TOML, which nobody may want

        self.query_one(SettingsPane).show(settings_table(self.folder))

    def _show_lists(self, pane: str) -> None:
        """The experts or the ranks, when another interval has told of them."""
        from minimind_tui.app.screens.dashboard.experts_pane import ExpertsPane  # few runs have them
        from minimind_tui.app.screens.dashboard.ranks_pane import RanksPane

        train, status = self.view.train, self.view.observation.status
        experts, ranks = self._experts.look(train), self._ranks.look(train)
        look: object = experts if pane == "experts" else (ranks, 1 if status is None else status.world_size)
        if pane in self._shown and self._shown[pane] == look:
            return
        self._shown[pane] = look
        if pane == "ranks":
            self.query_one(RanksPane).show(ranks, 1 if status is None else status.world_size)
        elif experts is not None:
            self.query_one(ExpertsPane).show(experts, list(train.lists), recent(train.column("aux_loss")))

    # -- what must not be overlooked

    def _hear(self, now: datetime) -> None:
        """Tell what is loud among new happenings, and how requests were answered."""
        events, rewinds = self.view.events, self.view.rewinds
        known, as_of = self._heard
        self._heard = (len(events), rewinds)
        for asked in self.requests.look(events, self.view.observation):
            self.answered(asked)
        if known < 0 or as_of != rewinds:
            return
        for event in events[known:]:
            line = None if event.get("kind") == "control" else happening_line(event, now)
            if line is not None and line.loud:
                tell(self, line.text, severity="warning")

    def _show_notice(self) -> None:
        """The newest request and its answer, for a while."""
        notice, asked, now = self.query_one("#dash-notice", PlainText), self.requests.latest, time.monotonic()
        shown = asked is not None and (asked.outcome == "sent" or now - self._answered_at < _NOTICE_SECONDS)
        notice.set_class(shown, "-shown")
        if asked is not None and shown:
            notice.set_class(asked.outcome in ("refused", "lost"), "-refused")
            notice.show(request_words(asked, now))
