"""The form as one list: every line is drawn when it is seen, and the one under the cursor is edited in place.

One widget instead of several hundred: a key costs the drawing of two lines.
"""

from collections.abc import Callable, Sequence
from typing import Any

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding
from textual.events import Click, Focus, Key, Paste, Resize
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from engine.settings.declaration import Group
from minimind_tui.app.guarding import shield_handlers
from minimind_tui.app.screens.wizard.field_drawing import (
    BETWEEN,
    CONTROL_AT,
    Columns,
    FoldLine,
    Part,
    field_parts,
    fold_parts,
    window_start,
)
from minimind_tui.core.wizard.form import FormField
from minimind_tui.core.wizard.line_editor import LineEditor
from minimind_tui.safe_text import printable

Line = FormField | FoldLine

_WITH_BACKGROUND = frozenset({"input", "wrong-input", "active", "cursor"})


class FieldList(ScrollView, can_focus=True):
    """Fields and headings, one of them under the cursor. Typing edits a text; left, right and space choose.

    What is edited goes through `write`, which returns the field as it then is; `Edited` tells the owner afterwards.
    """

    COMPONENT_CLASSES = {
        f"fields--{name}"
        for name in (
            "plain", "muted", "changed", "usual", "wrong", "fold", "chosen", "cursor", "input", "wrong-input", "active",
            "row",
        )
    }  # fmt: skip
    BINDINGS = [
        Binding("up,shift+tab", "line(-1)", show=False),
        Binding("down,tab", "line(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("ctrl+home", "line(-1000)", show=False),
        Binding("ctrl+end", "line(1000)", show=False),
        Binding("left", "sideways(-1)", show=False),
        Binding("right", "sideways(1)", show=False),
        Binding("home", "end_of_text(0)", show=False),
        Binding("end", "end_of_text(1)", show=False),
        Binding("backspace", "edit('backspace')", show=False),
        Binding("delete", "edit('delete')", show=False),
        Binding("ctrl+w", "edit('delete_word')", show=False),
        Binding("ctrl+u", "edit('delete_to_start')", show=False),
        Binding("enter", "enter", show=False),
    ]

    class Edited(Message):
        """Another text stands in the field of a setting."""

        def __init__(self, setting: str) -> None:
            super().__init__()
            self.setting = setting

    class Turned(Message):
        """A group is to be shown, or folded."""

        def __init__(self, group: Group) -> None:
            super().__init__()
            self.group: Group = group

    class Moved(Message):
        """The cursor is on another line."""

    class Entered(Message):
        """Enter was pressed in a field."""

    class Left(Message):
        """The cursor would go above the first line (-1) or below the last (1)."""

        def __init__(self, way: int) -> None:
            super().__init__()
            self.way = way

    def __init__(
        self, lines: Sequence[Line], preset: str, write: Callable[[str, str], FormField], **options: Any
    ) -> None:
        super().__init__(**options)
        self._lines, self._preset, self._write = list(lines), preset, write
        self.cursor = 0
        self._editor = LineEditor("")
        self._begin_line()

    # -- what the owner says

    @property
    def line(self) -> Line | None:
        """The line under the cursor."""
        return self._lines[self.cursor] if 0 <= self.cursor < len(self._lines) else None

    @property
    def setting(self) -> str:
        """The setting under the cursor; empty on a heading."""
        line = self.line
        return line.spec.name if isinstance(line, FormField) else ""

    def show_lines(self, lines: Sequence[Line], at: str = "") -> None:
        """Show other lines; the cursor goes to `at` (see `key_of`), or stays on its line where that is still there."""
        wanted = at or (key_of(self.line) if self.line is not None else "")
        self._lines = list(lines)
        keys = [key_of(line) for line in self._lines]
        before = self.cursor
        self.cursor = keys.index(wanted) if wanted in keys else min(before, max(0, len(keys) - 1))
        self.virtual_size = Size(self.size.width, len(self._lines))
        self._begin_line()
        self.refresh()
        self.call_after_refresh(self._see_cursor)

    def set_line(self, changed: Line) -> None:
        """Show a line as it is now; where the cursor is, typing begins anew."""
        for place, line in enumerate(self._lines):
            if key_of(line) == key_of(changed) and line != changed:
                self._lines[place] = changed
                if place == self.cursor:
                    self._begin_line()
                self.refresh()

    def go_to(self, key: str) -> None:
        """Put the cursor on a line."""
        for place, line in enumerate(self._lines):
            if key_of(line) == key:
                self._move_to(place)

    # -- the cursor

    def _begin_line(self) -> None:
        line = self.line
        self._editor = LineEditor(line.text if isinstance(line, FormField) and not line.spec.choices else "")

    def _move_to(self, place: int) -> None:
        place = min(max(0, place), max(0, len(self._lines) - 1))
        self.cursor = place
        self._begin_line()
        self._see_cursor()
        self.refresh()
        self.post_message(self.Moved())

    def _see_cursor(self) -> None:
        if self._lines:
            self.scroll_to_region(Region(0, self.cursor, 1, 1), animate=False, immediate=True)

    def action_line(self, by: int) -> None:
        """Go to another line; beyond the ends the cursor leaves the list."""
        if abs(by) == 1 and not 0 <= self.cursor + by < len(self._lines):
            self.post_message(self.Left(by))
        else:
            self._move_to(self.cursor + by)

    def action_page(self, by: int) -> None:
        """Go a screenful on or back."""
        self._move_to(self.cursor + by * max(1, self.size.height - 1))

    def action_enter(self) -> None:
        """A heading folds or unfolds; in a field one is done."""
        line = self.line
        if isinstance(line, FoldLine):
            self.post_message(self.Turned(line.group))
        else:
            self.post_message(self.Entered())

    # -- editing

    def action_sideways(self, by: int) -> None:
        """In a text the character beside, else the choice beside; a heading unfolds to the right."""
        line = self.line
        if isinstance(line, FoldLine):
            if line.opened != (by > 0):
                self.post_message(self.Turned(line.group))
        elif line is not None and line.spec.choices:
            choices = line.spec.choices
            place = choices.index(line.text) + by if line.text in choices else 0
            self._edit_to(line, choices[place % len(choices)])
        elif line is not None:
            self._editor.move(by)
            self.refresh()

    def action_end_of_text(self, end: int) -> None:
        """To the beginning of the text, or to its end."""
        if self._is_text(self.line):
            self._editor.go(len(self._editor.text) if end else 0)
            self.refresh()
        else:
            self._move_to(len(self._lines) - 1 if end else 0)

    def action_edit(self, how: str) -> None:
        """Remove something from the text."""
        line = self.line
        if isinstance(line, FormField) and self._is_text(line):
            getattr(self._editor, how)()
            self._edit_to(line, self._editor.text)

    async def _on_key(self, event: Key) -> None:
        line, character = self.line, event.character
        if line is None or character is None or not event.is_printable:
            return
        if isinstance(line, FormField) and self._is_text(line):
            event.stop()
            event.prevent_default()
            self._insert(line, character)
        elif character == " ":
            event.stop()
            event.prevent_default()
            self.action_enter() if isinstance(line, FoldLine) else self.action_sideways(1)
        elif isinstance(line, FormField) and character.isalnum():
            event.stop()  # no letter is a key of ours in the middle of a form
            event.prevent_default()
            self._choose_by_letter(line, character)

    def on_paste(self, event: Paste) -> None:
        line = self.line
        if isinstance(line, FormField) and self._is_text(line):
            event.stop()
            self._insert(line, event.text)

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Whether a key is typed rather than a key of the screen."""
        return self._is_text(self.line) and character is not None and character.isprintable()

    def _insert(self, line: FormField, text: str) -> None:
        self._editor.insert(printable(text))
        self._edit_to(line, self._editor.text)

    def _choose_by_letter(self, line: FormField, letter: str) -> None:
        choices = line.spec.choices
        after = choices.index(line.text) + 1 if line.text in choices else 0
        for choice in (*choices[after:], *choices[:after]):
            if choice.startswith(letter.lower()):
                self._edit_to(line, choice)
                return

    def _edit_to(self, line: FormField, text: str) -> None:
        if text != line.text:
            self._lines[self.cursor] = self._write(line.spec.name, text)  # at once: the next key builds on it
            self.post_message(self.Edited(line.spec.name))
        self.refresh()

    @staticmethod
    def _is_text(line: Line | None) -> bool:
        return isinstance(line, FormField) and not line.spec.choices

    # -- the mouse

    def on_click(self, event: Click) -> None:
        place = event.y - self.gutter.top + self.scroll_offset.y
        if not 0 <= place < len(self._lines):
            return
        if place != self.cursor:
            self._move_to(place)
        line, column = self.line, event.x - self.gutter.left
        if isinstance(line, FoldLine):
            self.post_message(self.Turned(line.group))
        elif line is not None and line.spec.choices:
            left = CONTROL_AT
            for choice in line.spec.choices:
                if left <= column < left + cell_len(choice) + 2:
                    self._edit_to(line, choice)
                left += cell_len(choice) + 2 + BETWEEN
        elif line is not None and column >= CONTROL_AT:
            editor = self._editor
            start = 0 if editor.fresh else window_start(editor, Columns.of(self.size.width).control)
            wanted = start
            while wanted < len(editor.text) and cell_len(editor.text[start : wanted + 1]) <= column - CONTROL_AT:
                wanted += 1
            editor.go(wanted)
            self.refresh()

    # -- drawing

    def on_mount(self) -> None:
        self.virtual_size = Size(self.size.width, len(self._lines))

    def on_focus(self, event: Focus) -> None:
        self._begin_line()
        self._see_cursor()
        self.refresh()
        self.post_message(self.Moved())

    def on_blur(self) -> None:
        self.refresh()

    def on_resize(self, event: Resize) -> None:
        self.virtual_size = Size(self.size.width, len(self._lines))
        self.call_after_refresh(self._see_cursor)

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        place = y + self.scroll_offset.y
        if not 0 <= place < len(self._lines):
            return Strip.blank(width, self.rich_style)
        line, at_cursor = self._lines[place], place == self.cursor and self.has_focus
        if isinstance(line, FoldLine):
            parts = fold_parts(line)
        else:
            parts = field_parts(line, self._preset, Columns.of(width), self._editor if at_cursor else None)
        return Strip(self._segments(parts, at_cursor=at_cursor)).adjust_cell_length(width, self._row_style(at_cursor))

    def _segments(self, parts: list[Part], *, at_cursor: bool) -> list[Segment]:
        return [Segment(text, self._style(name, at_cursor=at_cursor)) for text, name in parts]

    def _style(self, name: str, *, at_cursor: bool) -> Style:
        """A component's style, on the line's background unless it has one of its own."""
        whole = self.get_component_rich_style(f"fields--{name}")
        if name in _WITH_BACKGROUND:
            return whole
        return self._row_style(at_cursor) + Style(color=whole.color, bold=whole.bold or None, dim=whole.dim or None)

    def _row_style(self, at_cursor: bool) -> Style:
        return self.get_component_rich_style("fields--row") if at_cursor else self.rich_style


def key_of(line: Line) -> str:
    """What a line is known by: the setting's name, or `+` and the group of a heading."""
    return f"+{line.group}" if isinstance(line, FoldLine) else line.spec.name


shield_handlers(FieldList)
