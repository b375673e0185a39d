"""The supervisor: one small process a run, without torch, that outlives terminals and speaks for a worker that cannot.

    python -m engine.run.supervisor FOLDER [--worker MODULE] [--max-restarts N] [--again] [--ready-fd FD]

It holds the run's lock, opens an attempt, runs the worker as `python -m MODULE FOLDER --attempt N` in a process group
of its own, and writes the final state once the worker is gone. SIGTERM or SIGINT: the worker saves and stops; a second
one kills it. SIGHUP is ignored. While paused it waits for `continue`, with the memory free.

If the supervisor itself is killed, its worker notices, saves, stops and writes the final state; it has inherited the
lock, so nobody starts the run meanwhile.
"""

import argparse
import contextlib
import os
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import UserError
from engine.language import _
from engine.run.attempts import begin_attempt, next_attempt, size_of
from engine.run.checkpoints import newest
from engine.run.clock import utc_iso
from engine.run.control import ControlInbox, answered_ids
from engine.run.ending import close_attempt, conclude
from engine.run.folder import RunFolder
from engine.run.jsonl_log import LineWriter
from engine.run.lock import RunLock
from engine.run.process import this_process
from engine.run.restarts import Restarts, Verdict
from engine.run.schema import (
    AttemptRecord,
    Event,
    EventKind,
    Outcome,
    Phase,
    Reason,
    Request,
    State,
    Status,
)
from engine.run.start import LAUNCHER, READY, WORKER
from engine.run.status import StatusWriter, read_status
from engine.run.taking_lock import take_lock
from engine.run.trainer_log import soften_output
from engine.run.worker_process import Wakeup, WorkerProcess

if TYPE_CHECKING:
    from engine.settings.settings import Settings

END_PATIENCE = 10.0
"""Seconds for which it is tried again to write a run's end while the disk refuses."""

LOOK_SECONDS = 0.25
_OF_THE_STEP = ("epoch", "tokens", "elapsed", "loss", "lr", "best_validation", "best_validation_step")

_BEGINS_AGAIN = (Reason.ROLLBACK, Reason.EXCLUSION)
"""The worker has written down what the next attempt is to do otherwise."""

_NOT_AGAIN = (Reason.USER_ERROR, Reason.DIVERGED)
"""Another attempt would end in the same way."""


