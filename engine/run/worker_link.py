"""All that a worker needs of its run in one object: status, metrics, events, requests, signals, and a proper end."""

import contextlib
import errno
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, Literal

import orjson
from pydantic import ValidationError

from engine.errors import UserError
from engine.language import _
from engine.run.control import ControlInbox, is_stop_now
from engine.run.ending import conclude
from engine.run.exit_codes import WorkerExit
from engine.run.folder import RunFolder
from engine.run.home import RunHome
from engine.run.jsonl_log import LineWriter
from engine.run.manifest_changes import ManifestChanges
from engine.run.parent_watch import ParentWatch
from engine.run.process import is_alive, this_process
from engine.run.schema import (
    AttemptRecord,
    Event,
    EventKind,
    Manifest,
    Outcome,
    Phase,
    ProcessIdentity,
    Reason,
    Request,
    State,
    Status,
    TrainLine,
    ValidationLine,
)
from engine.run.status import StatusWriter, read_status

SUPERVISOR_VARIABLE = "MINIMIND_SUPERVISOR"
"""Environment of a worker: its supervisor's identity as JSON."""

LOCK_VARIABLE = "MINIMIND_RUN_LOCK_FD"
"""Environment of a worker: the file descriptor that keeps the run locked while it lives."""

QUIET_SECONDS = 5.0
"""So long nothing may have been refused before the log counts as whole again."""

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class WorkerLink:
    """The link between rank 0's worker and its run's folder.

    Make it before anything slow is imported, so that the heartbeat and the signal handlers are there from the start.
    Metrics, events and status never raise for a full disk: lines wait in memory until there is room, and what had to
    be let go is told. All methods are for the main thread but `update` and `note`, which any thread may call.

    Raises UserError when the folder has no such attempt.
    """

    def __init__(self, folder: RunFolder | Path, attempt: int, *, signals: bool = True) -> None:
        self.folder = folder if isinstance(folder, RunFolder) else RunFolder(Path(folder).absolute())
        self.attempt = attempt
        self.record = self._find_record()
        self._supervisor = _take_supervisor()
        self._lock_fd = keep_lock_here()
        self._signal = 0
        self._supervisor_lost = False
        self._exit: WorkerExit | None = None
        self._trouble = ""
        self._refused_at = 0.0
        self._home = RunHome(self.folder)
        self._changes = ManifestChanges(self.folder)
        self._metrics = LineWriter(self.folder.metrics)
        self._events = LineWriter(self.folder.events)
        self._inbox = ControlInbox(self.folder, attempt, self._events, offset=self.record.control_offset)
        if signals:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            for number in _SIGNALS:
                signal.signal(number, self._on_signal)
        self._status = StatusWriter(self.folder.status, self._first_status())
        self._status.start()
        self._watch: ParentWatch | None = None
        if self._supervisor is not None:
            self._watch = ParentWatch(self._supervisor, self._on_supervisor_lost, self._on_hung)
            self._watch.start()

    @property
    def start_step(self) -> int:
        """The step this attempt begins at."""
        return self.record.start_step

    @property
    def checkpoint(self) -> Path | None:
        """The folder of the verified checkpoint to go on from; None to begin at the beginning."""
        name = self.record.from_checkpoint
        return None if name is None else self.folder.checkpoints / name

    @property
    def stop_requested(self) -> bool:
        """Whether a signal, or the loss of the supervisor, asks the run to save and stop. Cheap enough for any loop."""
        return self._signal != 0 or self._supervisor_lost

    @property
    def stop_reason(self) -> Reason:
        """Why `stop_requested`."""
        return Reason.SIGNAL if self._signal else Reason.SUPERVISOR_LOST

    def forget_signal(self) -> None:
        """The stop that a signal asked for is under way: only another signal counts from now on."""
        self._signal = 0

    @property
    def status(self) -> Status:
        """The values of status.json as they are now, a copy."""
        return self._status.status

    def update(self, **changes: Any) -> None:
        """Change values of status.json and replace it now. Raises TypeError, ValidationError for wrong ones."""
        self._status.update(**changes)

    def note(self, **changes: Any) -> None:
        """Change values of status.json; they are written with the next heartbeat, within a second."""
        self._status.note(**changes)

    def metric(self, step: int, **fields: Any) -> None:
        """Write a train line (fields of TrainLine, and any others), and its numbers into status.json.

        Raises ValidationError.
        """
        line = TrainLine(attempt=self.attempt, step=step, **fields)
        self._log(self._metrics, _line_of(line))
        numbers = ("epoch", "tokens", "elapsed", "loss", "lr", "tokens_per_s")
        self._status.update(step=step, **{name: getattr(line, name) for name in numbers})

    def validation(self, step: int, **fields: Any) -> None:
        """Write a validation line (fields of ValidationLine, and any others). Raises ValidationError."""
        line = ValidationLine(attempt=self.attempt, step=step, **fields)
        self._log(self._metrics, _line_of(line))

    def event(self, kind: str, step: int, *, message: str | None = None, **fields: Any) -> None:
        """Write an event. Raises TypeError for fields JSON cannot hold."""
        event = Event(attempt=self.attempt, step=step, kind=kind, message=message)
        self._log(self._events, {**event.model_dump(exclude_none=True), **fields})

    def sync(self) -> None:
        """Make all lines so far survive a power cut. Call it before a checkpoint's commit: a resume at that step then
        finds the log complete up to it. A refusing disk is left to the next write.
        """
        for writer in (self._metrics, self._events):
            writer.flush()
            with contextlib.suppress(OSError):
                writer.sync()
        self._changes.make_waiting()

    def mend_folder(self) -> bool:
        """Put back what somebody deleted of the run's folder and what a resume needs; whether anything was, told."""
        mended = self._home.mend()
        if mended:
            message = _(
                "Somebody deleted {files} of this run while it trained. They were made again; what had been logged "
                "and saved before may be gone."
            ).format(files=", ".join(mended))
            self.event(EventKind.WARNING, self._status.status.step, message=message)
            self._status.update()
        return bool(mended)

    def poll_requests(self) -> list[Request]:
        """Valid requests to this attempt that came since the last poll; each is to be answered with `answer`.

        Broken and expired ones are answered here, and `stop` with `now` by the supervisor. Costs one look at a file's
        size when there are none.
        """
        fresh: list[Request] = []
        for request in self._inbox.poll(self._status.status.step):
            if request.op == "continue":
                self.answer(request.id, False, _("It is not paused."), self._status.status.step)
            elif not (is_stop_now(request) and self._supervisor is not None):
                fresh.append(request)
        return fresh

    def answer(self, request_id: str, accepted: bool, reason: str | None, step: int) -> None:
        """Answer a request that `poll_requests` returned."""
        self._inbox.answer(request_id, accepted, reason, step)

    def describe_run(self, **fields: Any) -> None:
        """Fill fields of manifest.json that only the worker knows (parameters, data_fingerprint, ...); what the disk
        refuses is told, and tried again at each `sync`. Raises UserError, ValidationError.
        """

        def fill(manifest: Manifest) -> None:
            described = Manifest.model_validate(manifest.model_dump() | fields)
            for name in fields:
                setattr(manifest, name, getattr(described, name))

        self._change_manifest(fill)

    def note_attempt(self, **fields: Any) -> None:
        """Fill fields of this attempt's record without an event, as `describe_run` does. Raises UserError,
        ValidationError.
        """
        record = AttemptRecord.model_validate(self.record.model_dump() | fields)

        def fill(manifest: Manifest) -> None:
            manifest.attempts = [record if one.attempt == self.attempt else one for one in manifest.attempts]

        self._change_manifest(fill)
        self.record = record

    def describe_attempt(self, *, message: str | None = None, **fields: Any) -> None:
        """Fill this attempt's record (device, dtype, versions, world_size, exact, why_inexact, kept) and write the
        event `started` or `resumed`. Raises UserError, ValidationError.
        """
        self.note_attempt(**fields)
        record = self.record
        kind = EventKind.STARTED if record.from_checkpoint is None else EventKind.RESUMED
        told = {name: getattr(record, name) for name in ("from_checkpoint", "exact", "why_inexact", "device", "dtype")}
        if record.kept:
            told["kept"] = record.kept
        self.event(kind, self.start_step, message=message, **told)

    def finish(
        self,
        state: Literal[State.PAUSED, State.FINISHED, State.STOPPED, State.FAILED],
        reason: Reason,
        message: str,
    ) -> WorkerExit:
        """End the attempt; returns the code to exit with. After this only the exit may come; a second call is ignored.

        The supervisor writes the final state once this process is gone and its memory free; without a supervisor it is
        written here.
        """
        if self._exit is not None:
            return self._exit
        outcome = Outcome(state=state, reason=reason, message=message)
        self._exit = exit_of(outcome)
        if self._watch is not None:
            self._watch.stop()
        self._metrics.flush()
        self._events.flush()
        self._changes.make_waiting()
        self._tell_recovery(quiet=0.0)
        self._status.stop()
        alone = self._supervisor is None or is_alive(self._supervisor) is False
        if alone:
            conclude(self.folder, self._status, self._events, outcome, exit_code=self._exit)
        else:
            self._status.update(state=State.STOPPING, phase=None, outcome=outcome, message=message)
        for writer in (self._metrics, self._events):
            if writer.pending:
                kept = f"{writer.path.name}: {writer.pending} lines could not be written: {writer.error}"
                _print(kept)  # it goes to trainer.log, the last place left
            writer.close()
        self._home.close()
        return self._exit

    def _change_manifest(self, change: Callable[[Manifest], None]) -> None:
        refused = self._changes.make(change)
        if refused is not None:
            problem = _("manifest.json cannot be written: {problem}.").format(problem=refused.strerror or refused)
            self.event(EventKind.WARNING, self._status.status.step, message=problem)
        self._home.keep()

    def _find_record(self) -> AttemptRecord:
        for record in self.folder.read_manifest().attempts:
            if record.attempt == self.attempt:
                return record
        raise UserError(
            _("Run {run} has no attempt {attempt}; attempts are opened by its supervisor.").format(
                run=self.folder.id, attempt=self.attempt
            )
        )

    def _first_status(self) -> Status:
        with contextlib.suppress(OSError):
            status = read_status(self.folder.status)
            if status is not None and status.attempt == self.attempt:
                values = dict(status) | {"state": State.STARTING, "phase": Phase.LOADING, "worker": this_process()}
                return Status.model_validate(values)
        return Status(
            attempt=self.attempt,
            step=self.start_step,
            state=State.STARTING,
            phase=Phase.LOADING,
            host=this_process().host,
            supervisor=self._supervisor,
            worker=this_process(),
        )

    def _log(self, writer: LineWriter, record: dict[str, Any]) -> None:
        if writer.append_or_keep(record):
            self._tell_recovery(QUIET_SECONDS)
            return
        if writer.error is not None and writer.error.errno == errno.ENOENT and self.mend_folder():
            self._metrics.flush()
            self._events.flush()
            return
        self._refused_at = time.monotonic()
        if not self._trouble:
            self._trouble = _("{file} cannot be written: {problem}. Its lines wait in memory.").format(
                file=writer.path.name, problem=writer.error.strerror if writer.error else "?"
            )
            _print(self._trouble)  # into trainer.log, which may still take it
            said = self._status.status.message  # what else is wrong stays said
            self._status.update(message=f"{said} {self._trouble}" if said else self._trouble)

    def _tell_recovery(self, quiet: float) -> None:
        """Say that the log is whole again, once nothing was refused for `quiet` seconds: a full disk takes a line now
        and then.
        """
        waiting = self._metrics.pending or self._events.pending
        if not self._trouble or waiting or time.monotonic() - self._refused_at < quiet:
            return
        said = self._status.status.message or ""
        if self._trouble in said:
            self._status.update(message=said.replace(self._trouble, "").strip() or None)
        self._trouble = ""
        lost = self._metrics.lost + self._events.lost
        self._metrics.lost = self._events.lost = 0
        message = _("The disk refused log lines for a while; {n} of them are lost.").format(n=lost)
        self.event(EventKind.WARNING, self._status.status.step, message=message)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self._signal = number  # and nothing else: anything more may meet a lock the main thread holds

    def _on_supervisor_lost(self) -> None:
        self._supervisor_lost = True

    def _on_hung(self) -> None:
        self._status.stop()
        outcome = Outcome(
            state=State.FAILED,
            reason=Reason.SUPERVISOR_LOST,
            message=_("Its supervisor was gone, and the worker did not stop in time: it ended itself."),
        )
        conclude(self.folder, self._status, self._events, outcome, exit_code=WorkerExit.FAILED)
        os._exit(WorkerExit.FAILED)


