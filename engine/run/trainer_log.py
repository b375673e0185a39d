"""trainer.log: what the processes of a run print, kept within a bound."""

import contextlib
import os
import sys
from pathlib import Path
from typing import IO, Any

from engine.small_file import open_regular

MAX_BYTES = 32 << 20
"""A longer trainer.log is moved to trainer.log.1, which replaces the one before."""

_CHUNK = 1 << 20


def open_log(path: Path) -> int:
    """A file descriptor that appends to the log at `path`. Raises OSError."""
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)


class _SoftStream:
    """A text stream whose disk may be full: what it cannot take is dropped."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def soften_output() -> None:
    """From now on nothing that this process prints can fail: a log on a full disk must not end a run."""
    sys.stdout = _SoftStream(sys.stdout)
    sys.stderr = _SoftStream(sys.stderr)


def rotate(path: Path, max_bytes: int = MAX_BYTES) -> bool:
    """Move a log beyond `max_bytes` to `<name>.1`, if it is that long; returns whether it was.

    The processes keep it open, so the text is copied and the file emptied: appending goes on at its new beginning. A
    pipe through the supervisor would be neater, but then the trainer would hang on the supervisor's life.
    """
    try:
        if path.stat().st_size <= max_bytes:
            return False
        with path.open("r+b") as log, path.with_name(path.name + ".1").open("wb") as old:
            # until nothing new came: what is printed between the last look and the cut would be lost
            while chunk := log.read(_CHUNK):
                old.write(chunk)
            old.flush()
            while chunk := log.read(_CHUNK):
                old.write(chunk)
            os.ftruncate(log.fileno(), 0)
    except OSError:
        return False
    return True


def last_lines(path: Path, offset: int = 0, *, lines: int = 20, max_bytes: int = 4000) -> list[str]:
    """The last lines of the log behind `offset`, for a message; bytes that are not UTF-8 are shown as marks."""
    with contextlib.suppress(OSError), open_regular(path) as log:
        size = log.seek(0, os.SEEK_END)
        begin = max(0 if offset > size else offset, size - max_bytes)
        log.seek(begin)
        text = log.read(max_bytes).decode("utf-8", "replace")
        found = [line.rstrip() for line in text.splitlines() if line.strip()]
        return found[-lines:]
    return []
