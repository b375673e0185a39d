"""The wizard: preset, data, settings, review, and the start of a run."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message

from engine.language import _
from engine.run.folder import RunFolder
from engine.settings.settings import Settings
from minimind_tui.app.base_screen import BaseScreen
from minimind_tui.app.bindings import bindings_of
from minimind_tui.app.dialogs import Choice, ChoiceDialog
from minimind_tui.app.guarding import tell, tell_error
from minimind_tui.app.screens.wizard.calibrating import Calibrator
from minimind_tui.app.screens.wizard.data_step import DataStep, LookWanted
from minimind_tui.app.screens.wizard.drafts import keep_draft, open_draft
from minimind_tui.app.screens.wizard.offered import ONLY_IN
from minimind_tui.app.screens.wizard.preset_saving import PresetSaving
from minimind_tui.app.screens.wizard.preset_step import PresetStep
from minimind_tui.app.screens.wizard.review_step import ForesightWanted, ReasonLine, ReviewStep
from minimind_tui.app.screens.wizard.settings_step import SettingsStep
from minimind_tui.app.screens.wizard.starting import Starter
from minimind_tui.app.screens.wizard.step_bar import StepBar
from minimind_tui.app.screens.wizard.step_pane import DraftChanged, GoOn, StepPane
from minimind_tui.core.wizard.data_look import DataLook, LookRequest
from minimind_tui.core.wizard.draft import WizardDraft, price_of
from minimind_tui.core.wizard.foresight import STEPS, Foresight, Reason, Step, foresee
from minimind_tui.core.wizard.looker import DataLooker

_PANES: dict[Step, type[StepPane]] = {
    "preset": PresetStep,
    "data": DataStep,
    "settings": SettingsStep,
    "review": ReviewStep,
}


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
        self._pane: StepPane | None = None
        self._moving = asyncio.Lock()
        self._device_seen: object = None
        self._looker = DataLooker(self._take_look)
        self._wanted: LookRequest | None = None
        self._foresight: Foresight | None = None
        self._foresights = 0
        self._starts_when_ready = False
        self._starter = Starter(self, self._show_starting, self._started)
        self._calibrator = Calibrator(self, self._show_calibration, self._end_calibration)
        self._saving = PresetSaving(self, self._saved_preset)

    @property
    def draft(self) -> WizardDraft:
        """What is set up."""
        if self._draft is None:
            opened = open_draft(self.app, *self._asked_for)
            self._draft = opened.draft
            if opened.problem:
                tell(self, opened.problem, severity="error")
            if opened.before is not None:
                self.call_after_refresh(self._ask_which, opened.before, opened.draft)
        return self._draft

    @property
    def pane(self) -> StepPane | None:
        """The step that is seen; None while one gives way to another."""
        return self._pane if self._pane is not None and self._pane.is_mounted and self._pane.is_attached else None

    def title_words(self) -> str:
        return _("New run")

    def compose_body(self) -> ComposeResult:
        yield StepBar(self.draft.step)
        with Vertical(id="step"):
            self._pane = _PANES[self.draft.step](self.draft)
            yield self._pane

    # -- beginning and leaving

    def _ask_which(self, before: WizardDraft, draft: WizardDraft) -> None:
        body = _("You were setting up a run from {preset} and had changed {n} settings.").format(
            preset=before.preset, n=len(before.form.changed)
        )
        choices = [
            Choice("before", _("Go on with that"), "g"),
            Choice("fresh", _("Begin with {preset}").format(preset=draft.preset), "b", "primary"),
        ]
        dialog = ChoiceDialog(_("A run was being set up"), body, choices)
        self.app.push_screen(dialog, partial(self._begin_with, before))

    async def _begin_with(self, before: WizardDraft, choice: str | None) -> None:
        if choice == "before":
            self._draft = keep_draft(self.app, before)
            await self._show_step(before.step)

    def on_mount(self) -> None:
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        if self.pane is not None:
            self.pane.begin()
        self._mark_steps()
        self._look_for_cards()

    def on_unmount(self) -> None:
        self._looker.close()
        self._calibrator.close()

    async def relanguage(self) -> None:
        async with self._moving:
            if self._pane is not None:
                self._pane.commit()
            self._foresight = None
            await super().relanguage()
        self.call_after_refresh(self._begin)

    def on_screen_resume(self) -> None:
        super().on_screen_resume()
        self._tell_pane()  # the price may be another, a file may have come

    def runs_changed(self) -> None:
        device = (self.minimind.device_facts, self.minimind.device_problem)
        if device != self._device_seen:
            self._device_seen = device
            self._tell_pane()

    def _tell_pane(self) -> None:
        """More is known, or may be."""
        if self.pane is not None:
            self.pane.facts_changed()

    # -- going from step to step

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self.draft.step in ONLY_IN.get(action, STEPS)

    async def action_next_step(self) -> None:
        """The next step."""
        pane = self.pane
        if isinstance(pane, PresetStep):
            pane.take()
        elif pane is not None:
            await self._show_step(STEPS[STEPS.index(pane.step) + 1])

    async def action_previous_step(self) -> None:
        """The step before."""
        place = STEPS.index(self.draft.step)
        if place:
            await self._show_step(STEPS[place - 1])

    async def on_go_on(self, event: GoOn) -> None:
        if event.step != self.draft.step:
            return  # said twice, and heard once
        if event.step == "review":
            self.action_start_run()
        else:
            await self.action_next_step()

    async def on_step_bar_picked(self, event: StepBar.Picked) -> None:
        if event.step != self.draft.step:
            await self._show_step(event.step)

    async def _show_step(self, step: Step) -> None:
        async with self._moving:
            if self._pane is not None:
                self._pane.commit()
            self.draft.step = step
            self._foresight, self._starts_when_ready = None, False
            box = self.query_one("#step")
            await box.remove_children()
            self._pane = _PANES[step](self.draft)
            await box.mount(self._pane)
            self.query_one(StepBar).step = step
            self._mark_steps()
            self.refresh_bindings()
            self._pane.begin()

    async def on_preset_taken(self) -> None:
        if self.draft.step == "preset":
            await self._show_step("data")

    def _mark_steps(self) -> None:
        """Tell in the bar on which steps something is to be mended."""
        for bar in self.query(StepBar):
            bar.wrong = self.draft.wrong_steps

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
        self._tell_pane()
        self._mark_steps()

    # -- what the run will be

    def on_foresight_wanted(self, event: ForesightWanted) -> None:
        """Find out, in a thread, what the run will be; as soon as its text was looked into and the device is known."""
        pane = self.pane
        if not isinstance(pane, ReviewStep) or self._starter.starting:
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

        self._foresights += 1
        self.run_worker(
            self._find_out(self._foresights, find_out), name="foresee", group="foresee", exit_on_error=False
        )

    async def _find_out(self, number: int, find_out: Callable[[], Foresight]) -> None:
        try:
            foresight = await asyncio.to_thread(find_out)
        except Exception as error:
            tell_error(self, _("Looking ahead failed"), error)
            return
        if number == self._foresights:  # else something has changed meanwhile
            self._take_foresight(foresight)

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
            pane.go_to(reason.field)

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

    def _end_calibration(self, problem: str, warnings: list[str]) -> None:
        for warning in warnings:
            tell(self, warning, severity="warning")
        if problem:
            tell(self, problem, severity="error")
        self._tell_pane()

    # -- the form's actions

    def action_toggle_advanced(self) -> None:
        """Show or fold the advanced settings."""
        pane = self.pane
        if isinstance(pane, SettingsStep):
            pane.toggle_advanced()

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
        if self._foresight is None:
            self._starts_when_ready = True
            tell(self, _("It starts as soon as everything was looked at."))
        else:
            self._starter.begin(self.draft, self._foresight)

    def on_overwrite_wanted(self) -> None:
        self.draft.force = True
        self._foresight, self._starts_when_ready = None, True
        self._tell_pane()

    def _show_starting(self, starting: bool) -> None:
        if isinstance(self.pane, ReviewStep):
            self.pane.show_starting(starting)

    def _started(self, folder: RunFolder) -> None:
        self.draft.begin_again()
        self.minimind.index.poll()
        if not self.is_current:
            tell(self, _("Started {run}").format(run=folder.id))
            return
        self.app.pop_screen()
        self.minimind.open_run(folder)
