"""Whether files of the cache hold what was written: by hash when they are opened, by a look while they are used."""

import hashlib
import os
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson

from engine.language import _

SEAL = "seal"
"""The key of meta.json that holds the hash of all its other keys."""

_BLOCK = 4 * 2**20


class DataChangedError(Exception):
    """What is trained on was changed in place, in words: nothing learnt since the last checkpoint may be kept."""


def hash_of_file(fd: int, on_bytes: Callable[[int], None] | None = None) -> str:
    """Hex SHA-256 of an open file from its beginning; `on_bytes` hears of each block's size. Raises OSError."""
    digest = hashlib.sha256()
    offset = 0
    while block := os.pread(fd, _BLOCK, offset):
        digest.update(block)
        offset += len(block)
        if on_bytes is not None:
            on_bytes(len(block))
    return digest.hexdigest()


def seal_of(meta: Mapping[str, Any]) -> str:
    """The hash of a meta.json's content, its own seal left out."""
    rest = {key: value for key, value in meta.items() if key != SEAL}
    return hashlib.sha256(orjson.dumps(rest, option=orjson.OPT_SORT_KEYS)).hexdigest()


class SealedFiles:
    """The files of one folder held open, so that they can be looked at whatever happens to their names.

    `hashes` are those written beside them. Raises OSError for a file that cannot be opened.
    """

    def __init__(self, folder: Path, hashes: Mapping[str, str]) -> None:
        self.folder = folder
        self._hashes = dict(hashes)
        self._fds: dict[str, int] = {}
        self._release = weakref.finalize(self, _close_all, self._fds)
        for name in hashes:
            self._fds[name] = os.open(folder / name, os.O_RDONLY | os.O_CLOEXEC)
        self._seen = {name: _look(fd) for name, fd in self._fds.items()}

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(size for size, _mtime in self._seen.values())

    def damaged(self, on_bytes: Callable[[int], None] | None = None) -> list[str]:
        """The files that do not hold what was written. Reads all of them; raises OSError."""
        return [name for name, fd in self._fds.items() if hash_of_file(fd, on_bytes) != self._hashes[name]]

    def check_untouched(self) -> None:
        """Return if nobody wrote into the files since they were opened. A look at each; one that was touched is read.

        Raises DataChangedError.
        """
        changed = []
        for name, fd in self._fds.items():
            now = _look(fd)
            if now == self._seen[name]:
                continue
            if hash_of_file(fd) == self._hashes[name]:
                self._seen[name] = now
            else:
                changed.append(name)
        if changed:
            raise DataChangedError(
                _(
                    "The cache {folder} was changed while it was trained on ({files}): what was learnt since the last "
                    "checkpoint is not kept. The next attempt builds the cache anew from the text."
                ).format(folder=self.folder, files=", ".join(changed))
            )


def _look(fd: int) -> tuple[int, int]:
    status = os.fstat(fd)
    return status.st_size, status.st_mtime_ns


def _close_all(fds: dict[str, int]) -> None:
    for fd in fds.values():
        os.close(fd)
