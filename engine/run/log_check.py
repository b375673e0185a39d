"""Whether a run's logs are whole: readable, and every log interval there once, in order, without a gap."""

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise

from engine.run.folder import RunFolder
from engine.run.history import EventHistory, MetricsHistory, Series
from engine.run.jsonl_log import Tail


@dataclass(frozen=True)
class LogCheck:
    """What a log holds. `gap` is the first hole, as (last step before it, first step after it)."""

    lines: int
    """Usable ones, once what later attempts undid is taken out."""
    first: int | None
    last: int | None
    torn: int
    """Lines that are no JSON objects: what a crash tore. They are part of the format, and hurt only themselves."""
    gap: tuple[int, int] | None = None


def check_metrics(folder: RunFolder, *, start: int, must_reach: int, log_interval: int) -> LogCheck:
    """metrics.jsonl from step `start` (a fork's beginning, else 0) on; it has to reach the newest checkpoint's step.

    A log interval may have been another in an earlier attempt: each attempt's own is read off its lines. Raises
    OSError when the file cannot be read.
    """
    tail, history = Tail(folder.metrics), MetricsHistory()
    history.feed(tail.poll())
    series = history.train
    steps = series.steps
    if not steps:
        gap = (start, must_reach) if must_reach > start else None
        return LogCheck(0, None, None, tail.bad_lines, gap)
    own = _intervals(series)
    gap = None
    before, interval = start, log_interval
    for step, attempt in zip(steps, series.attempts, strict=True):
        # before an attempt knows its own interval that of the settings counts; a change of it may meet in the middle
        allowed = max(own.get(attempt, log_interval), interval)
        if step - before > allowed:
            gap = (before, step)
            break
        before, interval = step, own.get(attempt, log_interval)
    if gap is None and must_reach - steps[-1] >= max(interval, log_interval):
        gap = (steps[-1], must_reach)
    return LogCheck(len(steps), steps[0], steps[-1], tail.bad_lines, gap)


def check_events(folder: RunFolder) -> LogCheck:
    """events.jsonl; it has no gaps to look for. Raises OSError when it cannot be read."""
    tail, history = Tail(folder.events), EventHistory()
    history.feed(tail.poll())
    known = [event["step"] for event in history.events if type(event.get("step")) is int]
    return LogCheck(len(history.events), min(known, default=None), max(known, default=None), tail.bad_lines)


def _intervals(series: Series) -> dict[int, int]:
    """Each attempt's log interval, as far as two of its lines tell."""
    by_attempt: dict[int, list[int]] = defaultdict(list)
    for step, attempt in zip(series.steps, series.attempts, strict=True):
        by_attempt[attempt].append(step)
    found = {}
    for attempt, steps in by_attempt.items():
        apart = sorted(after - before for before, after in pairwise(steps))
        if len(apart) > 1:
            found[attempt] = apart[len(apart) // 2]  # the usual one: holes and the last line are others
        elif apart:
            found[attempt] = apart[0]
    return found
