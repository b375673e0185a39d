"""The supervisor's hold on its worker: starting it, waiting for it, stopping it, and reading how it ended."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from types import FrameType

from engine.language import _
from engine.run.checkpoints import newest
from engine.run.control import ControlInbox, is_stop_now
from engine.run.exit_codes import WorkerExit
from engine.run.folder import RunFolder
from engine.run.lock import RunLock
from engine.run.process import is_alive, runs_on, send_signal_safely, this_process
from engine.run.readable import wait_readable
from engine.run.schema import AttemptRecord, Outcome, Reason, State, Status
from engine.run.start import module_environment, python_module
from engine.run.status import read_status
from engine.run.trainer_log import open_log, rotate
from engine.run.worker_death import oom_kills, outcome_of_death
from engine.run.worker_link import LOCK_VARIABLE, SUPERVISOR_VARIABLE

LOOK_SECONDS = 0.25
ROTATE_SECONDS = 10.0
_WRITER_SECONDS = 10.0


class Wakeup:
    """The supervisor's signals. SIGTERM and SIGINT are counted, SIGHUP is ignored, and each of them, like a child's
    end, wakes up who waits.
    """

    def __init__(self) -> None:
        self.stops = 0
        """How many times a stop was asked for."""
        self.worker_lives = False
        self._read, write = os.pipe()
        for fd in (self._read, write):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._count)

    def wait(self, seconds: float) -> None:
        """Return at the next signal, or after `seconds`."""
        wait_readable(self._read, seconds)
        with contextlib.suppress(BlockingIOError):
            while os.read(self._read, 512):
                pass

    def _count(self, _number: int, _frame: FrameType | None) -> None:
        self.stops += 1


class WorkerProcess:
    """One attempt's worker, started when this is made. Raises OSError."""

    def __init__(self, folder: RunFolder, module: str, record: AttemptRecord, lock: RunLock, wakeup: Wakeup) -> None:
        self._folder = folder
        self._record = record
        self._wakeup = wakeup
        self._oom_kills = oom_kills()
        self._killed = ""
        self.exit_code: int | None = None
        self.crashed_at_exit = False
        """Whether it crashed after it had left its outcome: torch and drivers do so while they are taken down."""
        environment = module_environment() | {
            SUPERVISOR_VARIABLE: this_process().model_dump_json(),
            LOCK_VARIABLE: str(lock.fd),
        }
        log = open_log(folder.trainer_log)
        try:
            self._process = subprocess.Popen(
                [*python_module(module), str(folder.path), "--attempt", str(record.attempt)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                pass_fds=(lock.fd,),
                process_group=0,
            )
        finally:
            os.close(log)
        wakeup.worker_lives = True

    def wait(self, inbox: ControlInbox, step: Callable[[], int]) -> Outcome:
        """Wait for the end, forwarding stops. `inbox` is looked through for `stop` with `now`, which is done here."""
        forwarded = False
        rotated = time.monotonic()
        while not self._has_ended():
            if self._wakeup.stops and not forwarded:
                forwarded = True
                self._signal(signal.SIGTERM)
            if self._wakeup.stops > 1:
                self._kill(Reason.SIGNAL)
            if inbox.poll(step(), only=is_stop_now):
                self._kill(Reason.REQUEST)
            if time.monotonic() - rotated > ROTATE_SECONDS:
                rotated = time.monotonic()
                rotate(self._folder.trainer_log)
            self._wakeup.wait(LOOK_SECONDS)
        self._signal_group(signal.SIGKILL if self._killed else signal.SIGTERM)  # what it left behind
        code = self.exit_code = self._process.wait()
        self._end_writer()
        self._wakeup.worker_lives = False
        return self._outcome(code)

    def last_status(self, before: Status) -> Status:
        """The status as the worker left it, or `before` when it left none, without the worker."""
        status = self._written() or before
        return Status.model_validate(dict(status) | {"worker": None, "supervisor": this_process()})

    def _outcome(self, code: int) -> Outcome:
        written = self._written()
        outcome = None if written is None else written.outcome
        if outcome is not None:
            self.crashed_at_exit = code < 0 and not self._killed
            return outcome
        if self._killed:
            return Outcome(state=State.STOPPED, reason=Reason.KILLED, message=self._words_of_kill())
        if self._wakeup.stops and code == -signal.SIGTERM:
            message = _("Stopped before it had begun.")  # it had no time yet to take the signal
            return Outcome(state=State.STOPPED, reason=Reason.SIGNAL, message=message)
        if code == WorkerExit.PAUSED:
            return Outcome(state=State.PAUSED, reason=Reason.REQUEST, message=_("Paused; its memory is free."))
        return outcome_of_death(self._folder, code, self._oom_kills, self._record.log_offset)

    def _words_of_kill(self) -> str:
        checkpoint = newest(self._folder)
        if checkpoint is None:
            return _("Stopped at once, before anything was saved.")
        return _("Stopped at once. The last saved step is {step}; what came after it is lost.").format(
            step=checkpoint.step
        )

    def _written(self) -> Status | None:
        try:
            status = read_status(self._folder.status)
        except OSError:
            return None
        return status if status is not None and status.attempt == self._record.attempt else None

    def _has_ended(self) -> bool:
        if not hasattr(os, "waitid"):  # macOS before Python 3.13
            return self._process.poll() is not None
        # WNOWAIT leaves the pid taken until its process group has been signalled
        found = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return found is not None

    def _end_writer(self) -> None:
        """Rank 0 of several has a process group of its own: no heartbeat of it may follow the final state."""
        written = self._written()
        writer = None if written is None else written.worker
        if writer is None or not is_alive(writer) or not runs_on(writer, self._folder.path):
            return
        with contextlib.suppress(OSError):
            send_signal_safely(writer, signal.SIGKILL)
        deadline = time.monotonic() + _WRITER_SECONDS
        while is_alive(writer) and time.monotonic() < deadline:
            time.sleep(0.01)

    def _kill(self, reason: Reason) -> None:
        if not self._killed:
            self._killed = reason
            self._signal_group(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, number)

    def _signal_group(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)
