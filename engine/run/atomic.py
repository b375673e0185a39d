"""Writes that are complete or absent: aside in the same folder, fsync, rename, fsync of the folder."""

import contextlib
import errno
import hashlib
import os
import re
import time
from collections.abc import Callable, Collection
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from engine.run.schema import FilePrint

Result = TypeVar("Result")

TEMPORARY = ".tmp-"
"""What the names of unfinished files begin with."""

_CHUNK = 8 << 20
_FLEETING = frozenset({errno.ESTALE, errno.EINTR, errno.EAGAIN})
_TRIES = 3
_LEFT_OVER = re.compile(rf"{re.escape(TEMPORARY)}(\d+)-[0-9a-f]{{8}}-(.+)", re.DOTALL)
_STALE_SECONDS = 3600.0


def temporary_beside(target: Path) -> Path:
    """A name for the unfinished `target`, in the same folder, so that the rename stays within one file system."""
    return target.with_name(f"{TEMPORARY}{os.getpid()}-{os.urandom(4).hex()}-{target.name[-80:]}")


def remove_unfinished(folder: Path, targets: Collection[str]) -> list[str]:
    """Remove what killed writers left in `folder`: the unfinished files of `targets`, which nobody but the caller may
    be writing now, and others untouched for an hour. Returns the names removed; raises nothing.
    """
    removed: list[str] = []
    endings = {target[-80:] for target in targets}
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            found = _LEFT_OVER.fullmatch(entry.name)
            if found is None or int(found[1]) == os.getpid():  # a thread of this process may be writing it
                continue
            with contextlib.suppress(OSError):
                age = time.time() - entry.stat(follow_symlinks=False).st_mtime
                if found[2] in endings or age > _STALE_SECONDS:
                    Path(entry.path).unlink()
                    removed.append(entry.name)
    return removed


def write_atomic(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Replace `path` by `data` in one step: a reader sees the old bytes or the new ones, never a part.

    `durable` also survives a power cut; without it only a crash of the process is survived, at a fiftieth of the
    price. Raises OSError; the old file is then untouched and nothing is left beside it.
    """
    retry_fleeting(lambda: _write_aside(path, data, durable))


def retry_fleeting(call: Callable[[], Result]) -> Result:
    """What `call` returns, begun again from its start where a network file system lost a handle or a signal came
    between. Only for calls that leave nothing behind when they fail. Raises OSError.
    """
    for left in range(_TRIES - 1, -1, -1):
        try:
            return call()
        except OSError as error:
            if error.errno not in _FLEETING or not left:
                raise
        time.sleep(0.02)
    raise AssertionError("unreachable")


def _write_aside(path: Path, data: bytes, durable: bool) -> None:
    temporary = temporary_beside(path)
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            write_all(fd, data)
            if durable:
                os.fsync(fd)
        finally:
            os.close(fd)
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    if durable:
        fsync_folder(path.parent)


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write all of `data` to `fd`. Raises OSError."""
    view = memoryview(data)
    while view:
        view = view[taken(os.write(fd, view)) :]


def is_still_at(fd: int, path: Path) -> bool:
    """Whether `path` names the open file. Raises OSError where that cannot be looked at, not for a missing file."""
    here = os.fstat(fd)
    try:
        there = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def fsync(fd: int) -> None:
    """Make what `fd` is open on survive a power cut, where its file system can. Raises OSError: what was written is
    then to be taken for lost and written anew; a second fsync would say that all is well.
    """
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # pipes, and some network and FUSE file systems
            raise


def fsync_folder(folder: Path) -> None:
    """Make the names in `folder` survive a power cut. Raises OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fsync(fd)
    finally:
        os.close(fd)


def write_all_at_start(fd: int, data: bytes) -> None:
    """Overwrite the first bytes of `fd` with `data`. Raises OSError."""
    done = 0
    while done < len(data):
        done += taken(os.pwrite(fd, data[done:], done))


def taken(count: int | None) -> int:
    """Bytes a write took. Raises OSError for none at all: trying for ever would hang."""
    if not count:
        raise OSError(errno.EIO, "The disk takes no bytes")
    return count


class HashingFile:
    """A new binary file that hashes what is written to it; it can be handed to torch.save.

    It is write-only and sequential: a seek would make the hash a lie. `error` keeps the first OSError, because some
    serialisers replace it by an exception of their own.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self.error: OSError | None = None
        self._hash = hashlib.sha256()
        self._file = path.open("xb", buffering=1 << 20)

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Write and hash `data`; returns its bytes. Raises OSError."""
        view = rest = memoryview(data).cast("B")
        try:
            while rest:
                rest = rest[taken(self._file.write(rest)) :]
        except OSError as error:
            self.error = self.error or error
            raise
        self._hash.update(view)
        self.size += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        """Bytes written so far."""
        return self.size

    def writable(self) -> bool:
        """True: serialisers ask."""
        return True

    def flush(self) -> None:
        """Hand buffered bytes to the operating system. Raises OSError."""
        try:
            self._file.flush()
        except OSError as error:
            self.error = self.error or error
            raise

    @property
    def closed(self) -> bool:
        """Whether the file is closed."""
        return self._file.closed

    def close(self) -> None:
        """Flush, fsync and close. Raises OSError."""
        if self._file.closed:
            return
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            self.error = self.error or error
            raise
        finally:
            # close() would flush again and hide the first error behind a second one
            with contextlib.suppress(OSError):
                self._file.close()

    def abandon(self) -> None:
        """Close without a sync: the file is about to be removed."""
        with contextlib.suppress(OSError):
            self._file.close()

    @property
    def print(self) -> FilePrint:
        """Size and hash of what was written."""
        return FilePrint(size=self.size, sha256=self._hash.hexdigest())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()


def hash_file(path: Path, on_bytes: Callable[[int], None] | None = None) -> FilePrint:
    """Size and SHA-256 of a file on disk; `on_bytes` hears of each chunk's size. Raises OSError."""
    digest = hashlib.sha256()
    size = 0
    with path.open("rb", buffering=0) as file:
        buffer = bytearray(_CHUNK)
        view = memoryview(buffer)
        while count := file.readinto(buffer):
            digest.update(view[:count])
            size += count
            if on_bytes is not None:
                on_bytes(count)
    return FilePrint(size=size, sha256=digest.hexdigest())


def publish_file(target: Path, write: Callable[[HashingFile], None]) -> FilePrint:
    """Replace `target` by what `write` puts into the file it is given, in one step; returns size and hash.

    Makes the folder when needed. Raises OSError; the old file is then untouched.
    """

    def fill(path: Path) -> FilePrint:
        file = HashingFile(path)
        try:
            with file:
                write(file)
        except Exception as error:
            if file.error is not None and error is not file.error:
                raise file.error from error  # what the disk said, not what a serialiser made of it
            raise
        return file.print

    return _publish(target, fill)


def publish_path(target: Path, write: Callable[[Path], None]) -> FilePrint:
    """`publish_file` for serialisers that want a path; the file is hashed afterwards."""

    def fill(path: Path) -> FilePrint:
        write(path)
        fsync_file(path)
        return hash_file(path)

    return _publish(target, fill)


def fsync_file(path: Path) -> None:
    """Make the bytes of a file survive a power cut. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _publish(target: Path, fill: Callable[[Path], FilePrint]) -> FilePrint:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(target)
    try:
        result = fill(temporary)
        temporary.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    fsync_folder(target.parent)
    return result
