"""The wizard: preset, data, settings, review, and the start of a run."""

from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from textual.app import App, ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.worker import Worker, WorkerState

from engine.errors import UserError
from engine.language import _
from engine.run.folder import RunFolder
from engine.settings.settings import Settings
from minimind_tui.app.base_screen import BaseScreen
from minimind_tui.app.bindings import bindings_of
from minimind_tui.app.dialogs import Choice, ChoiceDialog
from minimind_tui.app.guarding import tell, tell_error
from minimind_tui.app.screens.wizard.calibrating import Calibrator
from minimind_tui.app.screens.wizard.data_step import DataStep, LookWanted
from minimind_tui.app.screens.wizard.preset_saving import PresetSaving
from minimind_tui.app.screens.wizard.preset_step import PresetStep
from minimind_tui.app.screens.wizard.review_step import ForesightWanted, ReasonLine, ReviewStep
from minimind_tui.app.screens.wizard.settings_step import SettingsStep
from minimind_tui.app.screens.wizard.step_bar import StepBar
from minimind_tui.app.screens.wizard.step_pane import DraftChanged, StepPane
from minimind_tui.core.wizard.data_look import DataLook, LookRequest
from minimind_tui.core.wizard.draft import WizardDraft, price_of
from minimind_tui.core.wizard.foresight import STEPS, Foresight, Reason, Step, foresee
from minimind_tui.core.wizard.looker import DataLooker

_drafts: "WeakKeyDictionary[App[Any], WizardDraft]" = WeakKeyDictionary()

_PANES: dict[Step, type[StepPane]] = {
    "preset": PresetStep,
    "data": DataStep,
    "settings": SettingsStep,
    "review": ReviewStep,
}
_ONLY_IN: dict[str, tuple[Step, ...]] = {
    "previous_step": ("data", "settings", "review"),
    "start_run": ("review",),
    "toggle_advanced": ("settings",),
    "reset_field": ("settings",),
    "find_setting": ("settings",),
    "save_preset": ("settings", "review"),
    "copy_command": ("settings", "review"),
    "calibrate": ("review",),
}
"""Steps in which an action is offered; the others always are."""