class Supervisor:
    """Runs one run to its end; `lock` is held. `announce` says when status.json shows the run as starting."""

    def __init__(self, folder: RunFolder, worker: str, max_restarts: int, lock: RunLock, wakeup: Wakeup) -> None:
        self._folder = folder
        self._worker = worker
        self._restarts = Restarts(max_restarts)
        self._worker_ran = False
        self._lock = lock
        self._wakeup = wakeup
        self._events = LineWriter(folder.events)
        self._control_offset = 0
        self._status = self._announce()

    def run(self) -> None:
        """Attempt after attempt until one ends for good; then the final state is written."""
        while True:
            try:
                record = self._open_attempt()
            except (OSError, UserError) as error:
                reason = Reason.USER_ERROR if isinstance(error, UserError) else Reason.ERROR
                self._end(_failed(reason, _words_of(error)), None)
                return
            outcome, code = self._run_worker(record)
            if outcome.state == State.PAUSED:
                conclude(self._folder, self._status, self._events, outcome, exit_code=code)
                end = self._wait_through_pause(record)
                if end is None:
                    self._status = self._announce()
                    continue
                outcome = end
            elif outcome.reason in _BEGINS_AGAIN and not self._wakeup.stops:
                self._begin_again(record, outcome, code)
                continue
            elif self._may_restart(outcome):
                verdict = self._judge(outcome, code)
                if verdict.wait is not None:
                    self._tell_restart(record, outcome, code, verdict.wait)
                    end = self._wait_to_restart(record, verdict.wait)
                    if end is None:
                        self._status = self._announce()
                        continue
                    outcome = end
                elif verdict.why:
                    outcome = _failed(Reason(outcome.reason), f"{outcome.message}\n{verdict.why}")
            self._refuse_rest(record, outcome)
            self._end(outcome, code)
            return

    def fail(self, message: str) -> None:
        """The supervisor itself met an error while no worker lived: say so."""
        self._end(_failed(Reason.ERROR, message), None)

    def _announce(self) -> StatusWriter:
        """Show the run as starting, under the number of the attempt that is about to be opened."""
        number = next_attempt(self._folder)
        self._expire_requests(number)
        self._control_offset = size_of(self._folder.control)
        checkpoint = newest(self._folder)
        step = None if checkpoint is None else checkpoint.step
        me = this_process()
        status = Status(
            **self._known_of(step),
            attempt=number,
            step=step or 0,
            last_checkpoint=step,
            state=State.STARTING,
            phase=Phase.VERIFYING,
            host=me.host,
            supervisor=me,
        )
        writer = StatusWriter(self._folder.status, status)
        writer.start()
        return writer

    def _known_of(self, step: int | None) -> dict[str, Any]:
        """The numbers that the attempt before left in status.json, where it stood at `step`: they still hold, and an
        attempt with no update left to make would not write them again.
        """
        with contextlib.suppress(OSError):
            before = read_status(self._folder.status)
            if before is not None and before.step == step:
                return {name: getattr(before, name) for name in _OF_THE_STEP}
        return {}

    def _expire_requests(self, number: int) -> None:
        """Answer what earlier attempts left without an answer."""
        attempts = self._folder.read_manifest().attempts
        if attempts:
            inbox = self._inbox(number, attempts[-1].control_offset)
            inbox.poll(attempts[-1].end_step or 0, answer_broken=False)

    def _open_attempt(self) -> AttemptRecord:
        record = begin_attempt(
            self._folder,
            self._status.status.attempt,
            self._control_offset,
            lambda done, total: self._status.update(phase_done=done, phase_total=total),
        )
        step = record.start_step
        self._status.update(
            step=step,
            last_checkpoint=step if record.from_checkpoint else None,
            phase=Phase.LOADING,
            phase_done=None,
            phase_total=None,
        )
        return record

    def _run_worker(self, record: AttemptRecord) -> tuple[Outcome, int | None]:
        """Run the attempt's worker to its end; what it ended with, and its exit code."""
        self._status.stop()  # from here on the worker writes status.json
        self._worker_ran = False
        if self._wakeup.stops:
            return _stopped(Reason.SIGNAL, _("Stopped before it had begun.")), None
        try:
            worker = WorkerProcess(self._folder, self._module(), record, self._lock, self._wakeup)
        except OSError as error:
            message = _("The worker could not be started: {problem}").format(problem=_words_of(error))
            return _failed(Reason.ERROR, message), None
        self._worker_ran = True
        inbox = ControlInbox(self._folder, record.attempt, self._events, offset=record.control_offset)
        outcome = worker.wait(inbox, self._step)
        self._status = StatusWriter(self._folder.status, worker.last_status(self._status.status))
        for request_id in inbox.unanswered:
            inbox.answer(request_id, True, None, self._step())
        if worker.crashed_at_exit:
            self._event(EventKind.WARNING, _("The worker had finished its work and crashed on leaving."))
        return outcome, worker.exit_code

    def _module(self) -> str:
        """What to run as the worker: the launcher of several processes, where the run asks for them."""
        if self._worker != WORKER:
            return self._worker
        settings = self._settings()
        return LAUNCHER if settings is not None and settings.processes > 1 else WORKER

    def _settings(self) -> "Settings | None":
        """What run.toml asks; None where it cannot be read: the worker says what is wrong with it."""
        from engine.settings.run_toml import parse_settings  # the settings' own weight, only where a worker starts

        with contextlib.suppress(UserError):
            return parse_settings(self._folder.run_toml)[0]
        return None

    def _wait_through_pause(self, record: AttemptRecord) -> Outcome | None:
        """Answer requests until one ends the pause: None to continue, else how the run ends."""
        self._status.start()
        inbox = self._inbox(record.attempt, record.control_offset)
        requests = inbox.poll(self._step(), answer_broken=False)
        try:
            while True:
                for request in requests:
                    if request.op == "continue":
                        inbox.answer(request.id, True, None, self._step())
                        return None
                    if request.op == "stop":
                        inbox.answer(request.id, True, None, self._step())
                        return _stopped(Reason.REQUEST, _("Stopped while it was paused; everything is saved."))
                    inbox.answer(request.id, *_answer_in_pause(request), self._step())
                if self._wakeup.stops:
                    return _stopped(Reason.SIGNAL, _("Stopped while it was paused; everything is saved."))
                self._wakeup.wait(LOOK_SECONDS)
                requests = inbox.poll(self._step())
        finally:
            self._status.stop()

    def _may_restart(self, outcome: Outcome) -> bool:
        if outcome.state != State.FAILED or outcome.reason in _NOT_AGAIN or self._wakeup.stops:
            return False
        settings = self._settings()
        # the other machines do not come back by themselves: the next attempt would wait for them in vain
        return settings is None or settings.nnodes == 1 or outcome.reason == Reason.MEMORY

    def _judge(self, outcome: Outcome, code: int | None) -> Verdict:
        """Whether the worker is started again. One that died without a word has told its step at its last log line."""
        slack = 0
        if outcome.reason == Reason.WORKER_DIED and (settings := self._settings()) is not None:
            slack = settings.log_interval - 1
        return self._restarts.judge(outcome, code, self._step(), slack=slack, ran=self._worker_ran)

    def _begin_again(self, record: AttemptRecord, outcome: Outcome, code: int | None) -> None:
        """Close an attempt that ended for the next to begin at once; the worker has told why."""
        close_attempt(self._folder, record.attempt, self._step(), outcome, code)
        self._status.update(
            state=State.STARTING, phase=Phase.WAITING, worker=None, outcome=None, message=outcome.message, eta_s=None
        )
        self._status = self._announce()

    def _tell_restart(self, record: AttemptRecord, outcome: Outcome, code: int | None, backoff: float) -> None:
        if outcome.reason == Reason.WORKER_DIED:  # else the worker has told it itself
            self._event(EventKind.ERROR, outcome.message)
        message = _("Attempt {attempt} failed at step {step}; the next begins in {n} s. Restarts left: {left}.").format(
            attempt=record.attempt, step=self._step(), n=f"{backoff:g}", left=self._restarts.left
        )
        at = utc_iso(time.time() + backoff)
        self._event(EventKind.RESTART, message, next_attempt_at=at)
        close_attempt(self._folder, record.attempt, self._step(), outcome, code)
        self._status.update(
            state=State.STARTING,
            phase=Phase.WAITING,
            worker=None,
            outcome=None,
            message=_("Attempt {attempt} failed at step {step}: {problem}").format(
                attempt=record.attempt, step=self._step(), problem=outcome.message
            ),
            eta_s=None,
            next_attempt_at=at,
        )

    def _wait_to_restart(self, record: AttemptRecord, seconds: float) -> Outcome | None:
        """Wait with a heartbeat, answering requests: None to begin the next attempt, else how the run ends."""
        self._status.start()
        inbox = self._inbox(record.attempt, record.control_offset)
        requests = inbox.poll(self._step(), answer_broken=False)
        until = time.monotonic() + seconds
        try:
            while not self._wakeup.stops:
                for request in requests:
                    accepted = request.op in ("stop", "continue")
                    inbox.answer(request.id, accepted, None if accepted else _answer_in_wait(), self._step())
                    if request.op == "stop":
                        return _stopped(Reason.REQUEST, _("Stopped while it waited to start again."))
                    if request.op == "continue":
                        return None
                left = until - time.monotonic()
                if left <= 0:
                    return None
                self._wakeup.wait(min(left, LOOK_SECONDS))
                requests = inbox.poll(self._step())
            return _stopped(Reason.SIGNAL, _("Stopped while it waited to start again."))
        finally:
            self._status.stop()

    def _refuse_rest(self, record: AttemptRecord, outcome: Outcome) -> None:
        inbox = self._inbox(record.attempt, record.control_offset)
        for request in inbox.poll(self._step(), answer_broken=False):
            inbox.answer(request.id, False, _("The run has ended: {state}.").format(state=outcome.state), self._step())

    def _inbox(self, attempt: int, offset: int) -> ControlInbox:
        answered: set[str] = set()
        with contextlib.suppress(OSError):
            answered = answered_ids(self._folder)
        return ControlInbox(self._folder, attempt, self._events, offset=offset, answered=answered)

    def _end(self, outcome: Outcome, code: int | None) -> None:
        self._status.stop()
        conclude(
            self._folder,
            self._status,
            self._events,
            outcome,
            exit_code=code,
            patience=END_PATIENCE,
            wait=self._wakeup.wait,
        )

    def _event(self, kind: EventKind, message: str, **fields: str) -> None:
        status = self._status.status
        event = Event(attempt=status.attempt, step=status.step, kind=kind, message=message)
        self._events.append_or_keep(event.model_dump() | fields)

    def _step(self) -> int:
        return self._status.status.step


