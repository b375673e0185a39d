"""The options of writing in one row, and what is wrong with them below."""

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message

from engine.language import _
from minimind_tui.app.screens.playground.typing_fields import OptionInput
from minimind_tui.app.texts import PlainText
from minimind_tui.core.playground import OPTION_NAMES, WritingOptions, option_help, option_label


class OptionRow(Vertical):
    """Fields for temperature, top-k, top-p, seed and the number of tokens.

    `texts` is what is typed, right or wrong; `options` holds the last right values.
    """

    class Changed(Message):
        """Something was typed."""

        def __init__(self, options: WritingOptions, texts: dict[str, str]) -> None:
            super().__init__()
            self.options, self.texts = options, texts

    def __init__(self, options: WritingOptions, texts: dict[str, str]) -> None:
        super().__init__(id="options")
        self._options = options
        self._texts = {name: texts.get(name, options.text_of(name)) for name in OPTION_NAMES}
        self._problems: dict[str, str] = {}

    @property
    def problem(self) -> str:
        """What is wrong with the first wrong field; empty when all are right."""
        return next((self._problems[name] for name in OPTION_NAMES if self._problems.get(name)), "")

    def compose(self) -> ComposeResult:
        with Horizontal():
            for name in OPTION_NAMES:
                yield PlainText(option_label(name), classes="dim")
                field = OptionInput(
                    self._texts[name], id=f"option-{name}", placeholder=_("random") if name == "seed" else ""
                )
                field.tooltip = option_help(name)
                yield field
        yield PlainText("", id="option-problem", classes="bad")

    def on_mount(self) -> None:
        for name in OPTION_NAMES:
            self._read(name, self._texts[name])
        self._show()

    def focus_problem(self) -> None:
        """Put the cursor into the first wrong field."""
        for name in OPTION_NAMES:
            if self._problems.get(name):
                self.query_one(f"#option-{name}", OptionInput).focus()
                return

    def on_input_changed(self, event: OptionInput.Changed) -> None:
        event.stop()
        name = (event.input.id or "").removeprefix("option-")
        self._read(name, event.value)
        self._show()
        self.post_message(self.Changed(self._options, dict(self._texts)))

    def _read(self, name: str, text: str) -> None:
        self._texts[name] = text
        self._options, self._problems[name] = self._options.with_text(name, text)

    def _show(self) -> None:
        for name in OPTION_NAMES:
            self.query_one(f"#option-{name}").set_class(bool(self._problems.get(name)), "-invalid")
        line = self.query_one("#option-problem", PlainText)
        line.show(self.problem)
        line.display = bool(self.problem)
