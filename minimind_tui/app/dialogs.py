"""The dialogs every screen uses: a choice, a text."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Button, Input

from engine.language import _
from minimind_tui.app.texts import PlainText


@dataclass(frozen=True)
class Choice:
    """One way out of a dialog. `key` is a letter that takes it at once."""

    id: str
    label: str
    key: str = ""
    variant: Literal["default", "primary", "success", "warning", "error"] = "default"


class ChoiceDialog(ModalScreen[str | None]):
    """A question with a few answers; dismisses with the chosen id, None for escape."""

    BINDINGS = [
        Binding("escape", "dismiss_none", show=False),
        Binding("right,down", "app.focus_next", show=False),
        Binding("left,up", "app.focus_previous", show=False),
    ]
    CSS_PATH = "dialogs.tcss"

    def __init__(self, title: str, body: str, choices: Sequence[Choice]) -> None:
        super().__init__()
        self._title, self._body, self._choices = title, body, choices

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog") as dialog:
            dialog.border_title = Content(self._title)
            with VerticalScroll(id="body", can_focus=False):
                yield PlainText(self._body)
            with Vertical(id="choices"):
                for choice in self._choices:
                    label = f"{choice.label} [{choice.key}]" if choice.key else choice.label
                    yield Button(Content(label), id=f"choice-{choice.id}", variant=choice.variant, compact=True)

    def on_mount(self) -> None:
        self.query(Button).first().focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss((event.button.id or "").removeprefix("choice-"))

    def on_key(self, event: Key) -> None:
        character = event.character
        for choice in self._choices:
            if choice.key and character == choice.key:
                event.stop()  # else the letter goes on to the screen below, which may have a use for it
                self.dismiss(choice.id)
                return

    def action_dismiss_none(self) -> None:
        """Leave without an answer."""
        self.dismiss(None)


class TextDialog(ModalScreen[str | None]):
    """Asks for one line. `check` returns what is wrong with it, empty when nothing; None is dismissed for escape."""

    BINDINGS = [Binding("escape", "dismiss_none", show=False)]
    CSS_PATH = "dialogs.tcss"

    def __init__(
        self,
        title: str,
        body: str,
        *,
        value: str = "",
        placeholder: str = "",
        check: Callable[[str], str] = lambda text: "",
    ) -> None:
        super().__init__()
        self._title, self._body, self._check = title, body, check
        self._value, self._placeholder = value, placeholder

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog") as dialog:
            dialog.border_title = Content(self._title)
            with VerticalScroll(id="body", can_focus=False):
                yield PlainText(self._body)
            yield Input(self._value, placeholder=self._placeholder, id="text", compact=True)
            yield PlainText("", id="problem")
            with Horizontal(id="choices"):
                yield Button(Content(_("OK")), id="ok", variant="primary", compact=True)
                yield Button(Content(_("Cancel")), id="cancel", compact=True)

    def on_mount(self) -> None:
        self.query_one(Input).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        self.query_one("#problem", PlainText).show(self._check(event.value))

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
        problem = self._check(text)
        self.query_one("#problem", PlainText).show(problem)
        if not problem:
            self.dismiss(text)
