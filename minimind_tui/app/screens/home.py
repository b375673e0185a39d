"""Home: what runs now, recent runs, presets to begin from, what this machine is."""

from functools import partial

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Container, Vertical
from textual.content import Content
from textual.events import Resize
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option
from textual.worker import Worker, WorkerState

from engine.language import _
from engine.run.folder import RunFolder
from minimind_tui.app.base_screen import BaseScreen
from minimind_tui.app.bindings import bindings_of
from minimind_tui.app.dialogs import Choice, ChoiceDialog
from minimind_tui.app.guarding import tell, tell_error
from minimind_tui.app.screens.home_rows import now_content, preset_contents, recent_contents
from minimind_tui.app.texts import PlainText, same_text, styled
from minimind_tui.app.widgets.row_list import RowList
from minimind_tui.core.home import (
    START_PRESET,
    LiveCurves,
    NowRow,
    PresetRow,
    RecentRow,
    machine_words,
    preset_rows,
    recent_rows,
    welcome_lines,
)

_AGE_SECONDS = 30.0
_CATCH_UP_SECONDS = 0.2
_LOW, _LOWEST = 20, 10
"""Fewer lines than these leave out the machine, then all but what runs now."""


class HomeList(RowList):
    """A list whose cursor goes on to the neighbouring list at its ends; rows change in place."""

    BINDINGS = [
        Binding("right", "app.focus_next", show=False),
        Binding("left", "app.focus_previous", show=False),
    ]

    class Resized(Message):
        """The rows have another width now."""

    def on_resize(self, event: Resize) -> None:
        self.post_message(self.Resized())

    def show_rows(self, rows: list[tuple[str, Content]], nothing: str) -> None:
        """Show rows by their ids; only what differs is drawn. `nothing` stands there when there are none."""
        options = [Option(content, id=name) for name, content in rows]
        options = options or [Option(styled((nothing, "$quiet")), disabled=True)]
        shown = self.options
        if [option.id for option in shown] == [option.id for option in options] and rows:
            for index, option in enumerate(options):
                if not same_text(shown[index].prompt, option.prompt):
                    self.replace_option_prompt_at_index(index, option.prompt)
            return
        if [option.prompt for option in shown] == [option.prompt for option in options]:
            return
        chosen = self.chosen
        self.set_options(options)
        names = [name for name, _content in rows]
        if names:
            self.highlighted = names.index(chosen) if chosen in names else 0

    @property
    def chosen(self) -> str | None:
        """The id of the row under the cursor."""
        option = self.highlighted_option
        return None if option is None else option.id

    @property
    def room(self) -> int:
        """Columns of a row."""
        return max(20, self.scrollable_content_region.width)

    def action_cursor_down(self) -> None:
        if self.highlighted is None or self.highlighted >= self.option_count - 1:
            self.screen.focus_next(HomeList)
        else:
            super().action_cursor_down()

    def action_cursor_up(self) -> None:
        if not self.highlighted:
            self.screen.focus_previous(HomeList)
        else:
            super().action_cursor_up()


