"""Building into the cache folder: locks, atomic publication, integrity checks, progress, and a full disk in words."""

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import orjson

from engine.data.seal import SEAL, SealedFiles, seal_of
from engine.errors import UserError
from engine.language import _
from engine.small_file import read_small

Phase = Literal["hashing", "waiting", "tokenising", "packing", "verifying"]
META = "meta.json"
STAGING = ".building-"
_POLL_SECONDS = 0.1


class BuildStopped(Exception):  # noqa: N818
    """The caller's should_stop said so; nothing was left behind."""


@dataclass(frozen=True)
class BuildProgress:
    """How far a build is: `done` of `total` bytes of the data file (documents while packing, bytes of the cache while
    verifying), and documents so far.
    """

    phase: Phase
    done: int
    total: int
    documents: int


Progress = Callable[[BuildProgress], None]
ShouldStop = Callable[[], bool]


def raise_if_stopped(should_stop: ShouldStop | None) -> None:
    """Raise BuildStopped when the caller asks to stop."""
    if should_stop is not None and should_stop():
        raise BuildStopped


class FileLock:
    """An advisory lock on a file, shared or exclusive, that the system drops when its holder dies.

    The lock is released when the object goes. Raises UserError where it cannot be made, as on a file system without
    locks.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._release: weakref.finalize[..., FileLock] | None = None
        self._fd = -1

    def acquire(self, *, exclusive: bool, wait: bool, while_waiting: Callable[[], None] | None = None) -> bool:
        """Take the lock; False when it is taken and `wait` is false. `while_waiting` is called at every try."""
        while True:
            if self._try(exclusive):
                return True
            if not wait:
                return False
            if while_waiting is not None:
                while_waiting()
            time.sleep(_POLL_SECONDS)

    def _try(self, exclusive: bool) -> bool:
        try:
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise in_words(error, self.path.parent) from error
        try:
            fcntl.flock(fd, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        except OSError as error:
            os.close(fd)
            raise in_words(error, self.path.parent) from error
        # Whoever cleaned up may have unlinked the file between open and lock: then this lock protects nothing.
        try:
            current = os.stat(self.path).st_ino == os.fstat(fd).st_ino  # noqa: PTH116
        except FileNotFoundError:
            current = False
        if not current:
            os.close(fd)
            return False
        self._fd = fd
        self._release = weakref.finalize(self, os.close, fd)
        return True

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        if self._release is not None:
            self._release()
            self._release = None
            self._fd = -1

    def note(self, content: dict[str, Any]) -> None:
        """Leave a note in the lock's file for those who wait (its holder only)."""
        raw = orjson.dumps(content)
        with contextlib.suppress(OSError):  # on a full disk those who wait see no progress, nothing more
            os.pwrite(self._fd, raw, 0)
            os.ftruncate(self._fd, len(raw))

    def read_note(self) -> dict[str, Any]:
        """The holder's note, {} when there is none."""
        try:
            note = orjson.loads(read_small(self.path))
        except (OSError, orjson.JSONDecodeError):
            return {}
        return note if isinstance(note, dict) else {}


@contextmanager
def build_lock(path: Path, progress: Progress | None, should_stop: ShouldStop | None) -> Iterator[Progress]:
    """Hold the exclusive lock of a build, waiting for another process's build with its progress as phase "waiting".

    Yields a Progress that also tells those who wait, about twice a second.
    """
    lock = FileLock(path)
    last = 0.0

    def while_waiting() -> None:
        raise_if_stopped(should_stop)
        if progress is not None:
            note = lock.read_note()
            done, total, documents = (int(note.get(name) or 0) for name in ("done", "total", "documents"))
            progress(BuildProgress("waiting", done, total, documents))

    def tell(state: BuildProgress) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= 0.5:
            last = now
            lock.note({"pid": os.getpid(), "done": state.done, "total": state.total, "documents": state.documents})
        if progress is not None:
            progress(state)

    lock.acquire(exclusive=True, wait=True, while_waiting=while_waiting)
    try:
        lock.note({"pid": os.getpid()})
        yield tell
    finally:
        lock.release()


