"""The Textual application: which screen is seen, what all of them share, how one leaves."""

import asyncio
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from textual.actions import ActionParseResult
from textual.app import App, SystemCommand
from textual.command import CommandPalette
from textual.dom import DOMNode
from textual.filter import LineFilter
from textual.message import Message
from textual.screen import Screen
from textual.theme import Theme
from textual.timer import Timer

from engine.errors import UserError
from engine.estimate.device_probe import DeviceFacts, probe_device
from engine.language import _, current_language, set_language
from engine.places import cache_dir, runs_dir
from engine.run.folder import RunFolder
from engine.run.schema import State
from engine.settings.settings import Settings
from minimind_tui.app.base_screen import BaseScreen
from minimind_tui.app.bindings import bindings_of
from minimind_tui.app.dialogs import Choice, ChoiceDialog
from minimind_tui.app.guarding import describe, guarded, tell
from minimind_tui.app.harmless_lines import HarmlessLines
from minimind_tui.app.leaving import farewell, leave_dialog
from minimind_tui.app.palette import Actions, Themes, commands
from minimind_tui.app.preloading import preload
from minimind_tui.app.stylesheets import LastingStylesheet
from minimind_tui.app.themes import OURS, variables_of
from minimind_tui.app.widgets.top_bar import TopBar
from minimind_tui.app.wrapping import break_chinese_lines
from minimind_tui.core.preferences import Preferences, load_preferences, save_preferences
from minimind_tui.core.run_index import RunIndex

_IDLE_SECONDS = 2.0
"""How often the workspace is looked at while nothing trains."""

_KEEP_SECONDS = 0.3
"""How long a theme must have been seen before it is kept."""


_PRELOAD_SECONDS = 0.3
"""When screens are imported that were not asked for yet: the first one stands by then."""


class Probed(Message):
    """The probe of the machine answered: with facts, or with a problem in words."""

    def __init__(self, facts: DeviceFacts | None, problem: str) -> None:
        super().__init__()
        self.facts, self.problem = facts, problem


