"""JSON Lines that survive crashes: a writer that appends whole lines, and a reader that follows by offset."""

import contextlib
import os
import time
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from engine.run.atomic import fsync, is_still_at, write_all
from engine.small_file import open_regular

Line = dict[str, Any]

MAX_LINE = 16 << 20
"""Bytes. A longer line is taken for garbage and skipped."""

_CHUNK = 1 << 20
_PRINT = 64  # bytes before the offset that are remembered, to notice that a file was rewritten in place
_MAX_PENDING = 1_000_000
_MAX_PENDING_BYTES = 64 << 20


def encode_line(record: Mapping[str, Any]) -> bytes:
    """`record` as one line. NaN and infinities become null, which JSON can say. Raises TypeError for foreign types."""
    return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS)


class LineWriter:
    """Appends whole lines to a file that other processes read, and may write, at the same time.

    One line is one `write` in append mode. A torn last line, left by a crash or a full disk, is closed first, so that
    it spoils itself alone.

    `append` raises what the disk says. `append_or_keep` is for lines a full disk must not stop: it keeps them in
    memory (the last 64 MiB of them), writes them in order as soon as it can, and counts in `lost` what it had to let
    go. A file that was deleted, replaced or lost by a network file system is opened anew: lines written on into a file
    that nobody can see would be lost without a word.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lost = 0
        self.error: OSError | None = None
        self._pending: deque[bytes] = deque()
        self._pending_bytes = 0
        self._unsynced: deque[bytes] = deque()
        self._unsynced_bytes = 0
        self._fd = -1

    @property
    def pending(self) -> int:
        """Lines kept in memory because they could not be written yet."""
        return len(self._pending)

    def append(self, record: Mapping[str, Any], *, durable: bool = False) -> None:
        """Append `record`. Raises OSError, TypeError."""
        self._write(encode_line(record))
        if durable:
            fsync(self._fd)

    def append_or_keep(self, record: Mapping[str, Any]) -> bool:
        """Append `record`, or keep it for later; False when it is kept, and `error` says why. Raises TypeError."""
        line = encode_line(record)
        self._pending.append(line)
        self._pending_bytes += len(line)
        while len(self._pending) > 1 and (
            len(self._pending) > _MAX_PENDING or self._pending_bytes > _MAX_PENDING_BYTES
        ):
            self._pending_bytes -= len(self._pending.popleft())
            self.lost += 1
        return self.flush()

    def flush(self) -> bool:
        """Write what is kept; False when the disk still refuses."""
        while self._pending:
            try:
                self._write(self._pending[0])
            except OSError as error:
                self.error = error
                return False
            line = self._pending.popleft()
            self._pending_bytes -= len(line)
            self._remember_unsynced(line)
        self.error = None
        return True

    def sync(self) -> None:
        """Make all written lines survive a power cut. Raises OSError: then what `append_or_keep` wrote since the last
        sync counts as lost, and is written once more with the next line. A disk reports such a loss only once, so
        asking again would be told that all is well.
        """
        if self._fd < 0:
            return
        try:
            fsync(self._fd)
        except OSError:
            self._pending.extendleft(reversed(self._unsynced))
            self._pending_bytes += self._unsynced_bytes
            self.close()
            raise
        finally:
            self._unsynced.clear()
            self._unsynced_bytes = 0

    def _remember_unsynced(self, line: bytes) -> None:
        self._unsynced.append(line)
        self._unsynced_bytes += len(line)
        while self._unsynced_bytes > _MAX_PENDING_BYTES:
            self._unsynced_bytes -= len(self._unsynced.popleft())

    def close(self) -> None:
        """Close the file; lines kept in memory stay there, and the next one opens it again."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            with contextlib.suppress(OSError):  # a network file system may report an old write here
                os.close(fd)

    def _write(self, line: bytes) -> None:
        try:
            self._open()
            size = os.fstat(self._fd).st_size
            if size and os.pread(self._fd, 1, size - 1) != b"\n":
                line = b"\n" + line
            write_all(self._fd, line)  # a disk that fills up takes a part first, and says ENOSPC at the next write
        except OSError:
            self.close()  # the handle itself may be what is stale
            raise

    def _open(self) -> None:
        """Have the file open that lies at the path now."""
        if self._fd >= 0 and not is_still_at(self._fd, self.path):
            self.close()
        if self._fd < 0:
            self._fd = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)


