"""Several trackers as one, each on a thread of its own, so that a slow, dead or broken one cannot hurt the run."""

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from engine.language import _
from engine.train.trackers.base import RunInfo, Tracker

QUEUE_SIZE = 1000
STALL_SECONDS = 180.0
FINISH_SECONDS = 20.0


class Trackers:
    """All trackers of a run.

    `log` and `sample` only put into a bounded queue and never wait. A tracker that raises, takes more than
    `stall_seconds` for one call, or lets its queue fill up is switched off and reported once to `on_problem(name,
    sentence)`, always from the thread that calls this object. `finish` waits at most `finish_seconds` for all of them
    together. Used from one thread.
    """

    def __init__(
        self,
        trackers: Sequence[Tracker],
        info: RunInfo,
        on_problem: Callable[[str, str], None],
        *,
        queue_size: int = QUEUE_SIZE,
        stall_seconds: float = STALL_SECONDS,
        finish_seconds: float = FINISH_SECONDS,
    ) -> None:
        self._on_problem = on_problem
        self._finish_seconds = finish_seconds
        self._channels = [_Channel(tracker, info, queue_size, stall_seconds) for tracker in trackers]

    @property
    def active(self) -> tuple[str, ...]:
        """The names of the trackers that are still reported to."""
        return tuple(channel.name for channel in self._channels if channel.problem is None)

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Report numbers as of `step` updates."""
        values = dict(metrics)
        self._send(lambda tracker: tracker.log(values, step))

    def sample(self, text: str, step: int) -> None:
        """Report a text the model wrote after `step` updates."""
        self._send(lambda tracker: tracker.sample(text, step))

    def finish(self, state: str) -> None:
        """End all reports, waiting at most `finish_seconds`; a tracker that takes longer is given up."""
        deadline = time.monotonic() + self._finish_seconds
        for channel in self._channels:
            channel.close(state)
        for channel in self._channels:
            channel.join(deadline)
        self._report()
        self._channels = []

    def _send(self, call: Callable[[Tracker], None]) -> None:
        for channel in self._channels:
            channel.put(call)
        self._report()

    def _report(self) -> None:
        for channel in self._channels:
            if channel.problem is not None and not channel.reported:
                channel.reported = True
                self._on_problem(channel.name, channel.problem)


class _Channel:
    """One tracker, its queue and its thread. `problem` is set once, by either side, and ends the reporting."""

    def __init__(self, tracker: Tracker, info: RunInfo, queue_size: int, stall_seconds: float) -> None:
        self.name = tracker.name
        self.problem: str | None = None
        self.reported = False
        self._tracker = tracker
        self._stall_seconds = stall_seconds
        self._busy_since: float | None = time.monotonic()
        self._queue: queue.Queue[Callable[[Tracker], None] | None] = queue.Queue(queue_size)
        self._thread = threading.Thread(
            target=self._work, args=(info,), name=f"tracker-{tracker.name}", daemon=True
        )  # a daemon: a call that never returns must not keep the process alive
        self._thread.start()

    def put(self, call: Callable[[Tracker], None] | None) -> None:
        """Queue a call, or switch the tracker off when it does not keep up."""
        if self.problem is not None:
            return
        busy_since = self._busy_since
        if busy_since is not None and time.monotonic() - busy_since > self._stall_seconds:
            self._give_up(_("did not answer for {seconds:.0f} s").format(seconds=self._stall_seconds))
            return
        try:
            self._queue.put_nowait(call)
        except queue.Full:
            self._give_up(_("is too slow: {count} reports are waiting").format(count=self._queue.qsize()))

    def close(self, state: str) -> None:
        """Queue the end of the report."""
        self.put(lambda tracker: tracker.finish(state))
        self.put(None)

    def join(self, deadline: float) -> None:
        """Wait for the thread until `deadline` on the monotonic clock, then give the tracker up."""
        if self.problem is None:
            self._thread.join(max(0.0, deadline - time.monotonic()))
            if self._thread.is_alive():
                self._give_up(_("did not finish in time; what it had not sent yet may be missing there"))

    def _give_up(self, why: str) -> None:
        self.problem = _("{name} {why}. It is switched off; training goes on.").format(name=self.name, why=why)
        self._tracker.abandon()

    def _work(self, info: RunInfo) -> None:
        call: Callable[[Tracker], None] | None = lambda tracker: tracker.start(info)  # noqa: E731
        try:
            while call is not None and self.problem is None:
                self._busy_since = time.monotonic()
                call(self._tracker)
                self._busy_since = None
                call = self._queue.get()
        except (Exception, SystemExit) as error:  # a tracker's failure is never the run's
            why = _("failed ({kind}: {error})").format(kind=type(error).__name__, error=_first_line(error))
            if self.problem is None:
                self.problem = _("{name} {why}. It is switched off; training goes on.").format(name=self.name, why=why)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else ""
