"""The state of a run as a viewer sees it: what status.json says, held against what can be seen of its processes."""

from dataclasses import dataclass

from engine.language import _
from engine.run.clock import awake_seconds, seconds_since
from engine.run.folder import RunFolder
from engine.run.lock import holder_of
from engine.run.phase_words import phase_word
from engine.run.process import is_alive, is_frozen, is_here, rebooted_since
from engine.run.schema import FINAL_STATES, INFERRED_STATES, Phase, State, Status
from engine.run.status import read_status

STALL_INTERVALS = 20.0
"""A run is stalled when nothing advanced for so many of its usual intervals, and for the phase's least time."""

STALL_LEAST_SECONDS: dict[str, float] = {
    Phase.VERIFYING: 900.0,
    Phase.LOADING: 900.0,
    Phase.COMPILING: 1800.0,
    Phase.SAVING: 900.0,
    Phase.WAITING: 900.0,
}
_STALL_LEAST = 60.0

SILENCE_SECONDS = 60.0
"""A run on a machine that cannot be looked at counts as dead after so long without a heartbeat."""

_REBOOT_SILENCE = 10.0


@dataclass(frozen=True)
class Observation:
    """A run's state now, and how it is known."""

    state: State
    message: str
    """In words, one or two sentences."""
    how: str
    """What the state is concluded from."""
    status: Status | None = None
    """status.json as it was read; None when there is none."""
    silent_s: float | None = None
    """Seconds since the last heartbeat."""
    idle_s: float | None = None
    """Seconds since work last advanced."""

    @property
    def is_live(self) -> bool:
        """Whether the run still has processes: it can be controlled, and must not be deleted."""
        return self.state in _LIVE

    @property
    def is_inferred(self) -> bool:
        """Whether the state is concluded rather than written."""
        return self.state in INFERRED_STATES or (self.status is not None and self.status.state != self.state)

    @property
    def written(self) -> State | None:
        """The state status.json says."""
        return None if self.status is None else self.status.state


_LIVE = frozenset({State.STARTING, State.RUNNING, State.PAUSED, State.STOPPING, State.STALLED})


def observe(folder: RunFolder) -> Observation:
    """Look at a run. Costs one small file and two looks at /proc; never raises for what the folder holds."""
    try:
        status = read_status(folder.status)
    except OSError as error:
        return Observation(
            State.CRASHED, _("status.json cannot be read: {problem}.").format(problem=error.strerror), _("status.json")
        )
    if status is None:
        return _without_status(folder)
    silent, idle = _ages(status)
    if status.state in FINAL_STATES:
        return Observation(
            status.state, status.message or _final_words(status.state), _("status.json says so."), status, silent, idle
        )
    supervisor = is_alive(status.supervisor) if status.supervisor else False
    worker = is_alive(status.worker) if status.worker else False
    if supervisor is None or worker is None:
        return _by_heartbeat(status, silent, idle)
    if not supervisor and not worker:
        return _dead(status, _("Its processes are gone."), silent, idle)
    if not supervisor:
        return Observation(
            State.STOPPING,
            _("Its supervisor is gone; the worker saves and stops."),
            _("The worker lives, the supervisor does not."),
            status,
            silent,
            idle,
        )
    frozen = _frozen_words(status)
    if frozen and not _trains_all_the_same(status):
        return Observation(State.STALLED, frozen, _("Its processes live, and one is stopped."), status, silent, idle)
    return _alive(status, _("Its processes live."), silent, idle, warning=frozen)


def _frozen_words(status: Status) -> str:
    """Which of its processes a signal has stopped, and how it goes on; empty when none is."""
    names = {_("worker"): status.worker, _("supervisor"): status.supervisor}
    return " ".join(
        _("Its {name}, process {pid}, was frozen by a signal (SIGSTOP); it goes on after: kill -CONT {pid}").format(
            name=name, pid=process.pid
        )
        for name, process in names.items()
        if process is not None and is_frozen(process)
    )


def _trains_all_the_same(status: Status) -> bool:
    """Whether the worker does its work, though nobody could speak for it should it end."""
    return status.state is State.RUNNING and status.worker is not None and not is_frozen(status.worker)


def _without_status(folder: RunFolder) -> Observation:
    broken = folder.status.exists()
    holder = holder_of(folder.lock)
    if holder is not None and is_alive(holder):
        how = _("Process {pid}, which took its lock, lives.").format(pid=holder.pid)
        if broken:
            return Observation(State.RUNNING, _("status.json cannot be understood."), how)
        return Observation(State.STARTING, _("It is being started."), how)
    if broken:
        how = _("Nobody who took its lock lives.")
        return Observation(State.CRASHED, _("status.json cannot be understood."), how)
    return Observation(State.CREATED, _("It was made and never started."), _("It has no status.json."))