class MinimindApp(App[int]):
    """The application. `open_first` is the run to show at once; `problem` is told when it has opened."""

    CSS_PATH = "application.tcss"
    BINDINGS = bindings_of("app")
    ENABLE_COMMAND_PALETTE = True

    def __init__(self, *, open_first: RunFolder | None = None, problem: str = "") -> None:
        break_chinese_lines()
        self.preferences, _already_told = load_preferences()
        self.index = RunIndex(runs_dir())
        self.device_facts: DeviceFacts | None = None
        """What the machine's probe found; None until it has answered."""
        self.device_problem = ""
        """Why there are no facts, in words."""
        self.farewell: list[str] = []
        """What the shell shows once the application has gone."""
        self.troubles: list[str] = []
        """The unexpected errors that were shown."""
        self._harmless_lines = HarmlessLines()
        self._open_first, self._problem = open_first, problem
        self._looked_at = 0.0
        self._look_timer: Timer | None = None
        self._theme_timer: Timer | None = None
        super().__init__(ansi_color="NO_COLOR" in os.environ or None)  # else Textual would write greys
        for theme in OURS:
            self.register_theme(theme)
        wanted = self.preferences.theme
        self.theme = wanted if wanted in self.available_themes else OURS[0].name
        self.stylesheet = LastingStylesheet(variables=self.get_css_variables())

    # -- life

    def on_mount(self) -> None:
        self.title = "minimind-tui"
        self.theme_changed_signal.subscribe(self, self._theme_changed)
        with guarded(self, _("Looking at the runs failed")):
            self.index.poll()
        self.push_screen(self._home())
        if self._open_first is not None:
            self.open_run(self._open_first)
        if self._problem:
            tell(self, self._problem, severity="warning")
        self._look_regularly()
        self._probe_in_background()
        self.set_timer(_PRELOAD_SECONDS, preload, name="preload")

    def _look_regularly(self) -> None:
        if self._look_timer is not None:
            self._look_timer.stop()
        self._look_timer = self.set_interval(self.preferences.refresh_seconds, self._look, name="look at the runs")

    def _probe_in_background(self) -> None:
        """Ask what this machine is. A daemon thread: nobody waits for it who leaves."""

        def probe() -> None:
            facts, problem = None, ""
            try:
                facts = probe_device(cache_dir())
            except UserError as error:
                problem = str(error)
            except Exception as error:
                problem = describe(error)
            self.post_message(Probed(facts, problem))

        threading.Thread(target=probe, name="probe", daemon=True).start()

    def on_probed(self, event: Probed) -> None:
        self.device_facts, self.device_problem = event.facts, event.problem
        self._tell_screen()

    def _look(self) -> None:
        """Look at the workspace again, seldom while nothing trains."""
        now = asyncio.get_running_loop().time()
        if not self.index.live and now - self._looked_at < _IDLE_SECONDS:
            return
        self._looked_at = now
        with guarded(self, _("Looking at the runs failed")):
            if self.index.poll():
                self._tell_screen()

    def _tell_screen(self) -> None:
        screen = self.screen
        for bar in screen.query(TopBar):
            bar.show_runs(self.index.live)
        if isinstance(screen, BaseScreen) and not screen.in_pieces:
            with guarded(self, _("Looking at the runs failed")):
                screen.runs_changed()

    def screen_is_seen(self) -> None:
        """Called by a screen that has come to the top: it is brought up to date if it is there already."""
        if self.screen.query(TopBar):
            self._tell_screen()

    # -- trouble

    async def run_action(
        self,
        action: "str | ActionParseResult",
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool:
        """Perform an action; its failure is shown and ends nothing."""
        try:
            return await super().run_action(action, default_namespace, namespaces)
        except Exception as error:
            self.show_trouble(error)
            return True

    def show_trouble(self, error: Exception) -> None:
        """A failure in a panel: a UserError in its own words, anything else with the file of its traceback."""
        if isinstance(error, UserError):
            tell(self, str(error), severity="error")
            return
        words = describe(error)
        self.troubles.append(words)
        if any(isinstance(screen, ChoiceDialog) for screen in self.screen_stack):
            tell(self, words, severity="error")
            return
        self.push_screen(
            ChoiceDialog(
                _("Something went wrong here"),
                words + "\n\n" + _("Runs are not touched by this. You can go on."),
                [Choice("close", _("Close"), "c", "primary")],
            )
        )

    # -- moving about

    def _home(self) -> Screen[None]:
        from minimind_tui.app.screens.home import HomeScreen

        return HomeScreen()

    def _go_to(self, screen: Screen[None]) -> None:
        """Show a screen right above home; what was above home goes."""
        self.action_show_home()
        self.push_screen(screen)

    def action_show_home(self) -> None:
        """Home, whatever was open."""
        while len(self.screen_stack) > 2:
            self.pop_screen()

    def action_show_wizard(self) -> None:
        """Set up a new run, where it was left."""
        self.open_wizard()

    def open_wizard(self, preset: str | None = None, settings: Settings | None = None) -> None:
        """Set up a new run: from a preset, from settings to begin with, or where it was left."""
        from minimind_tui.app.screens.wizard.screen import WizardScreen

        self._go_to(WizardScreen(preset=preset, settings=settings))

    def action_show_runs(self) -> None:
        """The runs browser."""
        from minimind_tui.app.screens.runs.screen import RunsScreen

        self._go_to(RunsScreen())

    def action_show_playground(self) -> None:
        """The playground."""
        self.open_playground()

    def open_playground(self, folder: RunFolder | None = None, checkpoint: int | None = None) -> None:
        """Let a model write: that of a run's newest weights, or of one of its checkpoints (its step)."""
        from minimind_tui.app.screens.playground.screen import PlaygroundScreen

        self._go_to(PlaygroundScreen(folder, checkpoint))

    def open_run(self, folder: RunFolder) -> None:
        """The dashboard of a run, above the screen that is seen."""
        from minimind_tui.app.screens.dashboard.screen import DashboardScreen

        self.push_screen(DashboardScreen(folder))

    def action_show_preferences(self) -> None:
        """The preferences, above the screen that is seen."""
        from minimind_tui.app.screens.preferences.screen import PreferencesScreen

        if not isinstance(self.screen, PreferencesScreen):
            self.push_screen(PreferencesScreen())

    def action_help(self) -> None:
        """The keys of the screen that is seen."""
        from minimind_tui.app.screens.help.screen import HelpScreen

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(self.screen))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Whether an action is offered: no way back from the first screen."""
        if action == "back" and len(self.screen_stack) <= 2:
            return False
        return super().check_action(action, parameters)

    async def action_back(self) -> None:
        """The screen before; home is the last."""
        if len(self.screen_stack) > 2:
            self.pop_screen()

    # -- looks

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Textual's own, and last the one that lets nothing out that acts on the terminal."""
        return [*super().get_line_filters(), self._harmless_lines]

    def get_css_variables(self) -> dict[str, str]:
        """The theme's colours, made to be seen, and our own beside them."""
        self.theme_variables = variables_of(self.current_theme, super().get_css_variables(), no_color=self.no_color)
        return self.theme_variables

    # -- preferences

    def change_preferences(self, **changes: object) -> None:
        """Take and keep changed preferences; they hold at once."""
        before = self.preferences
        self.preferences = Preferences.model_validate({**before.model_dump(), **changes})
        if problem := save_preferences(self.preferences):
            tell(self, problem, severity="warning")
        if "theme" in changes and self.preferences.theme in self.available_themes:
            self.theme = self.preferences.theme
        if self.preferences.refresh_seconds != before.refresh_seconds:
            self._look_regularly()
        if "language" in changes:
            os.environ.pop("MINIMIND_LANG", None)  # the person has just said it better
            language = self.preferences.language_now()
            if language != current_language():
                self.run_worker(self._speak(language), name="language", group="language")

    def _theme_changed(self, _theme: Theme) -> None:
        """A theme that was passed over on the way to another is not kept."""
        if self._theme_timer is not None:
            self._theme_timer.stop()
        self._theme_timer = self.set_timer(_KEEP_SECONDS, self._keep_theme)

    def _keep_theme(self) -> None:
        if self.theme != self.preferences.theme and self.preferences.theme in self.available_themes:
            self.change_preferences(theme=self.theme)

    def on_unmount(self) -> None:
        self._keep_theme()

    async def action_toggle_language(self) -> None:
        """English to Chinese and back."""
        self.change_preferences(language="en" if current_language() == "zh" else "zh")

    async def _speak(self, language: str) -> None:
        set_language(language)
        os.environ["MINIMIND_LANG"] = language  # the processes of runs started from here speak it too
        for screen in self.screen_stack:
            if isinstance(screen, BaseScreen):
                await screen.relanguage()
        self._probe_in_background()  # its sentences come from another process
        self._tell_screen()

    # -- leaving

    def action_leave(self) -> None:
        """Leave; asks first what is to become of a run that trains, as it is now rather than at the last look."""
        self.index.poll()
        live = [entry.folder for entry in self.index.live]
        if not live:
            self.exit(0)
        else:
            self.push_screen(leave_dialog(live, self._paused()), self._leave_as)

    def _paused(self) -> set[str]:
        return {entry.folder.id for entry in self.index.live if entry.seen.state is State.PAUSED}

    def _leave_as(self, choice: str | None) -> None:
        live = [entry.folder for entry in self.index.live]
        if choice == "detach":
            self.farewell = farewell(live, self._paused(), stopped=False)
            self.exit(0)
        elif choice == "stop":
            from minimind_tui.core import run_actions

            with guarded(self, _("Stopping failed")):
                for folder in live:
                    run_actions.request(folder, "stop")
                self.farewell = farewell(live, self._paused(), stopped=True)
                self.exit(0)

    def leave_for_signal(self, number: int) -> None:
        """End because a signal said so; what trains goes on."""
        self.farewell = farewell([entry.folder for entry in self.index.live], self._paused(), stopped=False)
        self.exit(return_code=128 + number)

    # -- palette

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Every action that can be taken on this screen, from the key table, and Textual's own."""
        yield from commands(self, screen)

    def action_command_palette(self) -> None:
        """Textual's palette, in the current language."""
        if not CommandPalette.is_open(cast(App[object], self)):
            self.push_screen(
                CommandPalette([Actions], placeholder=_("Find an action by its name"), id="--command-palette")
            )

    def search_themes(self) -> None:
        """Textual's palette of themes, in the current language."""
        self.push_screen(CommandPalette([Themes], placeholder=_("Find a theme by its name")))

    def save_picture(self) -> None:
        """Save what is seen as an SVG file in the current folder."""
        with guarded(self, _("The picture could not be saved")):
            tell(self, _("Saved {path}").format(path=self.save_screenshot()))