class Staging:
    """A folder being filled: arrays are appended to files, then everything is published at once.

    `expected_bytes` is the builder's newest estimate of what the whole will take; it is told when the disk is full.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.expected_bytes = 0
        self._files: dict[str, Any] = {}
        self._digests: dict[str, Any] = {}

    def append(self, name: str, array: npt.NDArray[Any]) -> None:
        """Append the bytes of `array` to the file `name`."""
        if name not in self._files:
            self._files[name] = (self.folder / name).open("wb", buffering=2**20)
            self._digests[name] = hashlib.sha256()
        raw = np.ascontiguousarray(array).view(np.uint8).data
        self._files[name].write(raw)
        self._digests[name].update(raw)

    @property
    def written_bytes(self) -> int:
        """Bytes appended so far."""
        return sum(file.tell() for file in self._files.values())

    def seal(self, meta: dict[str, Any]) -> None:
        """Flush all files to disk and write meta.json, which lists them with sizes and hashes, last."""
        files = {}
        for name, file in self._files.items():
            file.flush()
            os.fsync(file.fileno())
            file.close()
            path = self.folder / name
            files[name] = {
                "bytes": path.stat().st_size,
                "check": spot_check(path),
                "sha256": self._digests[name].hexdigest(),
            }
        sealed = {**meta, "files": files}
        raw = orjson.dumps({**sealed, SEAL: seal_of(sealed)}, option=orjson.OPT_INDENT_2)
        with (self.folder / META).open("wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())

    def close(self) -> None:
        """Close all files, whatever state they are in."""
        for file in self._files.values():
            try:
                file.close()
            except OSError:  # a full disk refuses the last flush; the folder is removed anyway
                continue


@contextmanager
def staging(target: Path) -> Iterator[Staging]:
    """A new folder beside `target` that replaces it on success and vanishes on any failure.

    Call it under the build lock of `target`: what a build that died left over is removed first. Raises UserError when
    the disk is full or the folder cannot be written.
    """
    parent = target.parent
    work = Staging(parent / f"{STAGING}{target.name}")
    try:
        parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(work.folder, ignore_errors=True)
        work.folder.mkdir()
        yield work
        work.close()
        sync_folder(work.folder)
        if target.exists():
            aside = parent / f"{STAGING}{target.name}-replaced"
            shutil.rmtree(aside, ignore_errors=True)
            target.rename(aside)
            work.folder.rename(target)
            shutil.rmtree(aside, ignore_errors=True)
        else:
            work.folder.rename(target)
        sync_folder(parent)
    except OSError as error:
        work.close()
        written = folder_bytes(work.folder)
        shutil.rmtree(work.folder, ignore_errors=True)
        raise in_words(error, parent, max(work.expected_bytes, written)) from error
    except BaseException:
        work.close()
        shutil.rmtree(work.folder, ignore_errors=True)
        raise


def in_words(error: OSError, folder: Path, needed: int = 0) -> UserError:
    """A failure to write into the cache folder as the user should read it."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        try:
            free = shutil.disk_usage(folder).free
        except OSError:
            free = 0
        return UserError(
            _(
                "The disk is full: the cache in {folder} needs about {needed:.1f} MB, {free:.1f} MB are free."
                " Free some space, remove old caches with `minimind data cache clean`,"
                " or name another folder with the environment variable MINIMIND_CACHE."
            ).format(folder=folder, needed=needed / 1e6, free=free / 1e6)
        )
    return UserError(
        _(
            "The cache folder {folder} cannot be used: {reason}."
            " Name another one with the environment variable MINIMIND_CACHE."
        ).format(folder=error.filename or folder, reason=error.strerror or error)
    )


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` survive a power failure."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def folder_bytes(folder: Path) -> int:
    """Bytes of all files under `folder`; files that vanish meanwhile count 0."""
    total = 0
    for root, _dirs, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(root) / name).lstat().st_size
            except OSError:
                continue
    return total


def spot_check(path: Path, blocks: int = 16, block_bytes: int = 4096) -> str:
    """A hash of evenly spaced blocks of a file, its first and last among them: cheap at any size."""
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb", buffering=0) as file:
        last = max(0, path.stat().st_size - block_bytes)
        for index in range(blocks):
            file.seek(last * index // (blocks - 1))
            digest.update(file.read(block_bytes))
    return digest.hexdigest()


def read_intact_meta(folder: Path, format_version: int) -> dict[str, Any] | None:
    """The meta.json of a published folder, or None when the folder is absent, of another format, or damaged.

    A look at a few blocks of each file, for what shows it; what is trained on is read whole by `open_sealed`.
    """
    try:
        meta = orjson.loads(read_small(folder / META))
        if not isinstance(meta, dict) or meta.get("format") != format_version:
            return None
        for name, listed in meta["files"].items():
            path = folder / name
            if path.stat().st_size != listed["bytes"] or spot_check(path) != listed["check"]:
                return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # ValueError also for a name that is none
        return None
    return meta


def open_sealed(
    folder: Path, format_version: int, progress: Progress | None, should_stop: ShouldStop | None
) -> tuple[dict[str, Any], SealedFiles] | None:
    """The meta.json of a published folder and its files, every byte of them proven by hash; None when one is not what
    was written, or the folder is absent or of another format. Reads everything once: about a second a gigabyte.

    Raises BuildStopped.
    """
    meta = read_intact_meta(folder, format_version)
    if meta is None or meta.get(SEAL) != seal_of(meta):
        return None
    done = 0

    def on_bytes(count: int) -> None:
        nonlocal done
        raise_if_stopped(should_stop)
        done += count
        if progress is not None:
            progress(BuildProgress("verifying", done, files.size, 0))

    try:
        files = SealedFiles(folder, {name: str(listed["sha256"]) for name, listed in meta["files"].items()})
        return None if files.damaged(on_bytes) else (meta, files)
    except (OSError, KeyError, TypeError):
        return None


def map_array(path: Path, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """The file as a read-only array mapped into memory; an empty file gives an empty array."""
    if path.stat().st_size == 0:
        return np.empty(0, dtype=dtype)
    return np.memmap(path, dtype=dtype, mode="r")
