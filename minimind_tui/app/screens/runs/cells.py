"""Texts cut and filled to a number of columns; wide characters take two."""

from rich.cells import cell_len, set_cell_size

_LEAST_TO_SPLIT = 8


def fit(text: str, width: int, *, right: bool) -> str:
    """A text that is no wider than `width`, filled up with blanks; `right` puts it to the right."""
    blanks = " " * (width - cell_len(text))
    return blanks + text if right else text + blanks


def cut(text: str, width: int) -> str:
    """A text cut to `width` columns at its end, with a sign that it was."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1).rstrip() + "…" if width > 1 else "…"[: max(0, width)]


def cut_middle(text: str, width: int) -> str:
    """An id or a path cut to `width` columns: many share their beginning, so the end stays."""
    if cell_len(text) <= width or width < _LEAST_TO_SPLIT:
        return cut(text, width)
    head = min(9, width // 3)
    tail = text
    while cell_len(tail) > width - head - 1:
        tail = tail[max(1, (cell_len(tail) - width + head + 1) // 2) :]
    return set_cell_size(text, head) + "…" + tail
