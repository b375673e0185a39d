"""Reading files that ought to be small, whatever they are: a pipe hangs no reader, a large one fills no memory."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO, cast

SMALL = 16 << 20
"""Bytes that any of our records, presets and settings stays far below."""


def read_small(path: str | Path, limit: int = SMALL) -> bytes:
    """The bytes of a regular file of at most `limit` bytes. Links are followed.

    Raises OSError: it cannot be read, is no regular file (a named pipe would wait for ever, a device never end), or is
    larger, also if it grows meanwhile.
    """
    fd, size = _open(path)
    try:
        if size > limit:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
        data = os.read(fd, size + 1)
        if len(data) != size:  # it changed under our hands, or is a file whose size the system does not know
            data = _read_on(fd, data, limit, path)
    finally:
        os.close(fd)
    return data


def open_regular(path: str | Path) -> BinaryIO:
    """A regular file, open for reading without a buffer. Raises OSError as `read_small` does, whatever the size."""
    return cast(BinaryIO, os.fdopen(_open(path)[0], "rb", buffering=0))


def _open(path: str | Path) -> tuple[int, int]:
    """A descriptor of a regular file, and its size."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    found = os.fstat(fd)
    if stat.S_ISREG(found.st_mode):
        return fd, found.st_size
    os.close(fd)
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise OSError(errno.EINVAL, "Not a regular file", str(path))


def _read_on(fd: int, data: bytes, limit: int, path: str | Path) -> bytes:
    while len(data) <= limit:
        more = os.read(fd, limit + 1 - len(data))
        if not more:
            return data
        data += more
    raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
