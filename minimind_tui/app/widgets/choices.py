"""One of a few: a list whose chosen row carries a mark, so that colour is not the only sign."""

from collections.abc import Sequence

from textual.content import Content
from textual.events import Resize
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from minimind_tui.app.widgets.row_list import RowList


class Choices(RowList):
    """Values with their words. Enter or space chooses; with `follow` the cursor alone does.
    `name` becomes the id as well.

    Posts `Choices.Chosen` when another value is chosen by the person, never for `choose`.
    """

    DEFAULT_CSS = """
    Choices { border: none; padding: 0; background: transparent; height: auto; scrollbar-size-vertical: 1; }
    Choices:focus { border: none; }
    Choices > .option-list--option-highlighted { background: transparent; color: $foreground; text-style: none; }
    Choices:focus > .option-list--option-highlighted {
        background: $cursor; color: $foreground; text-style: $cursor-style;
    }
    """
    BINDINGS = [("space", "select", "")]

    class Chosen(Message):
        """The person chose `value` of the list `choices`."""

        def __init__(self, choices: "Choices", value: str) -> None:
            super().__init__()
            self.choices, self.value = choices, value

    def __init__(self, options: Sequence[tuple[str, str]], chosen: str, *, follow: bool = False, name: str) -> None:
        super().__init__(name=name, id=name)
        self._values, self._follow = list(options), follow
        self.chosen = chosen
        self.choose(chosen)

    def choose(self, value: str) -> None:
        """Mark another value; its row comes under the cursor."""
        self.chosen = value
        values = [known for known, _words in self._values]
        rows = [Option(self._row(known, words), id=known) for known, words in self._values]
        with self.prevent(OptionList.OptionHighlighted):
            self.set_options(rows)
            self.highlighted = values.index(value) if value in values else None

    def _row(self, value: str, words: str) -> Content:
        return Content.assemble(("● ", "bold $text-primary") if value == self.chosen else "○ ", words)

    def on_mount(self) -> None:
        self.scroll_to_highlight()

    def on_resize(self, event: Resize) -> None:
        self.scroll_to_highlight()

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        if self._follow and self.has_focus:
            self._take(event.option_id)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self._take(event.option_id)

    def _take(self, value: str | None) -> None:
        if value is None or value == self.chosen:
            return
        before, self.chosen = self.chosen, value
        for known, words in self._values:
            if known in (before, value):
                self.replace_option_prompt(known, self._row(known, words))
        self.post_message(self.Chosen(self, value))
