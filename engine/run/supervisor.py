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
from typing import Any

from engine.errors import UserError
from engine.language import _
from engine.run.atomic import remove_unfinished
from engine.run.attempts import begin_attempt, next_attempt, size_of
from engine.run.checkpoints import newest
from engine.run.control import ControlInbox, answered_ids
from engine.run.ending import close_attempt, conclude
from engine.run.folder import RunFolder
from engine.run.jsonl_log import LineWriter
from engine.run.lock import RunLock, held_message
from engine.run.observe import Observation, observe
from engine.run.process import this_process
from engine.run.schema import (
    FINAL_STATES,
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
from engine.run.worker_process import Wakeup, WorkerProcess

LOCK_PATIENCE = 5.0
"""Seconds given to a supervisor that is just about to end."""

LOOK_SECONDS = 0.25
_OF_THE_STEP = ("epoch", "tokens", "elapsed", "loss", "lr", "best_validation", "best_validation_step")
BACKOFF_FIRST, BACKOFF_MOST = 1.0, 60.0


class Supervisor:
    """Runs one run to its end; `lock` is held. `announce` says when status.json shows the run as starting."""

    def __init__(self, folder: RunFolder, worker: str, max_restarts: int, lock: RunLock, wakeup: Wakeup) -> None:
        self._folder = folder
        self._worker = worker
        self._restarts_left = max_restarts
        self._lock = lock
        self._wakeup = wakeup
        self._events = LineWriter(folder.events)
        self._control_offset = 0
        self._status = self._announce()

    def run(self) -> None:
        """Attempt after attempt until one ends for good; then the final state is written."""
        backoff = BACKOFF_FIRST
        while True:
            try:
                record = self._open_attempt()
            except (OSError, UserError) as error:
                self._end(_failed(Reason.ERROR, _words_of(error)), None)
                return
            outcome, code = self._run_worker(record)
            if outcome.state == State.PAUSED:
                conclude(self._folder, self._status, self._events, outcome, exit_code=code)
                end = self._wait_through_pause(record)
                if end is None:
                    self._status = self._announce()
                    continue
                outcome = end
            elif self._may_restart(outcome):
                self._restarts_left -= outcome.reason != Reason.MEMORY
                self._tell_restart(record, outcome, code, backoff)
                if self._sleep(backoff):
                    backoff = min(2 * backoff, BACKOFF_MOST)
                    self._status = self._announce()
                    continue
                outcome = _stopped(Reason.SIGNAL, _("Stopped while it waited to start again."))
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
        if self._wakeup.stops:
            return _stopped(Reason.SIGNAL, _("Stopped before it had begun.")), None
        try:
            worker = WorkerProcess(self._folder, self._module(), record, self._lock, self._wakeup)
        except OSError as error:
            message = _("The worker could not be started: {problem}").format(problem=_words_of(error))
            return _failed(Reason.ERROR, message), None
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
        from engine.settings.run_toml import parse_settings  # the settings' own weight, only where a worker starts

        with contextlib.suppress(UserError):  # the worker says what is wrong with run.toml
            if parse_settings(self._folder.run_toml)[0].processes > 1:
                return LAUNCHER
        return WORKER

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
        if outcome.state != State.FAILED or outcome.reason == Reason.USER_ERROR or self._wakeup.stops:
            return False
        # with half the rows at a time it is another attempt, and there are not many halves
        return self._restarts_left > 0 or outcome.reason == Reason.MEMORY

    def _tell_restart(self, record: AttemptRecord, outcome: Outcome, code: int | None, backoff: float) -> None:
        if outcome.reason == Reason.WORKER_DIED:  # else the worker has told it itself
            self._event(EventKind.ERROR, outcome.message)
        message = _("Attempt {attempt} failed; the next begins in {n} s. Restarts left: {left}.").format(
            attempt=record.attempt, n=f"{backoff:g}", left=self._restarts_left
        )
        self._event(EventKind.RESTART, message)
        close_attempt(self._folder, record.attempt, self._step(), outcome, code)
        self._status.update(
            state=State.STARTING, phase=Phase.WAITING, worker=None, outcome=None, message=message, eta_s=None
        )

    def _sleep(self, seconds: float) -> bool:
        """Wait with a heartbeat; False as soon as a stop is asked for."""
        self._status.start()
        until = time.monotonic() + seconds
        while not self._wakeup.stops and (left := until - time.monotonic()) > 0:
            self._wakeup.wait(min(left, LOOK_SECONDS))
        self._status.stop()
        return not self._wakeup.stops

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
        conclude(self._folder, self._status, self._events, outcome, exit_code=code)

    def _event(self, kind: EventKind, message: str) -> None:
        status = self._status.status
        event = Event(attempt=status.attempt, step=status.step, kind=kind, message=message)
        self._events.append_or_keep(event.model_dump())

    def _step(self) -> int:
        return self._status.status.step


def _answer_in_pause(request: Request) -> tuple[bool, str]:
    if request.op == "save":
        return True, _("It is paused: everything is saved.")
    if request.op == "pause":
        return False, _("It is paused already.")
    return False, _("It is paused: continue it first.")


def _stopped(reason: Reason, message: str) -> Outcome:
    return Outcome(state=State.STOPPED, reason=reason, message=message)


def _failed(reason: Reason, message: str) -> Outcome:
    return Outcome(state=State.FAILED, reason=reason, message=message)


def _words_of(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return str(error)


def _close_books(folder: RunFolder, now: Observation) -> None:
    """Write the end that a worker left word of, and that its supervisor did not live to write."""
    status = now.status
    if status is None or status.state in FINAL_STATES or status.outcome is None:
        return
    remove_unfinished(folder.path, (folder.status.name, folder.manifest.name))
    mine = Status.model_validate(dict(status) | {"worker": None, "supervisor": this_process()})
    conclude(folder, StatusWriter(folder.status, mine), LineWriter(folder.events), status.outcome)


def take_lock(folder: RunFolder, *, again: bool) -> RunLock:
    """The run's lock. Raises UserError when the run runs, or is finished and not to be run `again`; OSError."""
    lock = RunLock(folder.lock)
    deadline = time.monotonic() + LOCK_PATIENCE
    while True:
        try:
            lock.acquire()
            break
        except UserError:
            # a supervisor that has written its final state lets go within moments; one that lives does not
            if observe(folder).is_live or time.monotonic() >= deadline:
                raise UserError(held_message(folder.lock)) from None
            time.sleep(0.05)
    now = observe(folder)
    if now.state is State.FINISHED and not again:
        _close_books(folder, now)
        lock.release()
        raise UserError(
            _("Run {run} is finished: nothing is left to do. {message}").format(run=folder.id, message=now.message)
        )
    if now.status is not None and now.is_live:  # on a machine whose lock this file system does not show
        lock.release()
        raise UserError(
            _("Run {run} is {state}: {message} {how}").format(
                run=folder.id, state=now.state, message=now.message, how=now.how
            )
        )
    return lock


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
    sys.exit(main())
