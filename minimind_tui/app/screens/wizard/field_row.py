"""One setting on one line: its mark and name, its control, its unit, and what the preset has where it differs."""

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widgets import Input

from minimind_tui.app.guarding import shield_handlers
from minimind_tui.app.screens.wizard.choice_line import ChoiceLine
from minimind_tui.app.screens.wizard.form_input import FormInput
from minimind_tui.app.texts import PlainText, styled
from minimind_tui.core.wizard.form import FormField, unit_word

CONTROL = "field-"
"""What the id of a setting's control begins with."""


class FieldRow(Horizontal):
    """Shows a field of the form; posts what is typed or chosen."""

    class Edited(Message):
        """Another text stands in the field of a setting."""

        def __init__(self, setting: str, text: str) -> None:
            super().__init__()
            self.setting, self.text = setting, text

    class Entered(Message):
        """Enter was pressed in the field."""

    def __init__(self, field: FormField, preset: str) -> None:
        super().__init__(classes="field", id=f"row-{field.spec.name}")
        self.field, self._preset = field, preset

    def compose(self) -> ComposeResult:
        spec = self.field.spec
        yield PlainText(self._label(), classes="label")
        if spec.choices:
            yield ChoiceLine(
                [(choice, choice) for choice in spec.choices],
                self.field.text,
                id=CONTROL + spec.name,
                classes="control",
            )
        else:
            yield FormInput(self.field.text, id=CONTROL + spec.name, classes="control")
        if not spec.choices:
            yield PlainText(unit_word(spec.unit), classes="unit")
        yield PlainText(self._usual(), classes="usual")

    def on_mount(self) -> None:
        self._mark()

    def show(self, field: FormField) -> None:
        """Show the field as it is now."""
        before, self.field = self.field, field
        control = self.query_one(f"#{CONTROL}{field.spec.name}")
        if isinstance(control, ChoiceLine):
            control.show(field.text)
        elif isinstance(control, FormInput) and control.value != field.text:
            with control.prevent(Input.Changed):
                control.value = field.text
        if (before.changed, before.problem) != (field.changed, field.problem):
            self._mark()

    def _mark(self) -> None:
        self.set_class(bool(self.field.problem), "-wrong")
        self.set_class(self.field.changed, "-changed")
        self.query_one(".label", PlainText).show(self._label())
        self.query_one(".usual", PlainText).show(self._usual())

    def _label(self) -> Content:
        name = self.field.spec.name
        if self.field.problem:
            return styled(("! ", "bold $text-error"), (name, "$text-error"))
        if self.field.changed:
            return styled(("* ", "bold $text-accent"), (name, "bold"))
        return styled("  ", name)

    def _usual(self) -> str:
        return f"{self._preset}: {self.field.usual}" if self.field.changed else ""

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._edit(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.post_message(self.Entered())

    def on_choice_line_entered(self, event: ChoiceLine.Entered) -> None:
        event.stop()
        self.post_message(self.Entered())

    def on_choice_line_chosen(self, event: ChoiceLine.Chosen) -> None:
        event.stop()
        self._edit(event.value)

    def _edit(self, text: str) -> None:
        if text != self.field.text:
            self.post_message(self.Edited(self.field.spec.name, text))


shield_handlers(FieldRow)
