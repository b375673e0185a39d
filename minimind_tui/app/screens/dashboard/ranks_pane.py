"""The ranks of a run of several processes: time of an update and wait for data of each, the slowest marked."""

from collections.abc import Sequence

from rich.cells import cell_len
from textual.content import Content
from textual.events import Resize

from engine.language import _
from minimind_tui.app.screens.dashboard.panes import LinesPane
from minimind_tui.app.texts import styled
from minimind_tui.core import ranks
from minimind_tui.core.dashboard.cell_grid import GAP, fit_cells
from minimind_tui.core.dashboard.numbers import share
from minimind_tui.core.experts import level_sign
from minimind_tui.core.ranks import RankLook, RankTime

_MARK = "◀"
_TIME, _SIGN = 8, 2
_SHARE = 6
_LEAST_BAR = 8


class RanksPane(LinesPane):
    """A line for each rank, or several beside each other where there are many."""

    def __init__(self) -> None:
        super().__init__("pane-ranks")
        self._look: RankLook | None = None
        self._processes = 1
        self._ready = False

    def show(self, look: RankLook | None, processes: int) -> None:
        """Show how the ranks keep pace; None when no interval has told yet."""
        self._look, self._processes = look, processes
        self._draw()

    def on_mount(self) -> None:
        self._ready = True
        self._draw()

    def on_resize(self, _event: Resize) -> None:
        self._draw()

    def _draw(self) -> None:
        region = self.scrollable_content_region
        if not self._ready or region.width < 1:
            return
        if self._look is None:
            told = _("{n} processes; no log interval has told of their times yet.").format(n=self._processes)
            self.show_lines([styled((told, "$quiet"))])
        else:
            self.show_lines(_lines(self._look, region.width, max(1, region.height)))


def _lines(look: RankLook, width: int, height: int) -> list[Content]:
    if look.intervals > 1:
        told = _("{n} ranks, mean of {intervals} intervals to step {step}")
    else:
        told = _("{n} ranks, step {step}")
    words = told.format(n=len(look.ranks), intervals=look.intervals, step=look.step)
    above = [styled((words, "$quiet"))]
    uneven = ranks.is_uneven(look)
    for number, line in enumerate(ranks.rank_lines(look)):
        above.append(styled((f"! {line}", "bold $text-warning")) if uneven and number == 0 else styled(line))
    room = height - sum(-(-line.cell_length // width) for line in above) - 1
    mark = f" {_MARK} " + _("slowest")
    name = max(cell_len(_("rank")), len(str(len(look.ranks) - 1)))
    narrow = name + 1 + _TIME + 1 + _SIGN + _wait() + 2
    rich = name + 1 + _TIME + 2 + _LEAST_BAR + 1 + _wait() + cell_len(mark)
    if len(look.ranks) <= room and rich <= width:
        bar = width - (rich - _LEAST_BAR)
        head = _head(name, 2 + bar + 1)
        body = [_bar_line(one, look, name, min(bar, 60), mark) for one in look.ranks]
        return [*above, head if bar <= 60 else _head(name, 63), *body]
    grid = fit_cells(len(look.ranks), [narrow], width, room)
    columns, rows = (1, len(look.ranks)) if grid is None else (grid.columns, grid.rows)
    blank = Content(" " * GAP)
    body = [
        blank.join([_cell(look.ranks[rank], look, name) for rank in range(row, len(look.ranks), rows)])
        for row in range(min(rows, len(look.ranks)))
    ]
    head = blank.join([_head(name, 1 + _SIGN) + Content("  ")] * columns)
    if len(body) > room:
        above.append(styled((_("Arrow keys scroll."), "$quiet")))
    return [*above, head, *body]


def _head(name: int, between: int) -> Content:
    """The columns' titles: rank, time, and after `between` columns the wait for data."""
    time = _right(_("update"), _TIME)
    text = _right(_("rank"), name) + " " + time + " " * between + _right(_("data wait"), _wait())
    return styled((text, "$quiet"))


def _bar_line(one: RankTime, look: RankLook, name: int, bar: int, mark: str) -> Content:
    filled = round(bar * _of_longest(one, look))
    slowest = one.rank == look.slowest
    tone = "bold $text-warning" if slowest and ranks.is_uneven(look) else "$text-primary"
    return styled(
        (f"{one.rank:>{name}} ", "$quiet"),
        (_right(ranks.step_time(one.seconds), _TIME), "bold"),
        "  ",
        ("━" * filled, tone),
        " " * (bar - filled + 1),
        _right(share(one.data_wait), _wait()),
        (mark if slowest else "", tone),
    )


def _cell(one: RankTime, look: RankLook, name: int) -> Content:
    slowest = one.rank == look.slowest
    tone = "bold $text-warning" if slowest and ranks.is_uneven(look) else "$text-primary"
    return styled(
        (f"{one.rank:>{name}} ", "$quiet"),
        (_right(ranks.step_time(one.seconds), _TIME), "bold"),
        " ",
        (f"{level_sign(_of_longest(one, look)) if one.seconds is not None else ' '} ", tone),
        _right(share(one.data_wait), _wait()),
        (f" {_MARK}" if slowest else "  ", tone),
    )


def _wait() -> int:
    """Columns of the wait for data."""
    return max(_SHARE, cell_len(_("data wait")))


def _of_longest(one: RankTime, look: RankLook) -> float:
    longest = max(_known(look.ranks), default=0.0)
    return one.seconds / longest if one.seconds is not None and longest > 0 else 0.0


def _known(every: Sequence[RankTime]) -> list[float]:
    return [one.seconds for one in every if one.seconds is not None]


def _right(text: str, width: int) -> str:
    return " " * (width - cell_len(text)) + text
