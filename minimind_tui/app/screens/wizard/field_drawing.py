"""How a line of the form looks: its mark, name, control, unit, and what the preset has where it differs."""

from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

from engine.language import _
from engine.settings.declaration import Group
from minimind_tui.core.dashboard.settings_table import group_word
from minimind_tui.core.wizard.form import FormField, unit_word
from minimind_tui.core.wizard.line_editor import LineEditor
from minimind_tui.safe_text import one_line

Part = tuple[str, str]
"""A text and the name of its style, without `fields--`."""

MARK, NAME, UNIT = 2, 23, 11
_LEAST_CONTROL, _MOST_CONTROL = 20, 60
_LEAST_USUAL = 14
BETWEEN = 2


@dataclass(frozen=True)
class FoldLine:
    """The heading of a group's advanced settings."""

    group: Group
    number: int
    changed: int
    opened: bool


@dataclass(frozen=True)
class Columns:
    """Where things stand on a line of so many columns."""

    control: int
    usual: int

    @classmethod
    def of(cls, width: int) -> "Columns":
        """The columns that a width allows."""
        left = width - MARK - NAME - UNIT
        control = min(_MOST_CONTROL, max(_LEAST_CONTROL, left - max(_LEAST_USUAL, left // 3)))
        return cls(control, max(0, left - control))


CONTROL_AT = MARK + NAME


def fold_parts(line: FoldLine) -> list[Part]:
    """`▸ Model: 9 advanced · 1 changed`."""
    title = _("{group}: {n} advanced").format(group=group_word(line.group), n=line.number)
    parts = [(f"{'▾' if line.opened else '▸'} {title}", "fold")]
    if line.changed:
        parts.append((" · " + _("{n} changed").format(n=line.changed), "usual"))
    return parts


def field_parts(field: FormField, preset: str, columns: Columns, editor: LineEditor | None) -> list[Part]:
    """One setting; `editor` is given where the cursor is."""
    spec = field.spec
    if field.problem:
        mark, name_style = ("! ", "wrong"), "wrong"
    elif field.changed:
        mark, name_style = ("* ", "usual"), "changed"
    else:
        mark, name_style = ("  ", "plain"), "plain"
    parts = [mark, (fitted(spec.name, NAME), name_style)]
    unit = unit_word(spec.unit)
    if spec.choices:
        parts += choice_parts(field, columns.control + UNIT, at_cursor=editor is not None)
    else:
        parts += text_parts(field, columns.control, editor)
        parts.append((fitted(f" {unit}", UNIT), "muted"))
    if field.changed and columns.usual:
        parts.append((fitted(one_line(f"{preset}: {field.usual}"), columns.usual), "usual"))
    return parts


def choice_parts(field: FormField, width: int, *, at_cursor: bool) -> list[Part]:
    """`● cosine  ○ linear`, in so many columns."""
    parts: list[Part] = []
    for choice in field.spec.choices:
        chosen = choice == field.text
        style = ("cursor" if at_cursor else "chosen") if chosen else "muted"
        parts += [(f"{'●' if chosen else '○'} {choice}", style), (" " * BETWEEN, "plain")]
    used = sum(cell_len(text) for text, _style in parts)
    return [*parts, (" " * max(0, width - used), "plain")]


def text_parts(field: FormField, width: int, editor: LineEditor | None) -> list[Part]:
    """The text in so many columns; where the cursor is, the part around it."""
    style = "wrong-input" if field.problem else "input"
    if editor is None:
        return [(fitted(one_line(field.text) if field.text.strip() else field.text, width), style)]
    if editor.fresh:
        shown = clipped(editor.text, width - 1)
        return [(shown, "cursor"), (" " * (width - cell_len(shown)), "active")]
    start = window_start(editor, width)
    before = editor.text[start : editor.cursor]
    under = editor.text[editor.cursor : editor.cursor + 1] or " "
    room = width - cell_len(before) - cell_len(under)
    after = clipped(editor.text[editor.cursor + 1 :], room)
    return [
        (before, "active"),
        (under, "cursor"),
        (after + " " * (room - cell_len(after)), "active"),
    ]


def window_start(editor: LineEditor, width: int) -> int:
    """The first character shown, so that the cursor is seen."""
    start = 0
    while cell_len(editor.text[start : editor.cursor]) + 2 > width:
        start += 1
    return start


def clipped(text: str, width: int) -> str:
    """As much of a text as fits."""
    while cell_len(text) > width:
        text = text[:-1]
    return text


def fitted(text: str, width: int) -> str:
    """A text in exactly so many columns, with an ellipsis where it is cut."""
    if cell_len(text) > width > 0:
        return set_cell_size(clipped(text, width - 2) + "…", width)
    return set_cell_size(text, width)
