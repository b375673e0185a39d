"""The dialog in which a run's note is written."""

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, TextArea

from engine.language import _
from engine.run.annotations import NOTE_LENGTH
from minimind_tui.app.texts import PlainText
from minimind_tui.safe_text import one_line


class NoteDialog(ModalScreen[str | None]):
    """Dismisses with the text, None for escape."""

    BINDINGS = [Binding("escape", "dismiss_none", show=False), Binding("ctrl+g", "take", show=False)]
    CSS_PATH = ["../../dialogs.tcss", "run_dialogs.tcss"]

    def __init__(self, run: str, note: str) -> None:
        super().__init__()
        self._run, self._note = run, note

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog") as dialog:
            dialog.border_title = Content(_("Note on {run}").format(run=one_line(self._run)))
            yield TextArea(self._note, id="note", soft_wrap=True, tab_behavior="focus", show_line_numbers=False)
            yield PlainText("", id="problem")
            with Horizontal(id="choices"):
                yield Button(Content(_("Keep") + " [ctrl+g]"), id="ok", variant="primary", compact=True)
                yield Button(Content(_("Cancel")), id="cancel", compact=True)

    def on_mount(self) -> None:
        area = self.query_one(TextArea)
        area.move_cursor(area.document.end)
        area.focus()

    def on_text_area_changed(self) -> None:
        self._check()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "ok":
            self.action_take()
        else:
            self.dismiss(None)

    def action_take(self) -> None:
        """Keep the note."""
        if self._check():
            self.dismiss(self.query_one(TextArea).text)

    def action_dismiss_none(self) -> None:
        """Leave the note as it was."""
        self.dismiss(None)

    def _check(self) -> bool:
        length = len(self.query_one(TextArea).text)
        fits = length <= NOTE_LENGTH
        told = _("A note has at most {most} characters; this one has {n}.").format(most=NOTE_LENGTH, n=length)
        self.query_one("#problem", PlainText).show("" if fits else told)
        return fits
