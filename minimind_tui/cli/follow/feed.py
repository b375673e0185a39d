"""What is new in a run's folder since the last look."""

from dataclasses import dataclass, field
from typing import Any

from engine.run.folder import RunFolder
from engine.run.jsonl_log import Tail
from engine.run.observe import Observation, observe
from engine.run.schema import ENDED_STATES, State

Line = dict[str, Any]

_PIECE_SECONDS = 0.05
"""How long a look reads a log, about: it holds the lines of so long in memory."""


@dataclass(frozen=True)
class News:
    """One look at a run: its state, and the log lines and happenings that came since the look before."""

    seen: Observation
    metrics: list[Line] = field(default_factory=list)
    events: list[Line] = field(default_factory=list)
    caught_up: bool = True
    """Whether these are all lines there are; a long log is read in pieces."""

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come by itself: the run ended, or it is paused."""
        return self.caught_up and (self.seen.state in ENDED_STATES or self.seen.state is State.PAUSED)


class RunFeed:
    """Looks at a run. Make it before the run goes on, to see everything from there; `from_start` also sees what was."""

    def __init__(self, folder: RunFolder, *, from_start: bool = False) -> None:
        self.folder = folder
        self._metrics = Tail(folder.metrics, 0 if from_start else _size(folder.metrics))
        self._events = Tail(folder.events, 0 if from_start else _size(folder.events))

    def look(self) -> News:
        """The run's state and what is new. A log that cannot be read now is read with the next look."""
        seen = observe(self.folder)
        # Read after the state: whatever a run logged before it ended is in these lines.
        metrics, events = _poll(self._metrics), _poll(self._events)
        return News(seen, metrics, events, self._metrics.caught_up and self._events.caught_up)


def _poll(tail: Tail) -> list[Line]:
    try:
        return tail.poll(_PIECE_SECONDS)
    except OSError:
        return []


def _size(path: Any) -> int:
    try:
        return int(path.stat().st_size)
    except OSError:
        return 0
