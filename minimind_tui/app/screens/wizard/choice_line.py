"""One of a few words on one line, each with a mark: a switch, or a choice."""

from collections.abc import Sequence
from typing import Any

from textual.binding import Binding
from textual.content import Content
from textual.events import Click
from textual.message import Message
from textual.widget import Widget

from minimind_tui.app.screens.wizard.form_input import UP_AND_DOWN

_BETWEEN = "  "


class ChoiceLine(Widget, can_focus=True):
    """`● cosine  ○ linear  ○ wsd`. Left, right and space choose, a click too; `choices` are (value, words)."""

    DEFAULT_CSS = """
    ChoiceLine { height: 1; width: 1fr; }
    ChoiceLine:focus { text-style: none; }
    """
    BINDINGS = [
        Binding("right,space", "choose(1)", show=False),
        Binding("left", "choose(-1)", show=False),
        Binding("enter", "enter", show=False),
        *UP_AND_DOWN,
    ]

    class Chosen(Message):
        """Another value was chosen."""

        def __init__(self, line: "ChoiceLine", value: str) -> None:
            super().__init__()
            self.line, self.value = line, value

        @property
        def control(self) -> "ChoiceLine":
            """The line."""
            return self.line

    class Entered(Message):
        """Enter was pressed on the line."""

    def __init__(self, choices: Sequence[tuple[str, str]], value: str, **options: Any) -> None:
        super().__init__(**options)
        self.choices, self.value = list(choices), value

    def show(self, value: str) -> None:
        """Mark another value."""
        if value != self.value:
            self.value = value
            self.refresh()

    def render(self) -> Content:
        return Content(_BETWEEN).join(self._part(value, words) for value, words in self.choices)

    def _part(self, value: str, words: str) -> Content:
        if value != self.value:
            return Content.styled(f"○ {words}", "$text-muted")
        return Content.styled(f"● {words}", "bold reverse" if self.has_focus else "bold")

    def action_choose(self, by: int) -> None:
        """The next value, or the one before; behind the last comes the first."""
        values = [value for value, _words in self.choices]
        place = values.index(self.value) + by if self.value in values else 0
        self._take(values[place % len(values)])

    def action_enter(self) -> None:
        """Say that enter was pressed."""
        self.post_message(self.Entered())

    def on_click(self, event: Click) -> None:
        left = self.gutter.left
        for value, words in self.choices:
            width = self._part(value, words).cell_length
            if left <= event.x < left + width:
                self._take(value)
                return
            left += width + len(_BETWEEN)

    def _take(self, value: str) -> None:
        if value != self.value:
            self.show(value)
            self.post_message(self.Chosen(self, value))
