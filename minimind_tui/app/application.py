"""The Textual application: which screen is seen, what all of them share, how one leaves."""

import asyncio
import os
import signal
from collections.abc import Iterable
from contextlib import suppress

from textual.app import App, SystemCommand
from textual.screen import Screen
from textual.worker import Worker, WorkerState

from engine.estimate.device_probe import DeviceFacts, probe_device
from engine.language import _, current_language, set_language
from engine.places import cache_dir, runs_dir
from engine.run.folder import RunFolder
from engine.settings.settings import Settings
from minimind_tui.app.base_screen import BaseScreen
from minimind_tui.app.bindings import bindings_of
from minimind_tui.app.dialogs import Choice, ChoiceDialog
from minimind_tui.app.guarding import guarded, tell
from minimind_tui.app.themes import OURS
from minimind_tui.app.widgets.top_bar import TopBar
from minimind_tui.core import run_actions
from minimind_tui.core.keys import key_table, scope_title
from minimind_tui.core.preferences import Preferences, load_preferences, save_preferences
from minimind_tui.core.run_index import RunIndex

_IDLE_SECONDS = 2.0
"""How often the workspace is looked at while nothing trains."""


class MinimindApp(App[int]):
    """The application. `open_first` is the run to show at once; `problem` is told when it has opened."""

    CSS_PATH = "application.tcss"
    BINDINGS = bindings_of("app")
    ENABLE_COMMAND_PALETTE = True

    def __init__(self, *, open_first: RunFolder | None = None, problem: str = "") -> None:
        self.preferences, _already_told = load_preferences()
        self.index = RunIndex(runs_dir())
        self.device_facts: DeviceFacts | None = None
        """What the machine's probe found; None until it has answered."""
        self.device_problem = ""
        """Why there are no facts, in words."""
        self.farewell: list[str] = []
        """What the shell shows once the application has gone."""
        self._open_first, self._problem = open_first, problem
        self._looked_at = 0.0
        super().__init__()
        for theme in OURS:
            self.register_theme(theme)

    # -- life

    def on_mount(self) -> None:
        self.title = "minimind-tui"
        self.theme = self.preferences.theme if self.preferences.theme in self.available_themes else OURS[0].name
        self._listen_to_signals()
        self.index.poll()
        self.push_screen(self._home())
        if self._open_first is not None:
            self.open_run(self._open_first)
        if self._problem:
            tell(self, self._problem, severity="warning")
        self.set_interval(self.preferences.refresh_seconds, self._look, name="look at the runs")
        self.run_worker(self._probe, name="probe", group="probe", thread=True, exit_on_error=False)

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            with suppress(NotImplementedError, RuntimeError, ValueError):  # not in the main thread: a test
                loop.add_signal_handler(number, self.exit, 128 + number)

    def _probe(self) -> DeviceFacts:
        return probe_device(cache_dir())

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        if event.worker.name != "probe":
            return
        if event.state is WorkerState.SUCCESS:
            self.device_facts = event.worker.result
        elif event.state is WorkerState.ERROR:
            self.device_problem = str(event.worker.error)
        else:
            return
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
        if isinstance(screen, BaseScreen):
            with guarded(self, _("Looking at the runs failed")):
                screen.runs_changed()

    def on_screen_resume(self) -> None:
        self._tell_screen()

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

    async def action_back(self) -> None:
        """The screen before; home is the last."""
        if len(self.screen_stack) > 2:
            self.pop_screen()

    # -- preferences

    def change_preferences(self, **changes: object) -> None:
        """Take and keep changed preferences; language and theme at once."""
        self.preferences = Preferences.model_validate({**self.preferences.model_dump(), **changes})
        if problem := save_preferences(self.preferences):
            tell(self, problem, severity="warning")
        if "theme" in changes and self.preferences.theme in self.available_themes:
            self.theme = self.preferences.theme
        if "language" in changes:
            self.run_worker(self._speak(self.preferences.language_now()), name="language", group="language")

    async def action_toggle_language(self) -> None:
        """English to Chinese and back."""
        os.environ.pop("MINIMIND_LANG", None)  # the person has just said it better
        self.change_preferences(language="en" if current_language() == "zh" else "zh")

    async def _speak(self, language: str) -> None:
        set_language(language)
        for screen in self.screen_stack:
            if isinstance(screen, BaseScreen):
                await screen.relanguage()
        self._tell_screen()

    # -- leaving

    def action_leave(self) -> None:
        """Leave; asks first what is to become of a run that trains."""
        live = [entry for entry in self.index.live if entry.seen.is_live]
        if not live:
            self.exit(0)
            return
        names = "\n".join(entry.folder.id for entry in live[:5])
        self.push_screen(
            ChoiceDialog(
                _("Leave minimind-tui?"),
                _("Still training:") + f"\n{names}\n\n" + _("Training does not need this window."),
                [
                    Choice("detach", _("Detach and keep training"), "d", "primary"),
                    Choice("stop", _("Save and stop"), "x", "warning"),
                    Choice("stay", _("Stay"), "s"),
                ],
            ),
            self._leave_as,
        )

    def _leave_as(self, choice: str | None) -> None:
        live = self.index.live
        if choice == "detach":
            self.farewell = [
                _("{run} goes on by itself. Come back: minimind-tui {run}").format(run=entry.folder.id)
                for entry in live
            ]
            self.exit(0)
        elif choice == "stop":
            with guarded(self, _("Stopping failed")):
                for entry in live:
                    run_actions.request(entry.folder, "stop")
                self.farewell = [
                    _("{run} saves and stops. Go on later: minimind resume {run}").format(run=entry.folder.id)
                    for entry in live
                ]
                self.exit(0)

    # -- palette

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Every action that can be taken on this screen, from the key table, and Textual's own."""
        known = {key.id: key for key in key_table()}
        for active in screen.active_bindings.values():
            key = known.get(active.binding.id or "")
            if key is not None and active.enabled and key.action != "command_palette":
                node, action = active.node, active.binding.action
                yield SystemCommand(
                    f"{scope_title(key.scope)}: {key.label}",
                    key.help,
                    lambda node=node, action=action: self.call_later(self.run_action, action, node),
                )
        yield SystemCommand(_("Theme"), _("Choose other colours"), self.action_change_theme)
        if screen.query("HelpPanel"):
            yield SystemCommand(_("Hide keys"), _("Close the panel of keys"), self.action_hide_help_panel)
        else:
            yield SystemCommand(_("Show keys"), _("The keys in a panel beside the screen"), self.action_show_help_panel)
        yield SystemCommand(
            _("Picture"), _("Save the screen as an SVG picture"), lambda: self.set_timer(0.1, self.deliver_screenshot)
        )