class HomeScreen(BaseScreen):
    """The first screen."""

    BINDINGS = bindings_of("home")
    CSS_PATH = "home.tcss"

    def __init__(self) -> None:
        super().__init__()
        self._curves = LiveCurves()
        self._now: list[NowRow] = []
        self._recent: list[RecentRow] = []
        self._presets: list[PresetRow] = []
        self._starting = False

    def title_words(self) -> str:
        return _("Home")

    def compose_body(self) -> ComposeResult:
        welcome = PlainText("\n".join(welcome_lines()), id="welcome", classes="panel")
        welcome.border_title = Content(_("Welcome"))
        yield welcome
        with Container(id="home"):
            with Vertical(id="left"):
                yield self._panel("now", _("Running now"))
                yield self._panel("recent", _("Recent runs"))
            with Vertical(id="right"):
                yield self._panel("presets", _("Start from a preset"))
                machine = PlainText("", id="machine", classes="panel")
                machine.border_title = Content(_("This machine"))
                yield machine

    @staticmethod
    def _panel(name: str, title: str) -> HomeList:
        panel = HomeList(id=name, classes="panel")
        panel.border_title = Content(title)
        return panel

    def on_mount(self) -> None:
        self._read()
        self.call_after_refresh(self._begin)
        self.set_interval(_AGE_SECONDS, self.runs_changed, name="ages")

    def _begin(self) -> None:
        self._show()
        self.query_one("#now" if self._now else "#presets", HomeList).focus()

    async def relanguage(self) -> None:
        focused = self.focused.id if self.focused is not None else None
        await super().relanguage()
        self._read()
        self._show()
        if focused:
            self.query_one(f"#{focused}").focus()

    def runs_changed(self) -> None:
        self._read()
        self._show()

    def on_resize(self, event: Resize) -> None:
        self.set_class(event.size.height < _LOW, "-low")
        self.set_class(event.size.height < _LOWEST, "-lowest")

    def on_home_list_resized(self) -> None:
        self._show()

    # -- what is shown

    def _read(self) -> None:
        index = self.minimind.index
        self._now = self._curves.rows(index.live)
        self._recent = recent_rows(index.entries)
        self._presets = preset_rows()
        if not self._curves.caught_up:
            self.set_timer(_CATCH_UP_SECONDS, self.runs_changed, name="catch up")

    def _show(self) -> None:
        """Bring the widgets up to date; what has not changed is not touched."""
        if len(self.query("#welcome, #now, #recent, #presets, #machine")) < 5:
            return  # it is being composed anew
        welcoming = not self.minimind.preferences.welcomed and not self.minimind.index.entries
        self.set_class(welcoming, "-welcoming")
        self.query_one("#welcome").set_class(not welcoming, "gone")
        self.query_one("#left").set_class(welcoming, "gone")
        self._fill("now", [(row.folder.id, now_content(row, self._room("now"))) for row in self._now])
        recent = recent_contents(self._recent, self._room("recent"))
        self._fill("recent", [(row.folder.id, line) for row, line in zip(self._recent, recent, strict=True)])
        presets = preset_contents(self._presets, self._room("presets"))
        self._fill("presets", [(row.name, line) for row, line in zip(self._presets, presets, strict=True)])
        self.query_one("#machine", PlainText).show(self._machine())

    def _room(self, name: str) -> int:
        return self.query_one(f"#{name}", HomeList).room

    def _fill(self, name: str, rows: list[tuple[str, Content]]) -> None:
        nothing = {
            "now": _("Nothing trains. m starts the smoke test."),
            "recent": _("No other runs yet."),
            "presets": _("There are no presets."),
        }[name]
        self.query_one(f"#{name}", HomeList).show_rows(rows, nothing)

    def _machine(self) -> Content:
        facts, problem = self.minimind.device_facts, self.minimind.device_problem
        if problem:
            return styled((problem, "$text-error"))
        if facts is None:
            return styled((_("Probing..."), "$quiet"))
        told = machine_words(facts)
        notes = [styled(("\n" + note, "$quiet")) for note in told.notes]
        return Content.assemble(styled((told.device, "bold"), "\n" + told.dtype), *notes)

    # -- what can be done

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self._open(event.option_list.id or "", event.option_id)

    def action_open_run(self) -> None:
        """Open what is under the cursor: a run's dashboard, a preset in the wizard."""
        focused = self.focused
        if isinstance(focused, HomeList):
            self._open(focused.id or "", focused.chosen)

    def _open(self, panel: str, chosen: str | None) -> None:
        if chosen is None:
            return
        if panel == "presets":
            self._welcomed()
            self.minimind.open_wizard(preset=chosen)
            return
        rows: list[NowRow] | list[RecentRow] = self._now if panel == "now" else self._recent
        for row in rows:
            if row.folder.id == chosen:
                self.minimind.open_run(row.folder)
                return

    def action_new_run(self) -> None:
        """Set up a new run, where it was left."""
        self._welcomed()
        self.minimind.action_show_wizard()

    def action_runs(self) -> None:
        """The runs browser."""
        self.minimind.action_show_runs()

    def action_playground(self) -> None:
        """The playground."""
        self.minimind.action_show_playground()

    def action_preferences(self) -> None:
        """The preferences."""
        self.minimind.action_show_preferences()

    def action_start_mini(self) -> None:
        """Start the smoke test and show it; asks first when something trains already."""
        if self._starting:
            return
        live = self.minimind.index.live
        if not live:
            self._start_mini()
            return
        names = "\n".join(entry.folder.id for entry in live[:5])
        self.app.push_screen(
            ChoiceDialog(
                _("Start the smoke test as well?"),
                _("Already training:") + f"\n{names}\n\n" + _("Two runs share this machine, and both become slower."),
                [
                    Choice("show", _("Show the one that trains"), "o", "primary"),
                    Choice("start", _("Start it as well"), "y", "warning"),
                    Choice("cancel", _("Cancel"), "c"),
                ],
            ),
            partial(self._answered, live[0].folder),
        )

    def _answered(self, live: RunFolder, choice: str | None) -> None:
        if choice == "show":
            self.minimind.open_run(live)
        elif choice == "start":
            self._start_mini()

    def _start_mini(self) -> None:
        self._starting = True
        self._welcomed()
        tell(self, _("Starting {preset}...").format(preset=START_PRESET))
        self.run_worker(
            self._make_mini,
            name="start mini",
            group="start mini",
            thread=True,
            exit_on_error=False,
        )

    @staticmethod
    def _make_mini() -> RunFolder:
        from minimind_tui.core.quick_start import start_preset  # planning is not needed for the first paint

        return start_preset(START_PRESET)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        if event.worker.name != "start mini":
            return
        if event.state is WorkerState.SUCCESS:
            self._starting = False
            folder = event.worker.result
            self.minimind.index.poll()
            if folder is not None and self.is_current:
                self.minimind.open_run(folder)
        elif event.state is WorkerState.ERROR:
            self._starting = False
            tell_error(self, _("Starting {preset} failed").format(preset=START_PRESET), event.worker.error)

    def _welcomed(self) -> None:
        if not self.minimind.preferences.welcomed:
            self.minimind.change_preferences(welcomed=True)
