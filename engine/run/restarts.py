"""Whether a worker that failed is started again by itself, and after how long a wait."""

import re
from dataclasses import dataclass

from engine.language import _
from engine.run.schema import Outcome, Reason

BACKOFF_FIRST, BACKOFF_MOST = 1.0, 60.0

_OWN_RULES = frozenset({Reason.MEMORY})
"""Reasons whose next attempt does something else: there are not many halves of a batch, so nothing is counted."""

_NUMBERS = re.compile(r"0x[0-9a-fA-F]+|\d+")


@dataclass(frozen=True)
class Fault:
    """How an attempt failed: the cause with its numbers taken out, and the last update known to be made."""

    cause: str
    step: int

    def repeats(self, other: "Fault", slack: int) -> bool:
        """Whether it is the same fault at the same step; steps are known to within `slack` updates."""
        return self.cause == other.cause and abs(self.step - other.step) <= slack


class Restarts:
    """The restarts of one supervisor's life: `allowed` at most.

    The wait doubles from 1 s to 60 s while nothing is gained, and begins anew once an attempt came further than all
    before it. A fault that comes twice in a row, the same cause at the same step, is not tried a third time: training
    is deterministic, it would only repeat itself.
    """

    def __init__(self, allowed: int) -> None:
        self.allowed = allowed
        self.left = allowed
        self._last: Fault | None = None
        self._furthest = -1
        self._wait = BACKOFF_FIRST

    def judge(self, outcome: Outcome, code: int | None, step: int, *, slack: int, ran: bool = True) -> "Verdict":
        """What follows on a failure at `step`, known to within `slack` updates.

        `ran`: a worker lived; where none could be started the cause is the machine's, and may pass.
        """
        if outcome.reason in _OWN_RULES:
            return Verdict(BACKOFF_FIRST)
        fault = Fault(_cause(outcome, code), step) if ran else None
        last, self._last = self._last, fault
        if fault is not None and last is not None and fault.repeats(last, slack) and self.allowed:
            return Verdict(None, _repeated(step))
        if self.left <= 0:
            return Verdict(None, _used_up(self.allowed))
        if step > self._furthest + slack:
            self._wait = BACKOFF_FIRST
        self._furthest = max(self._furthest, step)
        self.left -= 1
        wait, self._wait = self._wait, min(2 * self._wait, BACKOFF_MOST)
        return Verdict(wait)


@dataclass(frozen=True)
class Verdict:
    """Seconds until the next attempt, or None and why there is none."""

    wait: float | None
    why: str = ""


def _cause(outcome: Outcome, code: int | None) -> str:
    """What tells one fault from another: addresses, sizes and steps in a message do not."""
    first = outcome.message.splitlines()[0] if outcome.message else ""
    return f"{outcome.reason} {code} {_NUMBERS.sub('#', first)}"


def _repeated(step: int) -> str:
    return _(
        "The same fault came twice at step {step}, with nothing gained in between: it is not started again. "
        "trainer.log tells more. Mend the cause and resume the run, or fork it from an earlier checkpoint with other "
        "settings."
    ).format(step=step)


def _used_up(allowed: int) -> str:
    if not allowed:
        return ""
    return _("It was started again {n} times (--max_restarts {n}) and is not any more; it can be resumed.").format(
        n=allowed
    )
