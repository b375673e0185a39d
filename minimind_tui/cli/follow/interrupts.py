"""Ctrl-C and SIGTERM while a run is followed: counted in the signal handler, acted upon between two looks."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from engine.errors import UserError
from engine.language import _
from engine.run.control import send_request
from engine.run.folder import RunFolder


class Interrupts:
    """How often the person, or whoever ends this process, asked to stop."""

    def __init__(self) -> None:
        self.count = 0

    def interrupted(self, *_signal: Any) -> None:
        """Ctrl-C: each one counts."""
        self.count += 1

    def terminated(self, *_signal: Any) -> None:
        """SIGTERM, as from a container that is stopped: like one Ctrl-C, however often it comes."""
        self.count = max(1, self.count)


@contextmanager
def counted_interrupts() -> Iterator[Interrupts]:
    """While it lasts SIGINT and SIGTERM are counted. SIGHUP keeps its meaning: the run goes on without a viewer."""
    interrupts = Interrupts()
    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, interrupts.interrupted),
        signal.SIGTERM: signal.signal(signal.SIGTERM, interrupts.terminated),
    }
    try:
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Stopper:
    """Turns the number of interrupts so far into requests to the run, each sent once."""

    def __init__(self, folder: RunFolder, notice: Callable[[str], None]) -> None:
        self._folder = folder
        self._notice = notice
        self._said = 0
        self._sent = 0

    def interrupted(self, count: int) -> None:
        """Ask for a stop at the first interrupt, for one without saving at the second."""
        if count > self._said:
            self._said = count
            if count == 1:
                self._notice(
                    _("Stopping after this micro-batch and saving. Ctrl-C again stops at once, without saving.")
                )
            else:
                self._notice(_("Stopping at once."))
        if count > self._sent:
            try:
                send_request(self._folder, "stop", {"now": True} if count > 1 else {})
                self._sent = count
            except UserError:
                # Too early (nothing has begun that could be asked) or too late (it has just ended): the next look
                # tells which, and asks again.
                return
