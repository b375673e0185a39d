"""Follows a run until it ends. A viewer reads the run's folder and asks through it; closing it hurts nothing."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from engine.errors import UserError
from engine.language import _
from engine.run.control import send_request
from engine.run.folder import RunFolder
from engine.run.observe import Observation, observe
from engine.run.schema import ENDED_STATES, State
from minimind_tui.cli import exit_codes
from minimind_tui.cli.follow.displays import Display, choose_display
from minimind_tui.cli.follow.feed import RunFeed
from minimind_tui.cli.follow.summary import summarise

LOOKS_A_SECOND = 4


class Interrupts:
    """Ctrl-C, counted: what it means is decided between two looks at the run, not inside a signal handler."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, *_signal: Any) -> None:
        """The signal handler."""
        self.count += 1


def follow(feed: RunFeed, *, json_lines: bool, interrupt_stops: bool) -> int:
    """Show a run until it ends or pauses; returns the exit code.

    `interrupt_stops`: Ctrl-C asks the run to save and stop, a second one to stop at once. Otherwise (`attach`) Ctrl-C
    leaves the run alone and ends the watching.
    """
    with _counted_interrupts() as interrupts:
        display = choose_display(feed.folder, json_lines=json_lines)
        try:
            return _follow(feed, display, interrupts, interrupt_stops=interrupt_stops)
        finally:
            display.close()


def _follow(feed: RunFeed, display: Display, interrupts: Interrupts, *, interrupt_stops: bool) -> int:
    stopper = _Stopper(feed.folder, display.notice)
    while True:
        news = feed.look()
        display.show(news)
        if news.is_over:
            summary = summarise(feed.folder, news.seen)
            display.end(summary)
            return summary.exit_code
        if interrupts.count and not interrupt_stops:
            display.end(summarise(feed.folder, news.seen))
            return exit_codes.OK
        if interrupts.count > 2:
            display.end(summarise(feed.folder, news.seen))
            return exit_codes.INTERRUPTED
        stopper.interrupted(interrupts.count)
        time.sleep(1 / LOOKS_A_SECOND)


class _Stopper:
    """Turns the number of Ctrl-C so far into requests to the run, each sent once."""

    def __init__(self, folder: RunFolder, notice: Callable[[str], None]) -> None:
        self._folder = folder
        self._notice = notice
        self._said = 0
        self._sent = 0

    def interrupted(self, count: int) -> None:
        """Ask for a stop at the first Ctrl-C, for one without saving at the second."""
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


@contextmanager
def _counted_interrupts() -> Iterator[Interrupts]:
    interrupts = Interrupts()
    before = signal.signal(signal.SIGINT, interrupts)
    try:
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, before)


def wait_until_awake(folder: RunFolder, seconds: float = 30.0) -> None:
    """Wait until a paused run that was asked to continue does so; longer than `seconds` it is not waited for."""
    deadline = time.monotonic() + seconds
    while observe(folder).state is State.PAUSED and time.monotonic() < deadline:
        time.sleep(1 / LOOKS_A_SECOND)


def wait_until_over(folder: RunFolder) -> Observation:
    """Wait until a run has ended or is paused; returns how it stands then."""
    while True:
        seen = observe(folder)
        if seen.state in ENDED_STATES or seen.state is State.PAUSED:
            return seen
        time.sleep(1 / LOOKS_A_SECOND)