def _print(words: str) -> None:
    with contextlib.suppress(OSError):
        print(words, file=sys.stderr, flush=True)  # noqa: T201


def _line_of(line: TrainLine | ValidationLine) -> dict[str, Any]:
    """What was given, behind what every line begins with."""
    head = {"v": line.v, "t": line.t, "attempt": line.attempt, "step": line.step, "kind": line.kind}
    return head | line.model_dump(exclude_unset=True)


def exit_of(outcome: Outcome) -> WorkerExit:
    """The exit code of a worker with this outcome."""
    if outcome.state == State.PAUSED:
        return WorkerExit.PAUSED
    if outcome.state == State.FAILED:
        return WorkerExit.USER_ERROR if outcome.reason == Reason.USER_ERROR else WorkerExit.FAILED
    return WorkerExit.DONE


def _take_supervisor() -> ProcessIdentity | None:
    """The supervisor named in the environment; taken out of it, so that no grandchild believes to be a worker."""
    text = os.environ.pop(SUPERVISOR_VARIABLE, None)
    if text is None:
        return None
    try:
        return ProcessIdentity.model_validate(orjson.loads(text))
    except (orjson.JSONDecodeError, ValidationError):
        return None


def keep_lock_here() -> int | None:
    """Keep the inherited lock to this process alone: a grandchild must not keep the run locked after its end."""
    text = os.environ.pop(LOCK_VARIABLE, None)
    if text is None or not text.isdecimal():
        return None
    try:
        os.set_inheritable(int(text), False)
    except OSError:
        return None
    return int(text)
