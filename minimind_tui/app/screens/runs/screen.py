"""The runs browser: every run of the workspace as a table that is filtered, ordered, marked, and told in full."""

import time
from collections.abc import Callable
from functools import partial

from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Input
from textual.worker import Worker, WorkerState

from engine.language import _
from engine.run.folder import RunFolder
from minimind_tui import words
from minimind_tui.app.bindings import bindings_of
from minimind_tui.app.guarding import tell_error
from minimind_tui.app.screens.runs.deeds import DeedsScreen
from minimind_tui.app.screens.runs.detail_pane import DetailPane
from minimind_tui.app.screens.runs.filter_bar import FilterBar, FilterInput
from minimind_tui.app.screens.runs.run_list import RunList
from minimind_tui.app.texts import PlainText, styled
from minimind_tui.core.run_detail import DetailReader, RunDetail
from minimind_tui.core.run_extras import RunExtras
from minimind_tui.core.run_facts import RunRow
from minimind_tui.core.run_filter import RunFilter
from minimind_tui.core.run_index import RunEntry
from minimind_tui.core.run_table import Order, chosen_order, next_order, order_words, ordered

_BESIDE, _BELOW = 118, 20
"""Columns from which the pane of the run stands beside the list, lines from which it can stand below it."""

_AGE_SECONDS = 30.0
_BREATH = 0.05
_PAUSE = 0.08
_FILL_SECONDS = 0.3


