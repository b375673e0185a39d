"""What a person has to know before anything else: a run that ended, hangs, waits or was taken away, and the way on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.language import _
from engine.run.folder import RunFolder
from engine.run.observe import Observation
from engine.run.schema import Reason, State, Status
from minimind_tui import words
from minimind_tui.safe_text import one_line

Kind = Literal["error", "warning", "success", "info"]
Offer = Literal["start", "resume", "continue", "stop_now", "playground", "log"]

SLOW_TO_STOP_SECONDS = 20.0
"""A stop that has not come to its end for so long may be made at once instead."""

_LOG_LINES = 3
_FULL_STOPS = ("。", "！", "？")
"""Signs that no blank stands behind."""


@dataclass(frozen=True)
class Banner:
    """A heading, a few sentences, and what can be done. `detail` are lines of the run's own log, or commands."""

    kind: Kind
    title: str
    text: str = ""
    """Sentences."""
    detail: tuple[str, ...] = ()
    offers: tuple[Offer, ...] = ()


def banner_of(
    folder: RunFolder,
    seen: Observation,
    *,
    there: bool = True,
    log_problem: str = "",
    statement: Sequence[str] = (),
    resumable: bool | None = None,
    last_log: Sequence[str] = (),
    weights: Path | None = None,
) -> Banner | None:
    """The banner of a run; None while it simply trains.

    `there`: its folder still is. `log_problem`: why its logs cannot be read. `statement`: what a resume would be, in
    sentences, and `resumable` whether there can be one (None: not looked at yet). `last_log`: the end of trainer.log.
    `weights`: its newest published weights.
    """
    if not there:
        gone = _("{path} is not there any more. What was read of it is still shown.").format(path=folder.path)
        return Banner("error", _("The run's folder is gone"), gone)
    if log_problem:
        unread = _("Its logs cannot be read: {problem}. Looking again every moment.").format(problem=log_problem)
        return Banner("warning", _("The logs cannot be read"), unread)
    again: tuple[Offer, ...] = ("resume",) if resumable is not False else ()
    status, told = seen.status, one_line(seen.message)
    match seen.state:
        case State.CREATED:
            start: tuple[Offer, ...] = ("start",) if resumable is not False else ()
            refused = statement if resumable is False else ()
            return Banner("info", _("Not started yet"), _text(told, *refused), offers=start)
        case State.STARTING if status is not None and status.next_attempt_at is not None:
            return Banner("warning", _("It failed and starts again"), told, offers=("log",))
        case State.PAUSED:
            free = _("Going on continues exactly where it was.")
            return Banner("info", _("Paused"), _text(told, free), offers=("continue",))
        case State.STALLED:
            way_out = _("The log may tell why. If it does not come round: stop it at once, then resume.")
            return Banner("warning", _("It hangs"), _text(told, way_out, unsaved(status)), offers=("stop_now", "log"))
        case State.STOPPING if seen.idle_s is not None and seen.idle_s > SLOW_TO_STOP_SECONDS:
            slow = _("Nothing has come for {time}. Stopping at once loses what was not saved.").format(
                time=words.duration(seen.idle_s)
            )
            return Banner("warning", _("Stopping takes long"), _text(told, slow), offers=("stop_now",))
        case State.CRASHED:
            text = _text(told, one_line(seen.how), *statement)
            return Banner("error", _("It crashed"), text, _tail(last_log), (*again, "log"))
        case State.FAILED:
            # a message of a worker that died already has the last lines of the log in it
            shown = () if status is not None and status.reason == Reason.WORKER_DIED else _tail(last_log)
            return Banner("error", _("It failed"), _text(told, *statement), shown, (*again, "log"))
        case State.STOPPED:
            return Banner("info", _("Stopped"), _text(told, *statement), offers=again)
        case State.FINISHED:
            return Banner("success", _("Finished"), told, _how_to_use(folder, weights), ("playground",))
    return None


def offer_label(offer: Offer) -> str:
    """An offer's button, with the key that does the same."""
    return {
        "start": _("Start it [r]"),
        "resume": _("Resume [r]"),
        "continue": _("Go on [p]"),
        "stop_now": _("Stop at once"),
        "playground": _("Playground [w]"),
        "log": _("Log [5]"),
    }[offer]


def unsaved(status: Status | None) -> str:
    """What stopping at once would lose, in a sentence."""
    if status is None or not status.step:
        return _("Nothing was trained yet, so nothing is lost.")
    if status.last_checkpoint is None:
        return _("Nothing was saved yet: all {n} updates would be lost.").format(n=status.step)
    lost = max(0, status.step - status.last_checkpoint)
    if not lost:
        return _("Everything up to step {step} is saved.").format(step=status.last_checkpoint)
    return _("The {n} updates since the checkpoint at step {step} would be lost.").format(
        n=lost, step=status.last_checkpoint
    )


def _how_to_use(folder: RunFolder, weights: Path | None) -> tuple[str, ...]:
    write = f"minimind generate {folder.id}"
    return (write,) if weights is None else (words.short_path(weights), write)


def _text(*sentences: str) -> str:
    text = ""
    for sentence in filter(None, sentences):
        text += ("" if not text or text.endswith(_FULL_STOPS) else " ") + sentence
    return text


def _tail(last_log: Sequence[str]) -> tuple[str, ...]:
    return tuple(one_line(line) for line in last_log[-_LOG_LINES:])
