"""Cells beside each other: all are seen where they can be, in the richest form that allows it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from minimind_tui.core.dashboard.cell_grid import GAP, Grid, fit_cells


def test_one_column_while_the_rows_suffice() -> None:
    assert fit_cells(8, [30, 12], 80, 10) == Grid(0, 1, 8)


def test_more_columns_before_a_poorer_form() -> None:
    assert fit_cells(8, [30, 12], 80, 4) == Grid(0, 2, 4)
    assert fit_cells(8, [30, 12], 80, 3) == Grid(1, 3, 3)


def test_where_there_is_no_room_as_many_columns_as_there_can_be() -> None:
    assert fit_cells(16, [400, 72], 74, 10) == Grid(1, 1, 16)
    assert fit_cells(16, [400, 72], 70, 10) is None


def test_columns_are_filled_from_above() -> None:
    assert Grid(0, 2, 3).lines(5) == [[0, 3], [1, 4], [2]]


@given(
    count=st.integers(1, 300),
    widths=st.lists(st.integers(1, 200), min_size=1, max_size=3),
    width=st.integers(1, 250),
    height=st.integers(-3, 60),
)
@settings(max_examples=200, deadline=None)
def test_every_cell_has_one_place_and_the_lines_are_no_wider_than_the_room(
    count: int, widths: list[int], width: int, height: int
) -> None:
    grid = fit_cells(count, widths, width, height)
    if grid is None:
        assert width < min(widths)
        return
    lines = grid.lines(count)
    assert sorted(cell for line in lines for cell in line) == list(range(count))
    assert max(len(line) for line in lines) * (widths[grid.form] + GAP) - GAP <= width
