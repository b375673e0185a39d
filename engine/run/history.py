"""What a run's logs say once the attempts are put in order: columns of numbers, and a list of events.

A resumed attempt begins at its checkpoint's step. What older attempts logged beyond it was undone, and the new attempt
logs it again: readers drop the old lines, so that every step comes once and none is missing.
"""

from array import array
from bisect import bisect_left
from collections import deque
from itertools import groupby, islice
from operator import itemgetter, lt
from typing import Any

from engine.run.interval_lists import KEPT, IntervalLists, lists_of
from engine.run.jsonl_log import Line
from engine.run.schema import EventKind

NOT_A_NUMBER = float("nan")

MOST_COLUMNS = 256
"""Names of numbers that a log's lines may have in all: each is a column as long as the log, and lines that all have
names of their own would fill any memory."""

# Happenings of the training itself, undone with the steps they belong to. All others (a start, an answer to a request,
# an error) happened whatever came after.
_UNDONE_WITH_STEPS = frozenset({EventKind.CHECKPOINT, EventKind.VALIDATION, EventKind.SAMPLE, EventKind.GUARD})

_MAX_STEP = 1 << 62
_NO_COLUMNS = frozenset({"v", "step", "attempt"})
_NUMBERS = frozenset({int, float})
_FEW = 8
"""Fewer lines at once are not worth a column-wise look."""


class Series:
    """Lines of one kind as columns; steps strictly grow.

    `steps[i]` and `column(name)[i]` belong together. Columns are arrays of doubles; NaN where a line has
    no such number.
    """

    def __init__(self) -> None:
        self.steps = array("q")
        self.attempts = array("q")
        self.last: Line | None = None
        """The newest line as it was written; None after a rewind until the next one."""
        self.dropped = 0
        """Lines dropped because a newer attempt began before them."""
        self.lists: deque[IntervalLists] = deque(maxlen=KEPT)
        """What the newest lines said in lists, oldest first; empty for lines of numbers alone. Not to be changed."""
        self._columns: dict[str, array[float]] = {}
        self._attempt = 0

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def names(self) -> list[str]:
        """The columns there are, in the order they first came."""
        return list(self._columns)

    def column(self, name: str) -> "array[float]":
        """The numbers of one column, as long as `steps`; all NaN when no line has it. Not to be changed."""
        column = self._columns.get(name)
        return array("d", [NOT_A_NUMBER]) * len(self.steps) if column is None else column

    def begin_attempt(self, attempt: int, start_step: int) -> int:
        """An attempt opens at `start_step`: drops older lines beyond it; returns how many."""
        if attempt < self._attempt:
            return 0
        self._attempt = attempt
        return self._drop_from(start_step + 1)

    def add(self, line: Line) -> bool:
        """Take a line; False when it is refused: no step, an ended attempt's, or a step this attempt already logged."""
        step, attempt = line.get("step"), line.get("attempt")
        if type(step) is not int or type(attempt) is not int or attempt < self._attempt:
            return False
        if not (0 <= step < _MAX_STEP and attempt < _MAX_STEP):
            return False
        if self.steps and step <= self.steps[-1]:
            if self.attempts[-1] >= attempt:
                return False
            # without its header (torn, or lost on a full disk) the first line of a newer attempt still takes over
            self._drop_from(step)
        self._attempt = attempt
        count = len(self.steps)
        columns = self._columns
        has_list = False
        for name, value in line.items():
            kind = type(value)
            if kind is float or kind is int:
                column = columns.get(name)
                if column is None:
                    if name in _NO_COLUMNS or len(columns) >= MOST_COLUMNS:
                        continue
                    columns[name] = column = array("d", [NOT_A_NUMBER]) * count
                column.append(value)
            elif kind is list:
                has_list = True
        self.steps.append(step)
        self.attempts.append(attempt)
        for column in columns.values():
            if len(column) == count:
                column.append(NOT_A_NUMBER)
        self.last = line
        if has_list:
            self._keep_lists([line])
        return True

    def add_many(self, lines: list[Line]) -> int:
        """Take lines in order, as `add` does one by one, several times as fast; returns how many were refused."""
        if len(lines) < _FEW or not self._continued_by(lines):
            return sum(not self.add(line) for line in lines)
        count = len(self.steps)
        try:
            columns = [(name, list(map(itemgetter(name), lines))) for name in lines[0]]
        except KeyError:  # as many keys, but others
            return sum(not self.add(line) for line in lines)
        has_list = False
        for name, values in columns:
            types = set(map(type, values))
            has_list = has_list or list in types
            if name in _NO_COLUMNS or types.isdisjoint(_NUMBERS):
                continue
            if not types <= _NUMBERS:
                values = [value if type(value) in _NUMBERS else NOT_A_NUMBER for value in values]
            if name not in self._columns:
                if len(self._columns) >= MOST_COLUMNS:
                    continue
                self._columns[name] = array("d", [NOT_A_NUMBER]) * count
            self._columns[name].extend(array("d", values))
        self.steps.extend(map(itemgetter("step"), lines))
        self.attempts.extend([self._attempt] * len(lines))
        for column in self._columns.values():
            column.extend([NOT_A_NUMBER] * (len(self.steps) - len(column)))
        self.last = lines[-1]
        if has_list:
            self._keep_lists(lines)
        return 0

    def _keep_lists(self, lines: list[Line]) -> None:
        found = (one for line in reversed(lines) if (one := lists_of(line)) is not None)
        self.lists.extend(list(islice(found, KEPT))[::-1])

    def _continued_by(self, lines: list[Line]) -> bool:
        """Whether the lines simply go on, all with as many keys: of this attempt, each step greater than the last."""
        if set(map(len, lines)) != {len(lines[0])}:
            return False
        steps: list[Any] = [line.get("step") for line in lines]
        attempts: list[Any] = [line.get("attempt") for line in lines]
        if {*map(type, steps), *map(type, attempts)} != {int} or set(attempts) != {self._attempt}:
            return False
        before = self.steps[-1] if self.steps else -1
        return before < steps[0] and steps[-1] < _MAX_STEP and all(map(lt, steps, steps[1:]))

    def _drop_from(self, step: int) -> int:
        cut = bisect_left(self.steps, step)
        dropped = len(self.steps) - cut
        if dropped:
            self.dropped += dropped
            del self.steps[cut:], self.attempts[cut:]
            for column in self._columns.values():
                del column[cut:]
            while self.lists and self.lists[-1].step >= step:
                self.lists.pop()
            self.last = None
        return dropped


