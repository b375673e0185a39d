"""The table of runs, decided without a screen: its columns, which of them fit, their words, and the order of rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.language import _
from engine.run.schema import State
from minimind_tui import words
from minimind_tui.core.home import age_words
from minimind_tui.core.run_facts import BROKEN, STATES, RunRow, age_of, facts, processes_of
from minimind_tui.core.run_filter import state_in_words
from minimind_tui.core.run_words import StateLook, look_of
from minimind_tui.safe_text import one_line

GAP = 2
"""Blanks between two columns."""

_LEAST_NAME, _MOST_NAME = 24, 60
_ACTIVITY: dict[str, int] = {
    State.STALLED: 0,
    State.RUNNING: 1,
    State.STARTING: 2,
    State.STOPPING: 3,
    State.PAUSED: 4,
    BROKEN: 5,
    State.CRASHED: 6,
    State.FAILED: 7,
    State.STOPPED: 8,
    State.CREATED: 9,
    State.FINISHED: 10,
}
"""The order of states: what needs a person's eye first."""


@dataclass(frozen=True)
class Column:
    """One column. `widest` is the longest text it is made for; `rank` says which ones stay where there is no room,
    the lowest first. `greatest_first`: whether one looks for its greatest values first.
    """

    key: str
    title: Callable[[], str]
    widest: Callable[[], Sequence[str]]
    text: Callable[[RunRow], str]
    value: Callable[[RunRow], float | str | None]
    rank: int
    right: bool = True
    greatest_first: bool = False


@dataclass(frozen=True)
class Order:
    """How the rows are ordered. `reverse` turns the column's own direction round."""

    key: str = "age"
    reverse: bool = False

    @property
    def descending(self) -> bool:
        """Whether the greatest come first."""
        return column_of(self.key).greatest_first is not self.reverse


def row_look(row: RunRow) -> StateLook:
    """The sign, word and colour of a row's state; a folder that cannot be read has its own."""
    if row.state == BROKEN:
        return StateLook("?", state_in_words(BROKEN), "error")
    return look_of(row.entry.seen.state)


def columns() -> tuple[Column, ...]:
    """Every column, in the order they stand."""
    return _COLUMNS


def column_of(key: str) -> Column:
    """The column of that key."""
    return next(column for column in _COLUMNS if column.key == key)


def layout(width: int, measure: Callable[[str], int], keep: str = "") -> list[tuple[Column, int]]:
    """The columns that fit into `width` columns of text, each with its width; the run's name takes what is left.

    `measure` tells how wide a text is. The column `keep`, by which rows are ordered, stays if any can.
    """
    wanted = {column.key: _width(column, measure) for column in _COLUMNS}
    chosen = [column for column in _COLUMNS if column.rank == 0]
    used = sum(wanted[column.key] + GAP for column in chosen) - GAP
    others = sorted((c for c in _COLUMNS if c.rank > 0), key=lambda column: (column.key != keep, column.rank))
    for column in others:
        if used + GAP + wanted[column.key] > width:
            if column.key == keep:
                continue
            break
        used += GAP + wanted[column.key]
        chosen.append(column)
    keys = {column.key for column in chosen}
    spare = width - used
    shown = [column for column in _COLUMNS if column.key in keys]
    return [
        (column, max(4, min(_MOST_NAME, wanted["run"] + spare)) if column.key == "run" else wanted[column.key])
        for column in shown
    ]


def ordered(rows: Sequence[RunRow], order: Order) -> list[RunRow]:
    """The rows in order; those without a value come last whichever way, equal ones newest first."""
    column = column_of(order.key)
    newest_first = sorted(rows, key=_made, reverse=True)
    known = [(value, row) for row in newest_first if (value := column.value(row)) is not None]
    unknown = [row for row in newest_first if column.value(row) is None]
    # sorted() is stable, also in reverse
    known.sort(key=lambda pair: pair[0], reverse=order.descending)
    return [row for _value, row in known] + unknown


def next_order(order: Order, shown: Sequence[str]) -> Order:
    """Ordered by the next of the columns that are shown."""
    keys = [key for key in shown if key in {column.key for column in _COLUMNS}]
    if not keys:
        return order
    position = keys.index(order.key) + 1 if order.key in keys else 0
    return Order(keys[position % len(keys)])


def chosen_order(order: Order, key: str) -> Order:
    """Ordered by a column; chosen again, the other way round."""
    return Order(key, not order.reverse) if key == order.key else Order(key)


def order_words(order: Order) -> str:
    """How the rows are ordered: `by loss, least first`."""
    column = column_of(order.key)
    if isinstance(column.value, _TextValue):
        told = _("by {column}, from the end") if order.descending else _("by {column}")
    elif column.key == "state":
        told = _("by {column}, the finished first") if order.descending else _("by {column}, the live first")
    elif column.key == "age":
        told = _("oldest first") if order.descending else _("newest first")
    else:
        told = _("by {column}, greatest first") if order.descending else _("by {column}, least first")
    return told.format(column=column.title())


