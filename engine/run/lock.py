"""The run's lock: one supervisor, with its worker, a run."""

import contextlib
import fcntl
import os
import time
from pathlib import Path

import orjson
from pydantic import ValidationError

from engine.errors import UserError
from engine.language import _
from engine.run.process import is_alive, this_process
from engine.run.schema import ProcessIdentity
from engine.small_file import read_small


class RunLock:
    """An advisory lock on a file of the run folder.

    The kernel releases it when the last process that inherited it ends, however it ends: there is no stale lock. The
    supervisor hands it to its worker, so that a run whose supervisor was killed stays locked until the worker has saved
    and gone. The file holds the supervisor's identity, for messages alone.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd = -1

    def acquire(self, patience: float = 0.0) -> None:
        """Take the lock, waiting up to `patience` seconds. Raises UserError, which names the holder; OSError."""
        deadline = time.monotonic() + patience
        while not self._try():
            if time.monotonic() >= deadline:
                raise UserError(held_message(self.path))
            time.sleep(0.05)

    def release(self) -> None:
        """Give the lock back, if held here."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _try(self) -> bool:
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            taken = _still_at(fd, self.path)  # else it was deleted while we opened it
        except BlockingIOError:
            taken = False
        except OSError:
            os.close(fd)
            raise
        if not taken:
            os.close(fd)
            return False
        with contextlib.suppress(OSError):  # a full disk must not keep anyone from the lock: its text is for messages
            text = this_process().model_dump_json().encode()
            os.pwrite(fd, text, 0)
            os.ftruncate(fd, len(text))
        self.fd = fd
        return True


def holder_of(path: Path) -> ProcessIdentity | None:
    """Who last took the lock at `path`, as far as the file tells; the process may be gone."""
    try:
        return ProcessIdentity.model_validate(orjson.loads(read_small(path)))
    except (OSError, orjson.JSONDecodeError, ValidationError):
        return None


def is_held(path: Path) -> bool:
    """Whether someone holds the lock at `path` now. Raises nothing: a lock that cannot be looked at counts as free."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(fd)
    return False


def held_message(path: Path) -> str:
    """Who holds the lock at `path`, as a message."""
    run = path.parent.name
    holder = holder_of(path)
    if holder is None or is_alive(holder) is False:  # its worker has inherited the lock
        return _("Run {run} is already running: its supervisor is gone, and its worker still saves.").format(run=run)
    return _("Run {run} is already running: process {pid} on {host} holds it.").format(
        run=run, pid=holder.pid, host=holder.host
    )


def _still_at(fd: int, path: Path) -> bool:
    with contextlib.suppress(OSError):
        here, there = os.fstat(fd), path.stat()
        return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)
    return False
