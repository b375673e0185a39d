"""Asks for a factor on the learning rate and shows what comes of it."""

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input

from engine.language import _
from engine.run.schema import Status
from minimind_tui.app.texts import PlainText
from minimind_tui.core.dashboard.learning_rate import check_factor, rate_now, rate_then, read_factor


class LearningRateDialog(ModalScreen[float | None]):
    """Dismisses with the factor, None for escape."""

    BINDINGS = [Binding("escape", "dismiss_none", show=False)]
    CSS_PATH = ["../../dialogs.tcss", "dashboard.tcss"]

    def __init__(self, status: Status | None) -> None:
        super().__init__()
        self._status = status

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog") as dialog:
            dialog.border_title = Content(_("Learning rate"))
            yield PlainText(
                _(
                    "A factor on the whole schedule, not on the present factor. It counts from the next update on, "
                    "is recorded among the events, and survives a resume."
                )
            )
            yield PlainText(rate_now(self._status), id="now")
            yield Input("", placeholder="0.5", id="text", compact=True)
            yield PlainText("", id="then")
            yield PlainText("", id="problem")
            with Horizontal(id="choices"):
                yield Button(Content(_("Change it")), id="ok", variant="primary", compact=True)
                yield Button(Content(_("Cancel")), id="cancel", compact=True)

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        problem = check_factor(event.value, self._status) if event.value.strip() else ""
        self.query_one("#problem", PlainText).show(problem)
        self.query_one("#then", PlainText).show("" if problem else rate_then(event.value, self._status))

    def on_input_submitted(self) -> None:
        self._take()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "ok":
            self._take()
        else:
            self.dismiss(None)

    def action_dismiss_none(self) -> None:
        """Leave without an answer."""
        self.dismiss(None)

    def _take(self) -> None:
        text = self.query_one(Input).value
        problem = check_factor(text, self._status)
        self.query_one("#problem", PlainText).show(problem)
        if not problem:
            self.dismiss(read_factor(text)[0])
