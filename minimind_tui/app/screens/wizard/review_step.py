"""The last step: what the run will be, whether it is ready, its name and budget, its command, and the start."""

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.events import Click
from textual.message import Message
from textual.widgets import Input

from engine.estimate.calibration_run import CalibrationProgress
from engine.language import _
from minimind_tui.app.screens.wizard.form_input import UP_AND_DOWN, FormInput
from minimind_tui.app.screens.wizard.step_pane import DraftChanged, StepPane
from minimind_tui.app.texts import FittingStatic, PlainText, styled
from minimind_tui.app.widgets.line_plot import LinePlot
from minimind_tui.core.wizard.draft import WizardDraft, price_of
from minimind_tui.core.wizard.foresight import Foresight, Reason
from minimind_tui.core.wizard.review_words import progress_words, review_lines
from minimind_tui.safe_text import one_line


class ForesightWanted(Message):
    """The run is to be looked at again: something changed."""


class ReasonLine(FittingStatic, can_focus=True):
    """Why the run is not ready; enter goes to where it is mended."""

    BINDINGS = [Binding("enter,space", "mend", show=False), *UP_AND_DOWN]

    class Mend(Message):
        """Go to where it is mended."""

        def __init__(self, reason: Reason) -> None:
            super().__init__()
            self.reason = reason

    def __init__(self, reason: Reason, where: str) -> None:
        super().__init__(
            styled(("✗ ", "bold $text-error"), reason.text, (f"  › {where}", "$text-primary")),
            classes="reason",
            markup=False,
        )
        self.reason = reason

    def on_click(self, event: Click) -> None:
        self.action_mend()

    def action_mend(self) -> None:
        """Go there."""
        self.post_message(self.Mend(self.reason))


class StartButton(FittingStatic, can_focus=True):
    """Starts the run."""

    BINDINGS = [Binding("enter,space", "press", show=False), *UP_AND_DOWN]

    def on_click(self, event: Click) -> None:
        self.action_press()

    class Pressed(Message):
        """It is to start."""

    def action_press(self) -> None:
        """Start."""
        self.post_message(self.Pressed())


