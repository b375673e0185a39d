"""A run as a viewer follows it: status, metrics and events, read as they grow. Reading never touches the run."""

from array import array

from engine.run.folder import RunFolder
from engine.run.history import EventHistory, MetricsHistory, Series
from engine.run.jsonl_log import Line, Tail
from engine.run.observe import Observation, observe

POLL_SECONDS = 0.1
"""How long one poll reads at most, so that a screen stays alive over a huge file."""

_PIECE_SECONDS = 0.02


class RunView:
    """What can be seen of one run. Call `poll` now and then; make as many views as wanted, none disturbs another.

    `train` and `validation` hold columns (`train.steps`, `train.column("loss")`) in which each step comes once: what
    older attempts logged beyond a resume is dropped. `version` grows whenever lines changed them, `rewinds` whenever
    known steps were dropped, so that an incremental consumer starts over.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.version = 0
        self.rewinds = 0
        self.problem = ""
        """Why the logs could not be read at the last poll; empty when they could."""
        self._metrics = Tail(folder.metrics)
        self._events = Tail(folder.events)
        self._history = MetricsHistory()
        self._happenings = EventHistory()
        self._generations = (0, 0)
        self._observation: Observation | None = None

    @property
    def observation(self) -> Observation:
        """The run's state at the last poll."""
        if self._observation is None:
            self._observation = observe(self.folder)
        return self._observation

    @property
    def train(self) -> Series:
        """The log intervals of training."""
        return self._history.train

    @property
    def validation(self) -> Series:
        """The validations."""
        return self._history.validation

    @property
    def events(self) -> list[Line]:
        """The happenings, oldest first. Not to be changed."""
        return self._happenings.events

    @property
    def bad_lines(self) -> int:
        """Lines that could not be used: broken, or of a step or attempt that was over."""
        return self._metrics.bad_lines + self._events.bad_lines + self._history.refused

    @property
    def caught_up(self) -> bool:
        """Whether the last poll read to the end of the logs; if not, poll again soon."""
        return self._metrics.caught_up and self._events.caught_up

    def poll(self, seconds: float = POLL_SECONDS) -> bool:
        """Read what is new, for about `seconds`; True when logs or state changed. Costs three `stat`s when idle."""
        before, seen = self.version, self._observation
        # the state first: who sees a final state then has all lines that were written before it
        self._observation = observe(self.folder)
        try:
            metrics = self._metrics.poll(seconds)
            events = self._events.poll(seconds)
            self.problem = ""
        except OSError as error:
            self.problem = error.strerror or str(error)
            return seen is None or seen.state != self._observation.state
        self._start_over_if_replaced()
        dropped = self._history.dropped
        if metrics:
            self._history.feed(metrics)
        if events:
            self._happenings.feed(events)
        if metrics or events:
            self.version += 1
        if self._history.dropped != dropped:
            self.rewinds += 1
        return self.version != before or seen is None or seen.status != self._observation.status

    def read_all(self) -> None:
        """Read everything there is, in pieces: a log of a million lines is never in memory as such."""
        self.poll(_PIECE_SECONDS)
        while not self.caught_up and not self.problem:
            self.poll(_PIECE_SECONDS)

    def column(self, name: str) -> "array[float]":
        """A column of `train`, as long as `train.steps`."""
        return self.train.column(name)

    def _start_over_if_replaced(self) -> None:
        generations = (self._metrics.generation, self._events.generation)
        if generations[0] != self._generations[0]:
            self._history = MetricsHistory()
        if generations[1] != self._generations[1]:
            self._happenings = EventHistory()
        if generations != self._generations:
            self._generations = generations
            self.version += 1
            self.rewinds += 1