class RunsScreen(DeedsScreen):
    """Every run of the workspace."""

    BINDINGS = bindings_of("runs")
    CSS_PATH = "runs.tcss"
    AUTO_FOCUS = "RunList"

    def __init__(self) -> None:
        super().__init__()
        self.run_filter = RunFilter()
        self.order = Order()
        self.rows: list[RunRow] = []
        """The rows that are listed, in their order."""
        self._every: list[RunRow] = []
        self._listed_from: tuple[RunFilter, Order] | None = None
        self._filter_text = ""
        self._details_wanted: bool | None = None
        """Whether the pane of the run was asked for or sent away; None: as there is room."""
        self._extras = RunExtras()
        self._reader = DetailReader()
        self._detail: RunDetail | None = None
        self._detail_of: RunEntry | None = None
        self._catch_up: Timer | None = None
        self._pause: Timer | None = None

    # -- composing

    def title_words(self) -> str:
        return _("Runs")

    def compose_body(self) -> ComposeResult:
        with Container(id="runs-body"):
            with Vertical(id="runs-list", classes="panel"):
                yield FilterBar(self._filter_text)
                yield RunList()
                yield PlainText(id="runs-empty")
            yield DetailPane()
        yield PlainText(id="runs-message")

    def on_mount(self) -> None:
        self.runs_changed()
        self.set_interval(_AGE_SECONDS, self.runs_changed, name="ages")

    def on_resize(self) -> None:
        self._place_details()
        self.call_after_refresh(self.runs_changed)

    async def relanguage(self) -> None:
        selected = self.selected
        focused = isinstance(self.focused, Input)
        await super().relanguage()
        self._detail_of = None
        self.minimind.index.poll()
        self._place_details()
        self.runs_changed()
        if selected is not None:
            self.run_list.select(selected.key)
        (self.query_one(FilterInput) if focused else self.run_list).focus()

    # -- what is shown

    @property
    def run_list(self) -> RunList:
        """The table."""
        return self.query_one(RunList)

    @property
    def selected(self) -> RunRow | None:
        """The run under the cursor."""
        found = self.query(RunList)
        return found.first().selected if found else None

    def every_row(self) -> list[RunRow]:
        """All runs, also those the filter hides."""
        return self._every

    def select(self, folder: RunFolder) -> None:
        """Put the cursor on a run, if it is listed."""
        self.run_list.select(folder.id)

    def runs_changed(self) -> None:
        """List the runs as the index knows them now."""
        if self.in_pieces or not self.query(RunList):
            return
        index = self.minimind.index
        every = self._extras.rows(index.entries, time.time())
        listed_from = (self.run_filter, self.order)
        if listed_from != self._listed_from or every != self._every:
            self._listed_from, self._every = listed_from, every
            self.marked &= {row.key for row in every}
            self.rows = ordered([row for row in every if self.run_filter.matches(row)], self.order)
        waiting = sum(map(self.run_filter.waits_for, every)) if self.run_filter.terms else 0
        self.run_list.show(self.rows, self.marked, self.order)
        self._show_titles(len(every), waiting)
        self._show_empty(len(every), waiting)
        self._show_details()
        self._fill()
        if not index.caught_up and self._catch_up is None:
            self._catch_up = self.set_timer(_BREATH, self._go_on, name="catch up")

    def _go_on(self) -> None:
        self._catch_up = None
        self.minimind.index.poll()
        self.runs_changed()

    def _show_titles(self, every: int, waiting: int) -> None:
        panel = self.query_one("#runs-list")
        shown = (
            f"{len(self.rows):,}"
            if len(self.rows) == every
            else _("{n} of {all}").format(n=f"{len(self.rows):,}", all=f"{every:,}")
        )
        panel.border_title = Content(f"{_('Runs')} {shown}")
        parts = [order_words(self.order)] if self.rows else []
        if self.marked:
            parts.insert(0, _("{n} marked").format(n=len(self.marked)))
        live = len(self.minimind.index.live)
        if live:
            parts.insert(0, _("{n} live").format(n=live))
        if waiting or not self.minimind.index.caught_up:
            parts.insert(0, _("still reading"))
        panel.border_subtitle = Content(" · ".join(parts))

    def _show_empty(self, every: int, waiting: int) -> None:
        nothing = not self.rows and not waiting and self.minimind.index.caught_up
        self.query_one("#runs-list").set_class(nothing, "-empty")
        if not nothing:
            return
        folder = f"{words.short_path(self.minimind.index.runs_dir)}/"
        if every:
            text = styled(
                _("No run fits this filter."),
                "\n\n",
                (_("/ changes it, escape in it takes it away."), "$quiet"),
            )
        else:
            text = styled(
                (_("No runs in {folder} yet.").format(folder=folder), "bold"),
                "\n\n",
                _("f3 sets up a run: a preset, your data, what it costs."),
                "\n",
                _("f2 goes home, where m starts the smoke test: about two minutes."),
                "\n",
                _("Runs of another folder are listed when minimind-tui is started there."),
            )
        self.query_one("#runs-empty", PlainText).show(text)

    # -- the run under the cursor

    def _place_details(self) -> None:
        width, height = self.size
        beside = width >= _BESIDE
        wanted = beside if self._details_wanted is None else self._details_wanted
        self.set_class(wanted and beside, "-beside")
        self.set_class(wanted and not beside and height >= _BELOW, "-below")

    @property
    def _details_shown(self) -> bool:
        return self.has_class("-beside") or self.has_class("-below")

    def _show_details(self) -> None:
        """Tell of the run under the cursor: in a line, or in the pane once everything has been read."""
        if self.in_pieces:
            return  # who puts them together again shows them
        row = self.selected
        if not self._details_shown:
            message = "" if row is None else row.entry.problem or row.entry.seen.message
            self.query_one("#runs-message", PlainText).show(" ".join(message.split()))
            return
        if row is None or (self._detail is not None and self._detail.key == row.key):
            self.query_one(DetailPane).show(row, self._detail)
        if row is not None and (self._detail_of is not row.entry or not self._caught_up):
            self._read_detail(row.entry)

    @property
    def _caught_up(self) -> bool:
        return self._detail is None or self._detail.caught_up

    def _read_detail(self, entry: RunEntry) -> None:
        if self._is_busy("detail"):
            return  # when it has been read, what is under the cursor then is read
        self._detail_of = entry
        self._read_aside("detail", partial(self._reader.read, entry, self.minimind.index.entries))

    def _fill(self) -> None:
        """Read settings and sizes aside: of the runs that are listed first."""
        if self._is_busy("fill"):
            return
        missing = self._extras.missing(self.minimind.index.entries)
        if missing and len(self.rows) < len(self._every):
            listed = {row.key for row in self.rows}
            missing.sort(key=lambda entry: entry.id not in listed)
        if missing:
            self._read_aside("fill", partial(self._extras.fill, missing, _FILL_SECONDS, lambda: not self.is_running))

    def _read_aside(self, name: str, read: Callable[[], object]) -> None:
        """Read in a thread. Textual writes out what it is given, for its log: of thousands of runs that took longer
        than reading them, so it is given a description of its own.
        """
        self.run_worker(read, name=name, group=name, description=name, thread=True, exit_on_error=False)

    def _is_busy(self, name: str) -> bool:
        return any(worker.node is self and worker.name == name and not worker.is_finished for worker in self.workers)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """What was read aside; Textual gives the deeds their own to `DeedsScreen`, whose handler it calls as well."""
        name = event.worker.name
        if name not in ("detail", "fill"):
            return
        event.stop()
        if event.state is WorkerState.SUCCESS:
            if name == "detail":
                self._detail = event.worker.result
                self.call_later(self._show_details)
            else:
                self.call_later(self.runs_changed)
        elif event.state is WorkerState.ERROR:
            tell_error(self, _("Reading the runs failed"), event.worker.error)

    # -- moving, marking, ordering, filtering

    def on_run_list_moved(self) -> None:
        if not self._details_shown:
            self._show_details()
        elif self._pause is None:  # who runs through the list is not held up by the pane
            self._pause = self.set_timer(_PAUSE, self._rested, name="rest")
        else:
            self._pause.reset()

    def _rested(self) -> None:
        self._pause = None
        self._show_details()

    def on_run_list_opened(self) -> None:
        self.action_open_run()

    def on_run_list_ordered(self, event: RunList.Ordered) -> None:
        self._order_by(chosen_order(self.order, event.key))

    def on_run_list_marked(self, event: RunList.Marked) -> None:
        self._toggle_mark(event.key)

    def action_sort(self) -> None:
        """By the next column."""
        self._order_by(next_order(self.order, self.run_list.shown_columns))

    def action_reverse(self) -> None:
        """The other way round."""
        self._order_by(Order(self.order.key, not self.order.reverse))

    def _order_by(self, order: Order) -> None:
        self.order = order
        self.runs_changed()

    def action_mark(self) -> None:
        """Mark or unmark the run, and go to the next."""
        row = self.selected
        if row is not None:
            self._toggle_mark(row.key)
            self.run_list.action_move(1)

    def _toggle_mark(self, key: str) -> None:
        self.marked ^= {key}
        self.runs_changed()

    def action_mark_all(self) -> None:
        """Mark every run that is listed; when all are, none."""
        listed = {row.key for row in self.rows}
        self.marked = self.marked - listed if listed <= self.marked else self.marked | listed
        self.runs_changed()

    def action_filter(self) -> None:
        """Type a filter."""
        self.query_one(FilterBar).open()

    def on_filter_bar_changed(self, event: FilterBar.Changed) -> None:
        self._filter_text = event.run_filter.text
        self.run_filter = event.run_filter
        self.runs_changed()

    def on_filter_input_left(self) -> None:
        self.run_list.focus()

    def action_details(self) -> None:
        """Show or hide everything about the run."""
        self._details_wanted = not self._details_shown
        self._place_details()
        self.call_after_refresh(self.runs_changed)
