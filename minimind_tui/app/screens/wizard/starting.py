"""Starting a run from the wizard: the questions before it, the thread that does it."""

import asyncio
from collections.abc import Callable

from textual.message import Message

from engine.language import _
from engine.run.folder import RunFolder
from minimind_tui.app.base_screen import BaseScreen
from minimind_tui.app.dialogs import Choice, ChoiceDialog
from minimind_tui.app.guarding import tell, tell_error
from minimind_tui.app.screens.wizard.review_step import ReasonLine
from minimind_tui.core.wizard.draft import WizardDraft
from minimind_tui.core.wizard.foresight import Foresight, Reason


class OverwriteWanted(Message):
    """Other weights in save_dir are to be overwritten."""


class Starter:
    """Starts one run at a time. `show` hears whether it is starting one, `started` of the run that was started."""

    def __init__(self, screen: BaseScreen, show: Callable[[bool], None], started: Callable[[RunFolder], None]) -> None:
        self._screen, self._show, self._started = screen, show, started
        self.starting = False

    def begin(self, draft: WizardDraft, foresight: Foresight) -> None:
        """Start the run that was foreseen; asks where something stands in the way that a person may decide."""
        if self.starting:
            return
        if foresight.save_dir_taken:
            self._ask_to_overwrite(foresight.reasons[0])
        elif foresight.reasons:
            self._screen.query(ReasonLine).first().focus()
        elif live := [entry.folder.id for entry in self._screen.minimind.index.live]:
            self._ask_beside(live, draft, foresight)
        else:
            self._start(draft, foresight)

    def _ask_to_overwrite(self, reason: Reason) -> None:
        choices = [
            Choice("mend", _("Change save_dir"), "m", "primary"),
            Choice("force", _("Overwrite them"), "o", "error"),
            Choice("cancel", _("Cancel"), "c"),
        ]

        def answered(choice: str | None) -> None:
            if choice == "mend":
                self._screen.post_message(ReasonLine.Mend(reason))
            elif choice == "force":
                self._screen.post_message(OverwriteWanted())

        self._screen.app.push_screen(ChoiceDialog(_("Other weights are there"), reason.text, choices), answered)

    def _ask_beside(self, live: list[str], draft: WizardDraft, foresight: Foresight) -> None:
        body = "\n".join(
            [_("Already training:"), *live[:5], "", _("Two runs share this machine, and both become slower.")]
        )
        choices = [Choice("start", _("Start it as well"), "y", "warning"), Choice("cancel", _("Cancel"), "c")]

        def answered(choice: str | None) -> None:
            if choice == "start":
                self._start(draft, foresight)

        self._screen.app.push_screen(ChoiceDialog(_("Start another run?"), body, choices), answered)

    def _start(self, draft: WizardDraft, foresight: Foresight) -> None:
        self.starting = True
        self._show(True)
        self._screen.run_worker(self._make(draft, foresight), name="start run", group="start run", exit_on_error=False)

    async def _make(self, draft: WizardDraft, foresight: Foresight) -> None:
        def make() -> tuple[RunFolder, list[str]]:
            from minimind_tui.core import run_actions
            from minimind_tui.starting import checked_plan

            plan = checked_plan(foresight.settings, draft.preset, draft.name or None, force=draft.force)
            return run_actions.start(plan), plan.notes

        try:
            folder, notes = await asyncio.to_thread(make)
        except Exception as error:
            tell_error(self._screen, _("The start failed"), error)
            return
        finally:
            self.starting = False
            self._show(False)
        for note in notes:
            tell(self._screen, note)
        self._started(folder)
