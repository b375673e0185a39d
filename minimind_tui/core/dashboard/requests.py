"""What was asked of the run from this screen, and what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from engine.language import _
from engine.run.observe import Observation
from engine.run.schema import EventKind
from minimind_tui import words
from minimind_tui.safe_text import one_line

Line = dict[str, Any]
Outcome = Literal["sent", "accepted", "refused", "lost"]

_LOOK_BACK = 5_000
"""Events searched for an answer, from the newest; a request that is older than they are was never answered."""

_SLOW_SECONDS = 10.0


@dataclass
class Asked:
    """One request. `at` is on a clock that only grows, in seconds."""

    id: str
    op: str
    at: float
    attempt: int
    outcome: Outcome = "sent"
    reason: str = ""
    step: int | None = None


class Requests:
    """The requests of one dashboard. Tell what was sent, then `look` at the events whenever there are new ones."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []

    def sent(self, request_id: str, op: str, *, at: float, attempt: int) -> Asked:
        """A request is on its way."""
        asked = Asked(request_id, op, at, attempt)
        self.asked.append(asked)
        return asked

    @property
    def latest(self) -> Asked | None:
        """The newest request; an unanswered one goes before answered ones."""
        waiting = [asked for asked in self.asked if asked.outcome == "sent"]
        return waiting[-1] if waiting else self.asked[-1] if self.asked else None

    def waiting(self, op: str) -> Asked | None:
        """The newest request of this kind that nobody has answered."""
        return next((asked for asked in reversed(self.asked) if asked.op == op and asked.outcome == "sent"), None)

    def look(self, events: Sequence[Line], seen: Observation) -> list[Asked]:
        """The requests that were answered since the last look; those an ended attempt left open are `lost`."""
        open_ones = {asked.id: asked for asked in self.asked if asked.outcome == "sent"}
        if not open_ones:
            return []
        decided: list[Asked] = []
        for event in reversed(events[-_LOOK_BACK:]):
            if event.get("kind") == EventKind.CONTROL and (asked := open_ones.pop(str(event.get("id")), None)):
                asked.outcome = "accepted" if event.get("accepted") is True else "refused"
                asked.reason = one_line(str(event.get("reason") or ""))
                step = event.get("step")
                asked.step = step if type(step) is int else None
                decided.append(asked)
                if not open_ones:
                    break
        attempt = seen.status.attempt if seen.status is not None else 0
        for asked in open_ones.values():
            if not seen.is_live or attempt > asked.attempt:
                asked.outcome = "lost"
                decided.append(asked)
        return decided


def op_word(op: str) -> str:
    """A request in words."""
    return {
        "save": _("Save"),
        "sample": _("Sample"),
        "pause": _("Pause"),
        "continue": _("Go on"),
        "stop": _("Stop"),
        "set": _("Learning rate"),
    }.get(op, op)


def request_words(asked: Asked, now: float) -> str:
    """One line about a request: sent, and how it was answered. `now` is on the same clock as `at`."""
    op = op_word(asked.op)
    match asked.outcome:
        case "accepted":
            told = (
                _("{op}: done at step {step}") if asked.op in ("save", "sample") else _("{op}: accepted at step {step}")
            )
            text = told.format(op=op, step="?" if asked.step is None else asked.step)
            return f"{text} ({asked.reason})" if asked.reason else text
        case "refused":
            return _("{op}: refused. {reason}").format(op=op, reason=asked.reason or "?")
        case "lost":
            return _("{op}: not answered, the attempt ended before").format(op=op)
    waited = now - asked.at
    if waited >= _SLOW_SECONDS:
        return _("{op}: sent, no answer for {time}; it answers between two updates").format(
            op=op, time=words.duration(waited)
        )
    return _("{op}: sent, waiting for the answer").format(op=op)
