"""The events of a run as lines for the dashboard, taken over as they come."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engine.language import _
from engine.run.schema import EventKind
from minimind_tui.core.dashboard.progress import local_time
from minimind_tui.core.dashboard.requests import op_word
from minimind_tui.happenings import in_words
from minimind_tui.safe_text import one_line

Line = dict[str, Any]

MOST = 500
"""Happenings that are shown, the newest."""

_PROMPT = 60
"""Characters of a sample's prompt at most; the texts stand elsewhere."""

_ENDS = frozenset({EventKind.FINISHED, EventKind.STOPPED, EventKind.PAUSED, EventKind.FAILED})


@dataclass(frozen=True)
class HappeningLine:
    """One happening: the local time, what happened, and whether it must not be overlooked."""

    time: str
    text: str
    loud: bool


def happening_lines(events: Sequence[Line], now: datetime, most: int = MOST) -> tuple[list[HappeningLine], int]:
    """The newest `most` happenings, oldest first, and the number of earlier events left out. `now` is local, aware."""
    lines: list[HappeningLine] = []
    for index in range(len(events) - 1, -1, -1):
        line = happening_line(events[index], now)
        if line is None:
            continue
        if len(lines) == most:
            return lines[::-1], index + 1
        lines.append(line)
    return lines[::-1], 0


def happening_line(event: Line, now: datetime) -> HappeningLine | None:
    """An event as a line; None for bookkeeping."""
    kind = event.get("kind")
    time = local_time(event.get("t"), now, seconds=True)
    if kind in _ENDS:
        return HappeningLine(time, f"{_step(event)}  {_end(event)}", kind == EventKind.FAILED)
    if kind == EventKind.CONTROL and event.get("accepted") is True and not event.get("reason"):
        told = _("request accepted: {op}").format(op=op_word(one_line(str(event.get("op")))))
        return HappeningLine(time, f"{_step(event)}  {told}", loud=False)
    happening = in_words(event)
    if happening is None:
        return None
    prompt = one_line(happening.prompt)
    text = f"{happening.text}: {prompt[:_PROMPT]}" if prompt else happening.text
    return HappeningLine(time, text, happening.loud)


def _step(event: Line) -> str:
    return _("step {step}").format(step=event.get("step"))


def _end(event: Line) -> str:
    word = {
        EventKind.FINISHED: _("finished"),
        EventKind.STOPPED: _("stopped"),
        EventKind.PAUSED: _("paused"),
        EventKind.FAILED: _("failed"),
    }[EventKind(str(event.get("kind")))]
    message = one_line(str(event.get("message") or ""))
    return f"{word}: {message}" if message else word
