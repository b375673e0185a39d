"""Follows a run until it ends. A viewer reads the run's folder and asks through it; closing it hurts nothing."""

import time

from engine.run.folder import RunFolder
from engine.run.observe import Observation, observe
from engine.run.schema import ENDED_STATES, State
from minimind_tui.cli import exit_codes
from minimind_tui.cli.follow.displays import Display, choose_display
from minimind_tui.cli.follow.feed import RunFeed
from minimind_tui.cli.follow.interrupts import Interrupts, Stopper
from minimind_tui.cli.follow.summary import summarise

LOOKS_A_SECOND = 4


def follow(feed: RunFeed, interrupts: Interrupts, *, json_lines: bool, interrupt_stops: bool) -> int:
    """Show a run until it ends or pauses; returns the exit code.

    `interrupt_stops`: the first of `interrupts` asks the run to save and stop, the second to stop at once. Otherwise
    (`attach`) the first leaves the run alone and ends the watching.
    """
    display = choose_display(feed.folder, json_lines=json_lines)
    try:
        return _follow(feed, display, interrupts, interrupt_stops=interrupt_stops)
    finally:
        display.close()


def _follow(feed: RunFeed, display: Display, interrupts: Interrupts, *, interrupt_stops: bool) -> int:
    stopper = Stopper(feed.folder, display.notice)
    troubled = ""
    told: set[object] = set()
    while True:
        news = feed.look()
        display.show(news)
        told |= {event.get("message") for event in news.events}
        if news.is_over:
            summary = summarise(feed.folder, news.seen)
            display.end(summary)
            return summary.exit_code
        if interrupts.count > (2 if interrupt_stops else 0):
            display.end(summarise(feed.folder, news.seen))
            return exit_codes.INTERRUPTED if interrupt_stops else exit_codes.OK
        if (trouble := _trouble(news.seen)) != troubled:
            troubled = trouble
            if trouble and trouble not in told:  # else it has scrolled by as a happening
                display.notice(trouble)
        if interrupts.count:
            stopper.interrupted(interrupts.count)
        time.sleep(1 / LOOKS_A_SECOND)


def _trouble(seen: Observation) -> str:
    """What is wrong with a run that lives: it stands still, or it says so itself (a disk that refuses its log)."""
    if seen.state is State.STALLED:
        return seen.message
    return (seen.status.message or "") if seen.status is not None and seen.state is State.RUNNING else ""


def wait_until_awake(folder: RunFolder, seconds: float = 30.0) -> None:
    """Wait until a paused run that was asked to continue does so; longer than `seconds` it is not waited for."""
    deadline = time.monotonic() + seconds
    while observe(folder).state is State.PAUSED and time.monotonic() < deadline:
        time.sleep(1 / LOOKS_A_SECOND)


def wait_until_over(folder: RunFolder, *, paused_too: bool) -> Observation:
    """Wait until a run has ended, or with `paused_too` is paused; returns how it stands then."""
    while True:
        seen = observe(folder)
        if seen.state in ENDED_STATES or (paused_too and seen.state is State.PAUSED):
            return seen
        time.sleep(1 / LOOKS_A_SECOND)