def _ages(status: Status) -> tuple[float | None, float | None]:
    """Seconds since the heartbeat, and since the last advance. The awake clock is read where it is this machine's: a
    laptop that wakes up must not see a hung run, nor a changed wall clock.
    """
    writer = status.worker or status.supervisor
    now = awake_seconds()
    beat, progress = status.heartbeat_clock, status.progress_clock
    if writer is not None and writer.boot and is_here(writer) and beat is not None and beat <= now:
        return now - beat, (None if progress is None else now - progress)
    silent = seconds_since(status.heartbeat)
    idle = seconds_since(status.progress_at)
    return (
        None if silent is None else max(0.0, silent),
        None if idle is None else max(0.0, idle),
    )


def _by_heartbeat(status: Status, silent: float | None, idle: float | None) -> Observation:
    host = status.host or "?"
    if silent is None:
        return _dead(status, _("It gave no sign of life, and its host {host} is not this one.").format(host=host))
    how = _("Its host {host} cannot be looked at from here; its last heartbeat is {age} old.").format(
        host=host, age=_words(silent)
    )
    process = status.supervisor or status.worker
    allowed = _REBOOT_SILENCE if process is not None and rebooted_since(process) else SILENCE_SECONDS
    if silent > allowed:
        return _dead(status, how, silent, idle)
    return _alive(status, how, silent, idle)


def _alive(status: Status, how: str, silent: float | None, idle: float | None, *, warning: str = "") -> Observation:
    least = STALL_LEAST_SECONDS.get(status.phase or "", _STALL_LEAST)
    allowed = max(least, STALL_INTERVALS * (status.usual_interval or 0.0))
    if status.state is not State.PAUSED and idle is not None and idle > allowed:
        message = _("Nothing has advanced for {idle}; usual are {usual}. Phase: {phase}, step {step}.").format(
            idle=_words(idle),
            usual=_words(status.usual_interval or 0.0),
            phase=phase_word(status.phase or "?"),
            step=status.step,
        )
        return Observation(State.STALLED, message, how, status, silent, idle)
    if silent is not None and silent > SILENCE_SECONDS:
        message = _("It has given no sign of life for {age}, though its processes live.").format(age=_words(silent))
        return Observation(State.STALLED, message, how, status, silent, idle)
    message = warning or (status.message or _live_words(status)) + _next_attempt_words(status)
    return Observation(status.state, message, how, status, silent, idle)


def _next_attempt_words(status: Status) -> str:
    waited = seconds_since(status.next_attempt_at)
    if waited is None:
        return ""
    return " " + _("It starts again by itself in {n} s.").format(n=max(0, round(-waited)))


def _dead(status: Status, how: str, silent: float | None = None, idle: float | None = None) -> Observation:
    outcome = status.outcome
    if outcome is not None and outcome.state != State.PAUSED:
        return Observation(outcome.state, outcome.message, how, status, silent, idle)
    if status.last_checkpoint is None:
        saved = _("Nothing was saved.")
    else:
        saved = _("Its last checkpoint is step {step}: resume goes on from there.").format(step=status.last_checkpoint)
    if status.state is State.PAUSED or outcome is not None:
        message = _("It was paused, and its supervisor is gone.") + " " + saved
    else:
        message = _("It ended at step {step} without a word.").format(step=status.step) + " " + saved
    return Observation(State.CRASHED, message, how, status, silent, idle)


def _final_words(state: State) -> str:
    return {
        State.FINISHED: _("It finished."),
        State.STOPPED: _("It was stopped."),
        State.FAILED: _("It failed."),
    }[state]


def _live_words(status: Status) -> str:
    if status.state is State.PAUSED:
        return _("Paused at step {step}, everything saved.").format(step=status.step)
    if status.state is State.STOPPING:
        return _("It saves and stops.")
    if status.state is State.STARTING:
        return _("It is being started.")
    return _("Step {step} of {total}.").format(step=status.step, total=status.total_steps or "?")


def _words(seconds: float) -> str:
    if seconds < 120:
        return _("{n} s").format(n=f"{seconds:.1f}" if seconds < 10 else round(seconds))
    if seconds < 7200:
        return _("{n} min").format(n=round(seconds / 60))
    return _("{n} h").format(n=round(seconds / 3600))
