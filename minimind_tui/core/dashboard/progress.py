"""How far a run is, in words: over all its epochs, and within the phase it is busy with."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.language import _
from engine.run.clock import parse_utc
from engine.run.observe import Observation
from engine.run.phase_words import phase_word
from engine.run.schema import ENDED_STATES, Phase, State, Status
from minimind_tui import words
from minimind_tui.core.run_words import StateLook, look_of

_QUIET_LEAST = 10.0
_QUIET_INTERVALS = 5.0


@dataclass(frozen=True)
class Progress:
    """A run's progress. `share` is 0 to 1, None when nothing can be said."""

    look: StateLook
    phase: str
    """What it is busy with beside training, with its own progress; or how long nothing has come."""
    share: float | None
    of_phase: bool
    """`share` is of the phase, not of the run: it has not begun to train."""
    done: tuple[str, ...]
    """`34%`, `step 200 of 581`, `epoch 1 of 3`: the first says most."""
    time: tuple[str, ...]
    """`3m10s left`, `ends 13:45`, `1m40s elapsed`: the first says most."""


def local_now() -> datetime:
    """This moment, aware of the local time zone."""
    return datetime.now().astimezone()


def progress_of(seen: Observation, now: datetime) -> Progress:
    """What the progress line says. `now` is an aware local time."""
    look, status = look_of(seen.state), seen.status
    if status is None:
        return Progress(look, "", None, False, (), ())
    phase, phase_share = _phase(seen, status)
    total = status.total_steps
    share = min(1.0, status.step / total) if total else None
    before_training = seen.is_live and (not status.step or not total) and phase_share is not None
    return Progress(
        look,
        phase,
        phase_share if before_training else share,
        before_training,
        _done(status, share),
        _time(seen, status, now),
    )


def seconds_left(seen: Observation) -> float | None:
    """Seconds until the run ends, over all epochs, as the run itself counts them; None while that is not known."""
    status = seen.status
    if status is None or seen.state is not State.RUNNING:
        return None
    return status.eta_s


def clock_time(seconds: float, now: datetime) -> str:
    """The local time `seconds` from `now`: `13:45`, on another day `11-26 08:15`."""
    try:
        return _on_clock(now + timedelta(seconds=seconds), now)
    except OverflowError:
        return "?"


def bar(share: float, width: int) -> tuple[str, str]:
    """The done and the open part of a progress bar of `width` columns; their signs differ as well."""
    full = max(0, min(width, int(share * width)))
    return "━" * full, "─" * (width - full)


def is_quiet(seen: Observation) -> bool:
    """Whether a run that trains has been without an advance for longer than usual, though not yet stalled."""
    status = seen.status
    if status is None or seen.idle_s is None or seen.state is not State.RUNNING or status.phase != Phase.TRAINING:
        return False
    return seen.idle_s > max(_QUIET_LEAST, _QUIET_INTERVALS * (status.usual_interval or 0.0))


def _phase(seen: Observation, status: Status) -> tuple[str, float | None]:
    if not seen.is_live or seen.state is State.PAUSED or not status.phase:
        return "", None
    share = None
    if status.phase_total and status.phase_done is not None and status.phase_total > 0:
        share = max(0.0, min(1.0, status.phase_done / status.phase_total))
    if status.phase == Phase.TRAINING:
        if not is_quiet(seen):
            return "", share
        quiet = _("nothing new for {time}, usual are {usual}").format(
            time=words.duration(seen.idle_s), usual=_interval(status.usual_interval or 0.0)
        )
        return quiet, share
    word = phase_word(status.phase)
    return (word if share is None else f"{word} {share:.0%}"), share


def _interval(seconds: float) -> str:
    return f"{seconds:.1f}s" if seconds < 10 else words.duration(seconds)


def _done(status: Status, share: float | None) -> tuple[str, ...]:
    parts = [] if share is None else [percent(share)]
    if status.total_steps:
        parts.append(_("step {step} of {total}").format(step=status.step, total=status.total_steps))
    elif status.step:
        parts.append(_("step {step}").format(step=status.step))
    if status.epochs and status.epochs > 1 and status.epoch is not None:
        parts.append(_("epoch {epoch} of {epochs}").format(epoch=status.epoch, epochs=status.epochs))
    return tuple(parts)


def percent(share: float) -> str:
    """A share of the whole run: it is 100 % only when all is done."""
    whole = 100 if share >= 1.0 else min(99, round(share * 100))
    return f"{whole}%"


def _time(seen: Observation, status: Status, now: datetime) -> tuple[str, ...]:
    parts = []
    left = seconds_left(seen)
    if left is not None:
        parts.append(_("{time} left").format(time=words.duration(left)))
        parts.append(_("ends {time}").format(time=clock_time(left, now)))
    elif seen.state is State.RUNNING and status.phase == Phase.TRAINING:
        parts.append(_("time left: not known yet"))
    elif seen.state in ENDED_STATES and (ended := local_time(status.heartbeat, now)):
        parts.append(_("ended {time}").format(time=ended))
    if status.elapsed:
        parts.append(_("{time} elapsed").format(time=words.duration(status.elapsed)))
    return tuple(parts)


def local_time(moment: object, now: datetime, *, seconds: bool = False) -> str:
    """A written UTC moment as local time, with the day where it is another; empty for what is no moment."""
    if not isinstance(moment, str):
        return ""
    try:
        then = datetime.fromtimestamp(parse_utc(moment), now.tzinfo)
    except (ValueError, OverflowError, OSError):
        return ""
    return _on_clock(then, now, seconds=seconds)


def _on_clock(then: datetime, now: datetime, *, seconds: bool = False) -> str:
    time = "%H:%M:%S" if seconds else "%H:%M"
    return then.strftime(time if then.date() == now.date() else f"%m-%d {time}")
