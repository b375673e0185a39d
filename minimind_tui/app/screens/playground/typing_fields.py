"""Fields to type in that leave the screen its keys: no blinking, and no key of ours is taken for editing."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from textual.binding import Binding, BindingType
from textual.events import Key
from textual.message import Message
from textual.widgets import Input, TextArea

from minimind_tui.core.keys import keys_of


def _left_to_us(bindings: Iterable[BindingType]) -> list[BindingType]:
    """A field's own bindings without the keys that the application or the playground give a meaning."""
    ours = {name for key in (*keys_of("app"), *keys_of("playground")) for name in key.keys.split(",")}
    kept: list[BindingType] = []
    for binding in bindings:
        if isinstance(binding, Binding):
            names = [name for name in binding.key.split(",") if name not in ours]
            if names:
                kept.append(replace(binding, key=",".join(names)))
    return kept


class PromptArea(TextArea, inherit_bindings=False):
    """The prompt, of one or many lines. Enter is the screen's; up in the first line and down in the last leave it."""

    BINDINGS = _left_to_us(TextArea.BINDINGS)

    class Edge(Message):
        """The cursor would leave the text upwards or downwards."""

        def __init__(self, *, up: bool) -> None:
            super().__init__()
            self.up = up

    def __init__(self, text: str, **options: Any) -> None:
        super().__init__(
            text, soft_wrap=True, tab_behavior="focus", compact=True, highlight_cursor_line=False, **options
        )
        self.cursor_blink = False

    def on_mount(self) -> None:
        self.move_cursor(self.document.end)

    async def _on_key(self, event: Key) -> None:
        if event.key == "enter":
            event.prevent_default()  # no line break: the key goes on to the screen

    def action_cursor_up(self, select: bool = False) -> None:
        if not select and self.navigator.is_first_wrapped_line(self.cursor_location):
            self.post_message(self.Edge(up=True))
        else:
            super().action_cursor_up(select)

    def action_cursor_down(self, select: bool = False) -> None:
        if not select and self.navigator.is_last_wrapped_line(self.cursor_location):
            self.post_message(self.Edge(up=False))
        else:
            super().action_cursor_down(select)

    def put(self, text: str) -> None:
        """Replace the text, the cursor at its end; can be undone."""
        self.replace(text, (0, 0), self.document.end)
        self.move_cursor(self.document.end)


class OptionInput(Input, inherit_bindings=False):
    """One number; enter is the screen's."""

    BINDINGS = _left_to_us(Input.BINDINGS)

    def __init__(self, value: str, **options: Any) -> None:
        super().__init__(value, compact=True, select_on_focus=True, **options)
        self.cursor_blink = False
