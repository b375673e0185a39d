"""The dialog that sets up a fork: the checkpoint, changed settings, and what of the run is kept and lost."""

from functools import partial

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.timer import Timer
from textual.widgets import Button, Input, TextArea
from textual.worker import Worker, WorkerState

from engine.errors import UserError
from engine.language import _
from engine.run.checkpoints import CheckpointInfo, best
from engine.run.folder import RunFolder
from engine.run.fork import ForkPlan, plan_fork
from minimind_tui import words
from minimind_tui.app.guarding import describe
from minimind_tui.app.texts import PlainText, styled
from minimind_tui.app.widgets.choices import Choices
from minimind_tui.core.setting_lines import SettingLines, parse_setting_lines
from minimind_tui.safe_text import one_line

_PAUSE = 0.25
"""How long one has to stop typing before the plan is made anew."""


class ForkDialog(ModalScreen[ForkPlan | None]):
    """Dismisses with a plan that can be made, None for escape."""

    BINDINGS = [Binding("escape", "dismiss_none", show=False), Binding("ctrl+g", "take", show=False)]
    CSS_PATH = ["../../dialogs.tcss", "run_dialogs.tcss"]

    def __init__(self, folder: RunFolder, infos: list[CheckpointInfo]) -> None:
        super().__init__()
        self._folder, self._infos = folder, infos
        self._plan: ForkPlan | None = None
        self._timer: Timer | None = None
        self._wanted = False
        """Whether the fork is to be made as soon as its plan is known."""

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog") as dialog:
            dialog.border_title = Content(_("Fork {run}").format(run=one_line(self._folder.id)))
            yield PlainText(_("From the checkpoint of step"), classes="heading")
            yield Choices(self._options(), str(self._infos[0].step), follow=True, name="checkpoint")
            yield PlainText(_("Changed settings, one a line"), classes="heading")
            yield TextArea(
                "",
                id="changes",
                tab_behavior="focus",
                show_line_numbers=False,
                placeholder="learning_rate = 0.0003\nepochs = 2",
            )
            with Horizontal(id="fork-name"):
                yield PlainText(_("Name"), classes="heading")
                yield Input("", id="name", placeholder=_("as the run, with -fork"), compact=True)
            with VerticalScroll(id="fork-plan", can_focus=False):
                yield PlainText("", id="plan")
            with Horizontal(id="choices"):
                yield Button(Content(_("Fork and start") + " [ctrl+g]"), id="ok", variant="primary", compact=True)
                yield Button(Content(_("Cancel")), id="cancel", compact=True)

    def on_mount(self) -> None:
        self.query_one(TextArea).focus()
        self._make_plan()

    def _options(self) -> list[tuple[str, str]]:
        """The checkpoints, their numbers below each other."""
        lowest = best(self._infos)
        steps = [f"{info.step:,}" for info in self._infos]
        widest = max(map(len, steps))
        options = []
        for info, step in zip(self._infos, steps, strict=True):
            text = f"{step.rjust(widest)}  {words.size(info.size)}"
            loss = info.record.validation_loss if info.record is not None else None
            if loss is not None:
                text += "  " + _("validation loss {loss}").format(loss=words.loss(loss))
            if lowest is not None and lowest.step == info.step:
                text += " " + _("(best)")
            options.append((str(info.step), text))
        return options

    # -- the plan

    def on_choices_chosen(self) -> None:
        self._plan_soon()

    def on_text_area_changed(self) -> None:
        self._plan_soon()

    def on_input_changed(self) -> None:
        self._plan_soon()

    def _plan_soon(self) -> None:
        self._plan = None
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(_PAUSE, self._make_plan, name="plan")

    def _make_plan(self) -> None:
        """Find out what the fork would be, in a thread: it reads files."""
        self._plan, self._timer = None, None
        lines = parse_setting_lines(self.query_one(TextArea).text)
        if lines.problems:
            told = [_("line {n}: {problem}").format(n=number, problem=problem) for number, problem in lines.problems]
            self._show_problem("\n".join(told))
            return
        step = int(self.query_one(Choices).chosen)
        name = self.query_one("#name", Input).value.strip() or None
        self.run_worker(
            partial(_planned, self._folder, step, lines, name),
            name="plan",
            group="plan",
            thread=True,
            exclusive=True,
            exit_on_error=False,
        )

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        event.stop()
        if event.state is WorkerState.SUCCESS:
            if self._timer is not None:
                return  # something was typed since
            self._plan = event.worker.result
            if self._plan is not None:
                self._show_plan(self._plan)
                if self._wanted:
                    self.dismiss(self._plan)
        elif event.state is WorkerState.ERROR and event.worker.error is not None:
            error = event.worker.error
            self._show_problem(str(error) if isinstance(error, UserError) else describe(error))

    def _show_problem(self, text: str) -> None:
        self._wanted = False
        self.query_one("#plan", PlainText).show(styled((f"✗ {text}", "$text-error")))

    def _show_plan(self, plan: ForkPlan) -> None:
        first = _("It goes on from step {step}.").format(step=f"{plan.step:,}")
        if plan.end is not None:
            first = _("It goes on from step {step} to step {end}.").format(step=f"{plan.step:,}", end=f"{plan.end:,}")
        lines = [styled((first, "bold"))]
        lines += [styled(("✓ ", "$text-success"), text) for text in plan.keeps]
        lines += [styled(("! ", "$text-warning"), text) for text in plan.loses]
        lines += [styled(("› ", "$quiet"), text) for text in plan.notes]
        self.query_one("#plan", PlainText).show(Content("\n").join(lines))

    # -- the ways out

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "ok":
            self.action_take()
        else:
            self.dismiss(None)

    def on_input_submitted(self) -> None:
        self.action_take()

    def action_take(self) -> None:
        """Make the fork, once it is known that it can be made."""
        if self._plan is not None:
            self.dismiss(self._plan)
            return
        self._wanted = True
        if self._timer is not None:
            self._timer.stop()
        self._make_plan()

    def action_dismiss_none(self) -> None:
        """Make no fork."""
        self.dismiss(None)


def _planned(folder: RunFolder, step: int, lines: SettingLines, name: str | None) -> ForkPlan:
    return plan_fork(folder, step, lines.values, name=name, places=lines.places)