class Tail:
    """Follows a JSON Lines file by offset: each `poll` returns the whole lines that came since the last one.

    A line without its newline waits for the rest. Lines that are not JSON objects, not UTF-8 or longer than `max_line`
    bytes are counted in `bad_lines` and skipped. When the file was truncated or replaced, reading starts over and
    `generation` grows: the caller forgets what it read. Inotify fails on network file systems; looking at the size
    works everywhere.
    """

    def __init__(self, path: Path, offset: int = 0, *, max_line: int = MAX_LINE) -> None:
        self.path = path
        self.offset = offset
        self._max_line = max_line
        self.generation = 0
        self.bad_lines = 0
        self.caught_up = False
        """False when the last poll ran out of its time before the end of the file."""
        self._inode: tuple[int, int] | None = None
        self._print = b""
        self._skipping = False

    def poll(self, seconds: float = float("inf")) -> list[Line]:
        """The lines that came since the last poll, for about `seconds` of reading at most. Missing files are empty.

        Raises OSError when the file is there and cannot be read.
        """
        self.caught_up = True
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            if self._inode is not None:
                self._start_over()
                self._inode = None
            return []
        same_file = self._inode in (None, (stat.st_dev, stat.st_ino))
        if same_file and stat.st_size == self.offset and self._inode is not None:
            return []  # nothing new; a rewrite to exactly this size shows when the next line comes
        lines: list[Line] = []
        deadline = time.monotonic() + seconds
        with open_regular(self.path) as file:
            stat = os.fstat(file.fileno())
            if not same_file or stat.st_size < self.offset or self._rewritten(file.fileno()):
                self._start_over()
            self._inode = (stat.st_dev, stat.st_ino)
            self._read(file.fileno(), lines, deadline)
        return lines

    def _rewritten(self, fd: int) -> bool:
        return bool(self._print) and os.pread(fd, len(self._print), self.offset - len(self._print)) != self._print

    def _start_over(self) -> None:
        self.offset = 0
        self.generation += 1
        self.bad_lines = 0
        self._print = b""
        self._skipping = False

    def _read(self, fd: int, lines: list[Line], deadline: float) -> None:
        size = _CHUNK
        while chunk := os.pread(fd, size, self.offset):
            end = chunk.rfind(b"\n") + 1
            if end == 0:
                if len(chunk) < size:  # the end of the file: an unfinished line
                    return
                if self._skipping or size >= self._max_line:
                    self._skipping = True
                    self.offset += len(chunk)
                    self._remember(chunk)
                    if time.monotonic() >= deadline:
                        self.caught_up = False
                        return
                else:
                    size *= 4
                continue
            whole = chunk[:end]
            start = 0
            if self._skipping:
                start = whole.index(b"\n") + 1
                self._skipping = False
                self.bad_lines += 1
            self._parse(whole[start:] if start else whole, lines)
            self.offset += end
            self._remember(whole)
            size = _CHUNK
            if time.monotonic() >= deadline:
                self.caught_up = False
                return

    def _remember(self, data: bytes) -> None:
        self._print = (self._print + data[-_PRINT:])[-_PRINT:]

    def _parse(self, whole: bytes, lines: list[Line]) -> None:
        loads = orjson.loads
        for raw in whole.split(b"\n"):
            if not raw or raw == b"\r":
                continue
            if len(raw) > self._max_line:
                self.bad_lines += 1
                continue
            try:
                value = loads(raw)
            except orjson.JSONDecodeError:
                self.bad_lines += 1
                continue
            if type(value) is dict:
                lines.append(value)
            else:
                self.bad_lines += 1


def line_batches(path: Path) -> Iterator[list[Line]]:
    """All whole lines of a JSON Lines file, about a megabyte of them at a time, so that a log of any length can be
    read; missing files are empty. Raises OSError.
    """
    tail = Tail(path)
    while True:
        lines = tail.poll(seconds=0.0)
        if lines:
            yield lines
        if tail.caught_up:
            return


def read_lines(path: Path) -> list[Line]:
    """All whole lines of a JSON Lines file; missing files are empty. Raises OSError."""
    return Tail(path).poll()