class WizardScreen(BaseScreen):
    """Four steps to a run. What was set up stays while the application runs, and is gone on with when one returns.

    `preset` begins from that preset, `settings` (with the preset they are based on) from those values; when something
    else was set up and not started, the person is asked which it shall be.
    """

    CSS_PATH = "wizard.tcss"
    BINDINGS = bindings_of("wizard")

    class LookTaken(Message):
        """A look into a text was taken."""

        def __init__(self, request: LookRequest, look: DataLook) -> None:
            super().__init__()
            self.request, self.look = request, look

    def __init__(self, preset: str | None = None, settings: Settings | None = None) -> None:
        super().__init__()
        self._asked_for = (preset, settings)
        self._draft: WizardDraft | None = None
        self._looker = DataLooker(self._take_look)
        self._wanted: LookRequest | None = None
        self._foresight: Foresight | None = None
        self._starts_when_ready = False
        self._starting = False
        self._calibrator = Calibrator(self, self._show_calibration, self._end_calibration)
        self._saving = PresetSaving(self, self._saved_preset)

    @property
    def draft(self) -> WizardDraft:
        """What is set up."""
        if self._draft is None:
            self._draft = self._draft_to_begin_with()
            _drafts[self.app] = self._draft
        return self._draft

    @property
    def pane(self) -> StepPane:
        """The step that is seen."""
        return self.query_one("#step").query_one(StepPane)

    def title_words(self) -> str:
        return _("New run")

    def compose_body(self) -> ComposeResult:
        yield StepBar(self.draft.step)
        with Vertical(id="step"):
            yield _PANES[self.draft.step](self.draft)

    # -- beginning and leaving

    def _draft_to_begin_with(self) -> WizardDraft:
        preset, settings = self._asked_for
        before = _drafts.get(self.app)
        if before is not None and settings is None and preset in (None, before.preset):
            return before
        draft = self._fresh(preset, settings)
        if before is not None:
            draft.looks = before.looks
            if before.is_touched:
                self.call_after_refresh(self._ask_which, before, draft)
        return draft

    def _fresh(self, preset: str | None, settings: Settings | None) -> WizardDraft:
        if settings is not None:
            return WizardDraft.of_settings(settings, preset)
        if preset is None:
            return WizardDraft.first()
        try:
            draft = WizardDraft.of_preset(preset)
        except UserError as error:
            tell(self, str(error), severity="error")
            return WizardDraft.first()
        draft.step = "data"  # the preset was chosen elsewhere
        return draft

    def _ask_which(self, before: WizardDraft, draft: WizardDraft) -> None:
        body = _("You were setting up a run from {preset} and had changed {n} settings.").format(
            preset=before.preset, n=len(before.form.changed)
        )
        choices = [
            Choice("before", _("Go on with that"), "g"),
            Choice("fresh", _("Begin with {preset}").format(preset=draft.preset), "b", "primary"),
        ]
        self.app.push_screen(
            ChoiceDialog(_("A run was being set up"), body, choices), partial(self._begin_with, before)
        )

    async def _begin_with(self, before: WizardDraft, choice: str | None) -> None:
        if choice == "before":
            self._draft = _drafts[self.app] = before
            await self._show_step(before.step, remember=False)

    def on_mount(self) -> None:
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        self.pane.begin()
        self._mark_steps()
        self._look_for_cards()

    def on_unmount(self) -> None:
        self._looker.close()
        self._calibrator.close()

    async def relanguage(self) -> None:
        self.pane.remember()
        await super().relanguage()
        self._foresight = None
        self.call_after_refresh(self._begin)

    def on_screen_suspend(self) -> None:
        self.pane.remember()

    def on_screen_resume(self) -> None:
        super().on_screen_resume()
        if self.query("#step"):
            self.pane.facts_changed()  # the price may be another, a file may have come

    def runs_changed(self) -> None:
        device = (self.minimind.device_facts, self.minimind.device_problem)
        if device != getattr(self, "_device_seen", None):
            self._device_seen = device
            if self.query("#step"):
                self.pane.facts_changed()

    # -- going from step to step

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self.draft.step in _ONLY_IN.get(action, STEPS)

    async def action_next_step(self) -> None:
        """The next step; from the last one the start."""
        pane = self.pane
        pane.remember()
        if isinstance(pane, PresetStep):
            await self._take_preset(pane)
        elif self.draft.step == "review":
            self.action_start_run()
        else:
            await self._show_step(STEPS[STEPS.index(self.draft.step) + 1])

    async def action_previous_step(self) -> None:
        """The step before."""
        place = STEPS.index(self.draft.step)
        if place:
            await self._show_step(STEPS[place - 1])

    async def on_go_on(self) -> None:
        await self.action_next_step()

    async def on_step_bar_picked(self, event: StepBar.Picked) -> None:
        if event.step != self.draft.step:
            await self._show_step(event.step)

    async def _show_step(self, step: Step, *, remember: bool = True) -> None:
        if remember:
            self.pane.remember()
        self.draft.step = step
        self._foresight, self._starts_when_ready = None, False
        box = self.query_one("#step")
        await box.remove_children()
        await box.mount(_PANES[step](self.draft))
        self.query_one(StepBar).step = step
        self._mark_steps()
        self.refresh_bindings()
        self.pane.begin()

    async def _take_preset(self, pane: PresetStep) -> None:
        """Take the card under the cursor; asks what is to become of changes made to another preset."""
        card = pane.under
        if card is None or card.problem:
            tell(self, card.problem if card is not None else _("There are no presets."), severity="error")
            return
        if card.name == self.draft.preset:
            await self._show_step("data")
            return
        changed = len(self.draft.form.changed)
        if not changed:
            await self._take_card(pane, "fresh")
            return
        body = _("You changed {n} settings of {preset}.").format(n=changed, preset=self.draft.preset)
        choices = [
            Choice("keep", _("Keep the changes"), "k", "primary"),
            Choice("fresh", _("{preset} as it is").format(preset=card.name), "f"),
            Choice("stay", _("Stay here"), "s"),
        ]
        self.app.push_screen(ChoiceDialog(_("Another preset"), body, choices), partial(self._take_card, pane))

    async def _take_card(self, pane: PresetStep, choice: str | None) -> None:
        if choice in ("keep", "fresh") and pane.under is not None:
            self.draft.take_preset(pane.under, keep=choice == "keep")
            await self._show_step("data", remember=False)

    def _mark_steps(self) -> None:
        """Tell in the bar on which steps something is to be mended."""
        wrong: set[Step] = set()
        look, problems = self.draft.look(), set(self.draft.form.problems)
        if "data_path" in problems or (look is not None and look.worst == "error" and not look.tokenizer_problem):
            wrong.add("data")
        if problems - {"data_path"} or self.draft.shape_problem or (look is not None and look.tokenizer_problem):
            wrong.add("settings")
        self.query_one(StepBar).wrong = frozenset(wrong)

    def on_draft_changed(self, event: DraftChanged) -> None:
        self._mark_steps()

    # -- looks into texts

    def _look_for_cards(self) -> None:
        pane = self.pane
        if isinstance(pane, PresetStep):
            for request in pane.requests():
                if self.draft.looks.rows_of(request) is None:
                    self._looker.want(request)

    def _want_look(self) -> bool:
        """Have the draft's text looked into; False when that was done."""
        request = self.draft.request()
        if self.draft.looks.of(request) is not None:
            return False
        if self._wanted not in (None, request):
            self._looker.forget(self._wanted)  # something else was chosen
        self._wanted = request
        self._looker.want(request, first=True)
        return True

    def on_look_wanted(self, event: LookWanted) -> None:
        if not self.draft.form.problem("data_path"):
            self._want_look()

    def _take_look(self, request: LookRequest, look: DataLook) -> None:
        """Called in the looker's thread."""
        self.post_message(self.LookTaken(request, look))

    def on_wizard_screen_look_taken(self, event: LookTaken) -> None:
        self.draft.looks.keep(event.request, event.look)
        if self.query("#step"):
            self.pane.facts_changed()
            self._mark_steps()

    # -- what the run will be

    def on_foresight_wanted(self, event: ForesightWanted) -> None:
        """Find out, in a thread, what the run will be; as soon as its text was looked into and the device is known."""
        pane = self.pane
        if not isinstance(pane, ReviewStep) or self._starting:
            return
        draft, app = self.draft, self.minimind
        probed = app.device_facts is not None or bool(app.device_problem)
        if (draft.look() is None and self._want_look()) or not probed:
            pane.show(None)
            return
        price, device, look = price_of(app.preferences), app.device_facts, draft.look()
        reasons = draft.reasons(price)
        if app.device_problem:
            reasons.append(Reason(app.device_problem, "review"))
        settings = draft.usable_settings(price, device)

        def find_out() -> Foresight:
            return foresee(settings, look, device, force=draft.force, reasons=reasons)

        self.run_worker(find_out, name="foresee", group="foresee", exclusive=True, thread=True, exit_on_error=False)

    def _take_foresight(self, foresight: Foresight) -> None:
        self._foresight = foresight
        pane = self.pane
        if isinstance(pane, ReviewStep):
            pane.show(foresight)
            if self._starts_when_ready:
                self._starts_when_ready = False
                self.action_start_run()

    async def on_reason_line_mend(self, event: ReasonLine.Mend) -> None:
        reason = event.reason
        if reason.step == "review":
            self.query_one("#budget" if reason.field == "budget" else "#start").focus()
            return
        await self._show_step(reason.step)
        pane = self.pane
        if isinstance(pane, SettingsStep) and reason.field:
            await pane.go_to(reason.field)

    # -- calibrating

    def action_calibrate(self) -> None:
        """Make some real updates in another process; once more: end that."""
        if self._calibrator.running:
            self._calibrator.cancel()
            return
        if self._foresight is None or self._foresight.preview.parameters is None:
            tell(self, _("First everything must be in order: the reasons are listed above."), severity="warning")
            return
        facts = look.facts if (look := self.draft.look()) is not None else None
        self._calibrator.start(self._foresight.settings, facts.context if facts is not None else None)

    def _show_calibration(self, progress: Any) -> None:
        pane = self.pane
        if isinstance(pane, ReviewStep):
            pane.show_calibration(progress)

    def _end_calibration(self, problem: str) -> None:
        if problem:
            tell(self, problem, severity="error")
        self.pane.facts_changed()

    # -- the form's actions

    async def action_toggle_advanced(self) -> None:
        """Show or fold the advanced settings."""
        pane = self.pane
        if isinstance(pane, SettingsStep):
            await pane.toggle_advanced()

    def action_reset_field(self) -> None:
        """Give the field under the cursor its preset's value again."""
        pane = self.pane
        if isinstance(pane, SettingsStep):
            pane.reset_field()

    def action_find_setting(self) -> None:
        """Jump to a setting by its name."""
        pane = self.pane
        if isinstance(pane, SettingsStep):
            pane.focus_find()

    def action_save_preset(self) -> None:
        """Save the settings as a preset of this workspace."""
        self._saving.begin(self.draft)

    async def _saved_preset(self, name: str) -> None:
        """Stand on the preset just saved."""
        self.draft.stand_on(name)
        await self._show_step(self.draft.step)

    def action_copy_command(self) -> None:
        """Copy the command that does the same."""
        command = self.draft.command(price_of(self.minimind.preferences), self.minimind.device_facts)
        if not command:
            tell(self, _("First mend what is wrong in the settings."), severity="warning")
            return
        self.app.copy_to_clipboard(command)
        tell(self, _("Copied: {command}").format(command=command))

    # -- starting

    def action_start_run(self) -> None:
        """Start the run, when nothing stands in the way."""
        if self._starting:
            return
        foresight = self._foresight
        if foresight is None:
            self._starts_when_ready = True
            tell(self, _("It starts as soon as everything was looked at."))
        elif foresight.save_dir_taken:
            self._ask_to_overwrite(foresight.reasons[0])
        elif foresight.reasons:
            self.query(ReasonLine).first().focus()
        elif live := [entry.folder.id for entry in self.minimind.index.live]:
            body = _("Already training:") + "\n" + "\n".join(live[:5]) + "\n\n"
            choices = [Choice("start", _("Start it as well"), "y", "warning"), Choice("cancel", _("Cancel"), "c")]
            dialog = ChoiceDialog(
                _("Start another run?"), body + _("Two runs share this machine, and both become slower."), choices
            )
            self.app.push_screen(dialog, lambda choice: self._start(foresight) if choice == "start" else None)
        else:
            self._start(foresight)

    def _ask_to_overwrite(self, reason: Reason) -> None:
        choices = [
            Choice("mend", _("Change save_dir or save_weight"), "m", "primary"),
            Choice("force", _("Overwrite them"), "o", "error"),
            Choice("cancel", _("Cancel"), "c"),
        ]
        dialog = ChoiceDialog(_("Other weights are there"), reason.text, choices)
        self.app.push_screen(dialog, partial(self._overwrite_as, reason))

    def _overwrite_as(self, reason: Reason, choice: str | None) -> None:
        if choice == "mend":
            self.post_message(ReasonLine.Mend(reason))
        elif choice == "force":
            self.draft.force = True
            self._foresight, self._starts_when_ready = None, True
            self.pane.facts_changed()

    def _start(self, foresight: Foresight) -> None:
        self._starting = True
        pane, draft = self.pane, self.draft
        if isinstance(pane, ReviewStep):
            pane.show_starting(True)

        def start() -> RunFolder:
            from minimind_tui.core import run_actions
            from minimind_tui.starting import checked_plan

            plan = checked_plan(foresight.settings, draft.preset, draft.name or None, force=draft.force)
            return run_actions.start(plan)

        self._calibrator.close()
        self.run_worker(start, name="start run", group="start run", thread=True, exit_on_error=False)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        worker, pane = event.worker, self.pane
        if event.state not in (WorkerState.SUCCESS, WorkerState.ERROR):
            return
        if worker.name == "foresee":
            if event.state is WorkerState.SUCCESS and worker.result is not None:
                self._take_foresight(worker.result)
            else:
                tell_error(self, _("Looking ahead failed"), worker.error)
        elif worker.name == "start run":
            self._starting = False
            if isinstance(pane, ReviewStep):
                pane.show_starting(False)
            if event.state is WorkerState.ERROR:
                tell_error(self, _("The start failed"), worker.error)
                pane.facts_changed()
            elif worker.result is not None:
                self._started(worker.result)

    def _started(self, folder: RunFolder) -> None:
        self.draft.begin_again()
        self.minimind.index.poll()
        if not self.is_current:
            tell(self, _("Started {run}").format(run=folder.id))
            return
        self.app.pop_screen()
        self.minimind.open_run(folder)
