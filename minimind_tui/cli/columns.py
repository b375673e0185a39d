"""Rows of words under each other in columns. rich draws prettier tables and takes a millisecond a row."""

from collections.abc import Sequence
from dataclasses import dataclass

GAP = 2
"""Blanks between two columns."""

_LEAST = 8
"""A column that shrinks keeps so many columns of text."""


@dataclass(frozen=True)
class Column:
    """A column's title. `shrinks`: it is cut where a row is wider than the terminal."""

    title: str
    right: bool = True
    shrinks: bool = False


def table_lines(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None, colours: Sequence[str]
) -> list[str]:
    """The table's lines, the titles first, none wider than `width` where a column may shrink; None is any width.

    `colours` holds for each row the code of a terminal's colour for its second cell, or nothing. The cells must have
    passed through `one_line`.
    """
    titles = [column.title for column in columns]
    widths = [max(map(text_width, cells)) for cells in zip(titles, *rows, strict=True)]
    excess = 0 if width is None else sum(widths) + GAP * (len(widths) - 1) - width
    widths = [
        max(_LEAST, wide - excess) if column.shrinks and excess > 0 else wide
        for column, wide in zip(columns, widths, strict=True)
    ]
    shape = list(zip(columns, widths, strict=True))
    lines = []
    for cells, colour in zip([titles, *rows], ["", *colours], strict=True):
        fitted = [_fit(cell, wide, column.right) for cell, (column, wide) in zip(cells, shape, strict=True)]
        if colour:
            fitted[1] = f"\033[{colour}m{cells[1]}\033[0m{fitted[1][len(cells[1]) :]}"
        lines.append((" " * GAP).join(fitted).rstrip())
    return lines


def text_width(text: str) -> int:
    """The columns a terminal needs for `text`."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _fit(text: str, width: int, right: bool) -> str:
    missing = width - text_width(text)
    if missing < 0:
        from rich.cells import set_cell_size

        return set_cell_size(text, width - 1) + "…"
    return " " * missing + text if right else text + " " * missing