class ReviewStep(StepPane):
    """Everything before the start. `where` names the step that mends a reason."""

    def __init__(self, draft: WizardDraft) -> None:
        super().__init__(draft)
        self.foresight: Foresight | None = None
        self.calibrating: CalibrationProgress | None = None
        self.starting = False
        self.lines: list[tuple[str, str]] = []
        """What is told: a name, and words."""

    def compose(self) -> ComposeResult:
        with Vertical(id="verdict", classes="panel"):
            with Horizontal(id="start-line"):
                yield StartButton(Content(_(" Start ")), id="start", markup=False)
                yield PlainText("", id="state")
            yield Vertical(id="reasons")
        with Horizontal(id="asked"):
            yield PlainText(_("Name"), classes="dim")
            yield FormInput(self.draft.name, id="run-name", placeholder=self.draft.preset, max_length=60)
            yield PlainText(_("Budget"), classes="dim")
            yield FormInput(self.draft.budget, id="budget", placeholder=_("2h, $5 or 08:00; else the epochs"))
        yield PlainText("", id="asked-problem")
        with VerticalScroll(id="review", can_focus=True):
            with Vertical(id="will-be", classes="panel") as told:
                told.border_title = Content(_("What it will be"))
                yield PlainText("", id="told")
            with Vertical(id="beside"):
                with Vertical(id="command-panel", classes="panel") as command:
                    command.border_title = Content(_("The same from a shell (ctrl+y copies it)"))
                    yield PlainText("", id="command")
                with Vertical(id="rates", classes="panel") as rates:
                    rates.border_title = Content(_("Learning rate over the updates"))
                    yield LinePlot(id="rate-curve", placeholder=_("not known yet"))

    def on_mount(self) -> None:
        self._show()
        self.post_message(ForesightWanted())

    def focus_first(self) -> None:
        self.query_one("#start").focus()

    def facts_changed(self) -> None:
        self.post_message(ForesightWanted())

    # -- asking

    def on_start_button_pressed(self) -> None:
        self.go_on()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        name = event.input.id
        if name == "run-name" and event.value != self.draft.name:
            self.draft.name = event.value
        elif name == "budget" and event.value != self.draft.budget:
            self.draft.budget = event.value
        else:
            return
        self.post_message(DraftChanged())
        self._show_asked()
        self._show_command()
        if name == "budget":
            self.post_message(ForesightWanted())

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.query_one("#start").focus()

    # -- telling

    def show(self, foresight: Foresight | None) -> None:
        """Show what was found out; None while it is found out."""
        self.foresight = foresight
        self._show()

    def show_calibration(self, progress: CalibrationProgress | None) -> None:
        """How far a calibration is; None when none runs."""
        self.calibrating = progress
        self._show_told()

    def show_starting(self, starting: bool) -> None:
        """Whether the run is being started."""
        self.starting = starting
        self._show_verdict()

    def _show(self) -> None:
        self._show_verdict()
        self._show_asked()
        self._show_told()
        self._show_command()

    def _show_verdict(self) -> None:
        state, box = self.query_one("#state", PlainText), self.query_one("#reasons")
        reasons = list(self.foresight.reasons) if self.foresight is not None else []
        if self.starting:
            state.show(styled((_("Starting ..."), "bold")))
        elif self.foresight is None:
            state.show(styled((_("Looking at the text, the files and the device ..."), "$quiet")))
        elif reasons:
            state.show(styled((_("Not ready:"), "bold $text-error"), " " + _("enter goes to where it is mended")))
        else:
            state.show(styled((_("✓ Ready."), "bold $text-success"), " " + self._notes()))
        self.query_one("#start").set_class(bool(reasons) or self.foresight is None, "-waiting")
        if [line.reason for line in self.query(ReasonLine)] != reasons:
            had_cursor = any(line.has_focus for line in self.query(ReasonLine))
            box.remove_children()
            box.mount(*(ReasonLine(reason, self._where(reason)) for reason in reasons))
            if had_cursor:
                self.query_one("#start").focus()

    def _notes(self) -> str:
        return " ".join(self.foresight.preview.notes) if self.foresight is not None else ""

    @staticmethod
    def _where(reason: Reason) -> str:
        if reason.step == "data":
            return _("Data")
        if reason.step == "settings":
            return _("Settings") + (f": {reason.field}" if reason.field else "")
        return _("Review")

    def _show_asked(self) -> None:
        problem = self.draft.budget_problem(price_of(self.minimind.preferences))
        line = self.query_one("#asked-problem", PlainText)
        self.query_one("#budget").set_class(bool(problem), "-invalid")
        line.show(styled((problem, "$text-error")) if problem else self.draft.name_problem)
        line.display = bool(problem or self.draft.name_problem)

    def _show_told(self) -> None:
        told, curve = self.query_one("#told", PlainText), self.query_one("#rate-curve", LinePlot)
        points = self.foresight.preview.learning_rates if self.foresight is not None else []
        curve.show([update for update, _rate in points], [rate for _update, rate in points])
        if self.foresight is None:
            self.lines = []
            told.show(styled(("...", "$quiet")))
            return
        lines = [
            (name, self._time(text) if name == _("time") else text)
            for name, text in review_lines(self.foresight, price_of(self.minimind.preferences))
        ]
        if lines != self.lines:
            self.lines = lines
            told.show(_table(lines))

    def _time(self, text: str) -> str:
        if self.calibrating is not None:
            return _("{progress} (ctrl+g ends it)").format(progress=progress_words(self.calibrating))
        seen = self.foresight
        if seen is not None and seen.calibration is None and seen.preview.parameters is not None:
            return _("{time} (ctrl+g measures it)").format(time=text)
        return text

    def _show_command(self) -> None:
        command = self.draft.command(price_of(self.minimind.preferences), self.minimind.device_facts)
        self.query_one("#command", PlainText).show(command or _("(when nothing is wrong)"))


def _table(lines: list[tuple[str, str]]) -> Table:
    """Names on the left, what is said of them on the right; a long line goes on below itself."""
    table = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in lines:
        table.add_row(Text(name), Text(one_line(text)))
    return table
