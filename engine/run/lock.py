"""The run's lock: one supervisor, with its worker, a run."""

import contextlib
import errno
import fcntl
import os
import time
from pathlib import Path

import orjson
from pydantic import ValidationError

from engine.errors import UserError
from engine.language import _
from engine.run.atomic import is_still_at, write_all
from engine.run.process import is_alive, this_process
from engine.run.schema import ProcessIdentity
from engine.small_file import read_small

_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL})
_WRITING_SECONDS = 5.0


class RunLock:
    """An advisory lock on a file of the run folder.

    The kernel releases it when the last process that inherited it ends, however it ends: there is no stale lock. The
    supervisor hands it to its worker, so that a run whose supervisor was killed stays locked until the worker has saved
    and gone. The file holds the supervisor's identity, for messages alone.

    Where the file system has no such locks (some network ones), a file beside it that only one can make names the
    holder; it counts while that process lives.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd = -1
        self._claimed = False

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
            if self._claimed:
                self._claimed = False
                with contextlib.suppress(OSError):
                    claim_of(self.path).unlink()
            os.close(self.fd)
            self.fd = -1

    def _try(self) -> bool:
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            taken = is_still_at(fd, self.path)  # else it was deleted while we opened it
        except BlockingIOError:
            taken = False
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                os.close(fd)
                raise
            taken = self._claimed = _claim(self.path)
        if not taken:
            os.close(fd)
            return False
        with contextlib.suppress(OSError):  # a full disk must not keep anyone from the lock: its text is for messages
            text = this_process().model_dump_json().encode()
            os.pwrite(fd, text, 0)
            os.ftruncate(fd, len(text))
        self.fd = fd
        return True


def claim_of(path: Path) -> Path:
    """The file that stands for the lock at `path` where the file system has none."""
    return path.with_name(f"{path.name}.owner")


def _claim(path: Path) -> bool:
    """Name this process the holder, unless one that lives, or may live on another machine, is. Raises OSError."""
    claim = claim_of(path)
    text = this_process().model_dump_json().encode()
    while True:
        try:
            fd = os.open(claim, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        except FileExistsError:
            holder = holder_of(claim)
            if _may_live(claim, holder) or not _take_away(claim, holder):
                return False
            continue
        try:
            write_all(fd, text)
        finally:
            os.close(fd)
        return True


def _may_live(claim: Path, holder: ProcessIdentity | None) -> bool:
    if holder is not None:
        return is_alive(holder) is not False
    try:
        return time.time() - claim.stat().st_mtime < _WRITING_SECONDS  # its holder is just writing it
    except OSError:
        return False


def _take_away(claim: Path, dead: ProcessIdentity | None) -> bool:
    """Remove a dead holder's claim; False when somebody else was quicker and holds it now."""
    aside = claim.with_name(f".{claim.name}-{os.urandom(4).hex()}")
    try:
        claim.rename(aside)
    except FileNotFoundError:
        return True
    try:
        if holder_of(aside) != dead:
            with contextlib.suppress(OSError):
                claim.hardlink_to(aside)
            return False
    finally:
        with contextlib.suppress(OSError):
            aside.unlink()
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
    except OSError as error:
        claim = claim_of(path)
        return error.errno in _NO_LOCKS and claim.exists() and _may_live(claim, holder_of(claim))
    finally:
        os.close(fd)
    return False


def held_message(path: Path) -> str:
    """Who holds the lock at `path`, as a message."""
    run = path.parent.name
    holder = holder_of(path)
    if holder is None or is_alive(holder) is False:  # its worker has inherited the lock
        return _("Run {run} is already running: its supervisor is gone, and its worker still saves.").format(run=run)
    words = _("Run {run} is already running: process {pid} on {host} holds it.").format(
        run=run, pid=holder.pid, host=holder.host
    )
    if claim_of(path).exists() and is_alive(holder) is None:
        words += " " + _("If that machine is gone for good, delete {file}.").format(file=claim_of(path))
    return words