def _width(column: Column, measure: Callable[[str], int]) -> int:
    return max(measure(column.title()), *(measure(text) for text in column.widest()))


def _made(row: RunRow) -> tuple[float, str]:
    return (row.entry.created or 0.0, row.key)


def _number(name: str) -> Callable[[RunRow], float | None]:
    fact = facts()[name]

    def value(row: RunRow) -> float | None:
        found = fact.values(row)
        return float(found[0]) if found and isinstance(found[0], int | float) else None

    return value


class _TextValue:
    """A text to order by, whatever its case; none for an empty one."""

    def __init__(self, read: Callable[[RunRow], str | None]) -> None:
        self._read = read

    def __call__(self, row: RunRow) -> str | None:
        text = self._read(row)
        return text.casefold() if text else None


def _shown(name: str, tell: Callable[[float | None], str]) -> Callable[[RunRow], str]:
    value = _number(name)

    def text(row: RunRow) -> str:
        found = value(row)
        return "" if found is None else tell(found)

    return text


def _progress(row: RunRow) -> str:
    share = row.share
    return "" if share is None else f"{int(share * 100)}%"


def _steps(row: RunRow) -> str:
    status = row.entry.seen.status
    if status is None or (not status.step and not status.total_steps):
        return ""
    if not status.total_steps:
        return words.count(status.step)
    return f"{words.count(status.step)}/{words.count(status.total_steps)}"


def _speed(row: RunRow) -> float | None:
    """Tokens a second, of an ended run the last that were logged."""
    return _number("tokens_per_s")(row)


def _speed_text(row: RunRow) -> str:
    speed = _speed(row)
    return "" if speed is None else words.count(speed)


def _eta_text(row: RunRow) -> str:
    eta = _number("eta")(row)
    return "" if eta is None else words.duration(eta)


def _age_text(row: RunRow) -> str:
    age = age_of(row)
    return "" if age is None else age_words(age)


def _preset(row: RunRow) -> str | None:
    return row.entry.manifest.preset if row.entry.manifest else None


def _device(row: RunRow) -> str:
    manifest, processes = row.entry.manifest, processes_of(row) or 1
    several = f"×{processes}" if processes > 1 else None
    return " ".join(filter(None, (manifest.device, several, manifest.dtype))) if manifest else ""


_COLUMNS: tuple[Column, ...] = (
    Column(
        "state",
        lambda: _("state"),
        lambda: [f"● {state_in_words(state)}" for state in STATES],
        lambda row: row_look(row).text,
        lambda row: float(_ACTIVITY[row.state]),
        rank=0,
        right=False,
    ),
    Column(
        "run",
        lambda: _("run"),
        lambda: ["x" * _LEAST_NAME],
        lambda row: one_line(row.entry.title),
        _TextValue(lambda row: row.entry.title),
        rank=0,
        right=False,
    ),
    Column(
        "preset", lambda: _("preset"), lambda: ["minimind"], lambda row: one_line(_preset(row) or ""),
        _TextValue(_preset), rank=6, right=False,
    ),
    Column(
        "progress", lambda: _("done"), lambda: ["100%"], _progress, _number("progress"), rank=1, greatest_first=True
    ),
    Column("steps", lambda: _("steps"), lambda: ["12.3k/45.6k"], _steps, _number("steps"), rank=9, greatest_first=True),
    Column("loss", lambda: _("loss"), lambda: ["12.345"], _shown("loss", words.loss), _number("loss"), rank=2),
    Column(
        "validation", lambda: _("best val"), lambda: ["12.345"], _shown("validation_loss", words.loss),
        _number("validation_loss"), rank=3,
    ),
    Column(
        "speed", lambda: _("tok/s"), lambda: ["123.4k"], _speed_text, _speed, rank=5, greatest_first=True
    ),
    Column("eta", lambda: _("left"), lambda: ["12h34m"], _eta_text, _number("eta"), rank=8),
    Column(
        "tokens", lambda: _("tokens"), lambda: ["123.4M"], _shown("tokens", words.count), _number("tokens"),
        rank=10, greatest_first=True,
    ),
    Column(
        "elapsed", lambda: _("trained"), lambda: ["12h34m"], _shown("elapsed", words.duration), _number("elapsed"),
        rank=11, greatest_first=True,
    ),
    Column(
        "parameters", lambda: _("params"), lambda: ["123.4M"], _shown("parameters", words.count),
        _number("parameters"), rank=12, greatest_first=True,
    ),
    Column(
        "size", lambda: _("size"), lambda: ["123.4 MB"], _shown("size", words.size), _number("size"),
        rank=7, greatest_first=True,
    ),
    Column("age", lambda: _("age"), lambda: [age_words(50.0), age_words(3000.0)], _age_text, age_of, rank=4),
    Column(
        "device", lambda: _("device"), lambda: ["x" * 22], lambda row: one_line(_device(row)),
        _TextValue(_device), rank=13, right=False,
    ),
)  # fmt: skip