def _kind_of(line: Line) -> object:
    return line.get("kind")


class MetricsHistory:
    """metrics.jsonl in order: `train` and `validation` series. Feed it raw lines."""

    def __init__(self) -> None:
        self.train = Series()
        self.validation = Series()
        self.refused = 0
        """Lines left out: of no known kind, or of an attempt or step that was over."""

    def feed(self, lines: list[Line]) -> None:
        """Take lines in the order of the file."""
        for kind, group in groupby(lines, _kind_of):
            if kind == "train":
                self.refused += self.train.add_many(list(group))
            elif kind == "validation":
                self.refused += self.validation.add_many(list(group))
            else:
                self.refused += sum(not (kind == "attempt" and self._begin(line)) for line in group)

    @property
    def dropped(self) -> int:
        """Lines dropped because a newer attempt began before them."""
        return self.train.dropped + self.validation.dropped

    def _begin(self, line: Line) -> bool:
        attempt, start_step = line.get("attempt"), line.get("start_step")
        if type(attempt) is not int or type(start_step) is not int:
            return False
        self.train.begin_attempt(attempt, start_step)
        self.validation.begin_attempt(attempt, start_step)
        return True


class EventHistory:
    """events.jsonl in order. Happenings of undone steps are dropped; what processes and people did stays."""

    def __init__(self) -> None:
        self.events: list[Line] = []
        self._start_step: object = None

    def feed(self, lines: list[Line]) -> None:
        """Take lines in the order of the file."""
        for line in lines:
            if line.get("kind") == EventKind.ATTEMPT:
                self._begin(line)
            elif line.get("kind") == EventKind.VALIDATION and line.get("step") == self._start_step:
                self._replace(line)
            if isinstance(line.get("kind"), str):
                self.events.append(line)

    def _begin(self, header: Line) -> None:
        attempt, start_step = header.get("attempt"), header.get("start_step")
        if type(attempt) is int and type(start_step) is int:
            self._start_step = start_step
            self.events = [event for event in self.events if not _undone(event, attempt, start_step)]

    def _replace(self, line: Line) -> None:
        """A validation that the checkpoint owed was made by an older attempt as well, which was then undone."""
        again = (EventKind.VALIDATION, line.get("step"))
        self.events = [
            event
            for event in self.events
            if (event.get("kind"), event.get("step")) != again or event.get("attempt") == line.get("attempt")
        ]


def _undone(event: dict[str, Any], attempt: int, start_step: int) -> bool:
    if event.get("kind") not in _UNDONE_WITH_STEPS:
        return False
    step, of_attempt = event.get("step"), event.get("attempt")
    return type(step) is int and type(of_attempt) is int and of_attempt < attempt and step > start_step