def _answer_in_pause(request: Request) -> tuple[bool, str]:
    if request.op == "save":
        return True, _("It is paused: everything is saved.")
    if request.op == "pause":
        return False, _("It is paused already.")
    return False, _("It is paused: continue it first.")


def _answer_in_wait() -> str:
    return _("It waits to start again: it can be stopped, or told to continue at once.")


def _stopped(reason: Reason, message: str) -> Outcome:
    return Outcome(state=State.STOPPED, reason=reason, message=message)


def _failed(reason: Reason, message: str) -> Outcome:
    return Outcome(state=State.FAILED, reason=reason, message=message)


def _words_of(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return str(error)


def main(arguments: list[str] | None = None) -> int:
    """Run the supervisor; 0 when the run has its final state, 2 for a user's mistake, 1 for an error of our own."""
    parser = argparse.ArgumentParser(prog="engine.run.supervisor")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--worker", default=WORKER)
    parser.add_argument("--max-restarts", type=int, default=0)
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--ready-fd", type=int, default=-1)
    asked = parser.parse_args(arguments)
    folder = RunFolder(asked.folder.absolute())
    wakeup = Wakeup()
    try:
        folder.read_manifest()
        lock = take_lock(folder, again=asked.again)
        supervisor = Supervisor(folder, asked.worker, asked.max_restarts, lock, wakeup)
    except (UserError, OSError) as error:
        _report(asked.ready_fd, _words_of(error).encode())
        print(_words_of(error), file=sys.stderr)  # noqa: T201 - it goes to trainer.log
        return 2
    _report(asked.ready_fd, READY)
    try:
        supervisor.run()
    except Exception as error:
        traceback.print_exc()
        if not wakeup.worker_lives:  # a worker that lives notices that we are gone, saves, and says so itself
            supervisor.fail(_("The supervisor met an error: {problem}").format(problem=error))
        return 1
    finally:
        lock.release()
    return 0


def _report(fd: int, words: bytes) -> None:
    if fd >= 0:
        with contextlib.suppress(OSError):
            os.write(fd, words)
            os.close(fd)


if __name__ == "__main__":
    soften_output()
    sys.exit(main())
