"""status.json: one writer at a time, replaced whole, with a heartbeat."""

import errno
import os
import threading
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from engine.run.atomic import taken, write_all_at_start, write_atomic
from engine.run.clock import awake_seconds, now_utc_iso
from engine.run.schema import FINAL_STATES, State, Status
from engine.small_file import read_small

HEARTBEAT_SECONDS = 1.0
"""How often status.json is replaced when nothing happens. The format promises 2 s."""

_PROGRESS = ("step", "epoch", "micro_batch", "tokens", "phase", "phase_done")
_FORGET = 0.9  # by how much an old, longer interval fades with each advance


class StatusWriter:
    """Writes status.json; safe to use from any thread.

    `update` replaces the file at once; `note` changes the values and leaves the writing to the next heartbeat, for
    what changes many times a second. `progress_at` moves when step, epoch, micro_batch, tokens, phase or phase_done
    change: the heartbeat of a hung loop does not look like work. A disk that refuses never stops the run: a full one
    is written in place, else `error` keeps the reason and the next heartbeat tries again.
    """

    def __init__(self, path: Path, status: Status, *, heartbeat_seconds: float = HEARTBEAT_SECONDS) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._status = status
        self._seconds = heartbeat_seconds
        self._done = threading.Event()
        self._thread: threading.Thread | None = None
        self._last_advance: float | None = None
        self.error: OSError | None = None
        self._advance()

    @property
    def status(self) -> Status:
        """The values as they are now, a copy."""
        with self._lock:
            return self._status.model_copy()

    def start(self) -> None:
        """Write now, and from now on with every heartbeat, from a thread."""
        self.update()
        if self._thread is None:
            self._done.clear()
            self._thread = threading.Thread(target=self._beat, name="status-heartbeat", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """No heartbeat any more; when this returns no thread of this writer writes."""
        self._done.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        self._thread = None

    def update(self, **changes: Any) -> None:
        """Change values and replace the file. Raises TypeError for unknown names, ValidationError for wrong types."""
        with self._lock:
            self._change(changes)
            # only an end has to survive a power cut: an fsync each second would cost more than the heartbeat is worth
            self._write(durable=self._status.state in FINAL_STATES | {State.PAUSED})

    def note(self, **changes: Any) -> None:
        """Change values; the next heartbeat writes them. Raises as `update` does."""
        with self._lock:
            self._change(changes)

    def _change(self, changes: dict[str, Any]) -> None:
        unknown = changes.keys() - Status.model_fields.keys()
        if unknown:
            raise TypeError(f"status.json has no {', '.join(sorted(unknown))}")
        if not changes:
            return
        before = self._status
        values = {name: value for name, value in before if name not in changes}
        self._status = Status.model_validate(values | changes)
        if any(getattr(self._status, name) != getattr(before, name) for name in _PROGRESS):
            self._advance(same_phase=self._status.phase == before.phase)

    def _advance(self, *, same_phase: bool = False) -> None:
        now = awake_seconds()
        status = self._status
        if same_phase and self._last_advance is not None:
            gap = now - self._last_advance
            status.usual_interval = max(gap, _FORGET * (status.usual_interval or 0.0))
        self._last_advance = now
        status.progress_at = now_utc_iso()
        status.progress_clock = now

    def _write(self, *, durable: bool = False) -> None:
        status = self._status
        status.t = status.heartbeat = now_utc_iso()
        status.heartbeat_clock = awake_seconds()
        # an end that cannot be made to survive a power cut is still said
        for lasting in (True, False) if durable else (False,):
            try:
                _write_somehow(self._path, status, durable=lasting)
            except OSError as error:
                self.error = error
            else:
                self.error = None
                return

    def _beat(self) -> None:
        while not self._done.wait(self._seconds):
            with self._lock:
                if not self._done.is_set():
                    self._write()


def _write_somehow(path: Path, status: Status, *, durable: bool) -> None:
    """Replace the file in one step; on a full disk overwrite it in place, which needs no space: a run has to be able
    to say that the disk is full. Raises OSError.
    """
    data = encode_record(status)
    try:
        write_atomic(path, data, durable=durable)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            size = os.fstat(fd).st_size
            if not _make_room(fd, size, len(data)):
                data = encode_record(status.model_copy(update={"message": None}))
                if len(data) > size:
                    raise
            write_all_at_start(fd, data[:-1] + b" " * (size - len(data)) + b"\n")
        finally:
            os.close(fd)


def _make_room(fd: int, size: int, wanted: int) -> bool:
    """Whether the file of `size` bytes can be as long as `wanted`: it is lengthened with blanks, which change nothing
    of what it says, so that a refusal leaves it whole.
    """
    end = size
    try:
        while end < wanted:
            end += taken(os.pwrite(fd, b" " * (wanted - end), end))
    except OSError:
        os.ftruncate(fd, size)
        return False
    return True


def encode_record(record: Status) -> bytes:
    """A record as the bytes of its file: JSON of one line; what is None is left out, what is not finite is null."""
    return orjson.dumps(record.model_dump(mode="json", exclude_none=True), option=orjson.OPT_APPEND_NEWLINE)


def read_status(path: Path) -> Status | None:
    """The status in the file at `path`; None when it is missing or no status. Raises OSError otherwise."""
    try:
        return Status.model_validate(orjson.loads(read_small(path)))
    except (FileNotFoundError, NotADirectoryError, orjson.JSONDecodeError, ValidationError):
        return None
