"""How many equal cells stand beside each other so that all of them are seen, if they can be."""

from collections.abc import Sequence
from dataclasses import dataclass

GAP = 3
"""Blanks between two cells."""


@dataclass(frozen=True)
class Grid:
    """Cells in columns, each column filled from above. `form` is the place of the form chosen among those offered."""

    form: int
    columns: int
    rows: int

    def lines(self, count: int) -> list[list[int]]:
        """The numbers of the cells in each line."""
        return [list(range(row, count, self.rows)) for row in range(min(self.rows, count))]


def fit_cells(count: int, widths: Sequence[int], width: int, height: int) -> Grid | None:
    """A grid for `count` cells in the first form in which all have room, `widths` being those of the forms, the richest
    first. Where none does, as many columns as there can be of the last form; None when not even one has room.
    """
    last: Grid | None = None
    for form, wide in enumerate(widths):
        most = (width + GAP) // (wide + GAP)
        if most < 1:
            continue
        columns = max(1, min(most, -(-count // max(1, height))))
        last = Grid(form, columns, max(1, -(-count // columns)))
        if last.rows <= height:
            return last
    return last
