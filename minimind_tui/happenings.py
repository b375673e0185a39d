"""A run's events in words: what a person who watches wants to read, and nothing else."""

from dataclasses import dataclass

from engine.language import _
from engine.run.schema import EventKind
from minimind_tui import words
from minimind_tui.cli.follow.feed import Line
from minimind_tui.safe_text import one_line, printable


@dataclass(frozen=True)
class Happening:
    """One event to be shown: a sentence, and for a sample the prompt and what the model made of it."""

    text: str
    loud: bool = False
    """A warning or an error: it must not be overlooked."""
    prompt: str = ""
    continuation: str = ""


_LOUD = frozenset(
    {
        EventKind.WARNING,
        EventKind.ERROR,
        EventKind.GUARD,
        EventKind.ROLLBACK,
        EventKind.FAILED,
        EventKind.CHECKPOINT_BAD,
        EventKind.CHECKPOINT_FAILED,
        EventKind.RESTART,
    }
)
# The end is said by the summary, and attempts are bookkeeping.
_SILENT = frozenset({EventKind.ATTEMPT, EventKind.FINISHED, EventKind.STOPPED, EventKind.PAUSED, EventKind.FAILED})


def in_words(event: Line) -> Happening | None:
    """What to show for an event; None for what is said elsewhere. Text of the run is made harmless to a terminal."""
    kind = str(event.get("kind"))
    if kind in _SILENT:
        return None
    step = _("step {step}").format(step=event.get("step"))
    message = one_line(str(event.get("message") or ""))
    if kind == EventKind.SAMPLE:
        return Happening(
            f"{step}  {_('sample')}",
            prompt=printable(str(event.get("prompt") or "")),
            continuation=printable(str(event.get("text") or "")),
        )
    if kind == EventKind.VALIDATION:
        return Happening(f"{step}  {_validation(event)}")
    if kind == EventKind.CHECKPOINT:
        return Happening(f"{step}  {message or _checkpoint(event)}")
    if kind == EventKind.CONTROL:
        return _control(event, step)
    if kind in (EventKind.STARTED, EventKind.RESUMED):
        return Happening(f"{step}  {message or _beginning(event)}")
    if not message:
        return None
    label = {EventKind.WARNING: _("warning"), EventKind.ERROR: _("error"), EventKind.GUARD: _("warning")}.get(
        EventKind(kind) if kind in set(EventKind) else EventKind.RESUMED
    )
    return Happening(f"{step}  " + (f"{label}: {message}" if label else message), loud=kind in _LOUD)


def _beginning(event: Line) -> str:
    """Where an attempt trains, and for a resumed one whether it goes on bit for bit."""
    where = " ".join(one_line(str(event[name])) for name in ("device", "dtype") if event.get(name))
    if event.get("kind") == EventKind.STARTED:
        return _("training on {device}").format(device=where) if where else _("training begins")
    reasons = event.get("why_inexact")
    if event.get("exact"):
        return _("resumed exactly: it goes on as if it had not been interrupted")
    if isinstance(reasons, list) and reasons:
        return _("resumed, not bit for bit: {reasons}").format(reasons=one_line("; ".join(map(str, reasons))))
    return _("resumed")


def _validation(event: Line) -> str:
    text = _("validation loss {loss}").format(loss=words.loss(_number(event.get("loss"))))
    perplexity, bits = _number(event.get("perplexity")), _number(event.get("bits_per_byte"))
    if perplexity is not None:
        text += ", " + _("perplexity {value}").format(value=f"{perplexity:.4g}")
    if bits is not None:
        text += ", " + _("{value} bits/byte").format(value=f"{bits:.3f}")
    return text + (" " + _("(best so far)") if event.get("best") else "")


def _checkpoint(event: Line) -> str:
    seconds, size = _number(event.get("seconds")), _number(event.get("bytes") or event.get("size"))
    text = _("checkpoint saved")
    if size is not None:
        text += f", {words.size(size)}"
    return text + (f", {seconds:.1f} s" if seconds is not None else "")


def _control(event: Line, step: str) -> Happening | None:
    reason = one_line(str(event.get("reason") or ""))
    op = one_line(str(event.get("op") or "?"))
    if event.get("accepted"):
        return Happening(f"{step}  {op}: {reason}") if reason else None
    return Happening(
        f"{step}  " + _("the request {op} was refused: {reason}").format(op=op, reason=reason or "?"), loud=True
    )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
