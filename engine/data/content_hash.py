"""The hash of a data file's content, remembered so that an unchanged file is not read again."""

import contextlib
import hashlib
import os
import time
from pathlib import Path

import orjson

from engine.data.cache_folder import BuildProgress, Progress, ShouldStop, raise_if_stopped
from engine.errors import UserError
from engine.language import _
from engine.small_file import read_small

BLOCK_BYTES = 4 * 2**20
RACY_NS = 2 * 10**9
"""A file changed this recently may change again within the same time stamp: its hash is not remembered."""


def content_sha256(
    path: Path, cache_dir: Path, *, progress: Progress | None = None, should_stop: ShouldStop | None = None
) -> str:
    """The hex SHA-256 of the file's bytes, as `sha256sum` prints it.

    Remembered under `cache_dir` by real path, size, inode and times of change. Raises UserError when the file cannot be
    read or changes while it is read; BuildStopped when should_stop says so.
    """
    real = Path(os.path.realpath(path))
    identity = _identity(real)
    if (sha256 := _remembered(_memo(real, cache_dir), identity)) is not None:
        return sha256
    looked_at = time.time_ns()
    sha256 = _hash(real, identity["size"], progress, should_stop)
    if _identity(real) != identity:
        raise UserError(_("{path} changed while it was read: wait until it is complete.").format(path=path))
    newest = max(identity["mtime_ns"], identity["ctime_ns"])
    if newest < looked_at - RACY_NS:
        _remember(_memo(real, cache_dir), {"path": str(real), "identity": identity, "sha256": sha256})
    return sha256


def remembered_sha256(path: Path, cache_dir: Path) -> str | None:
    """The hash of the file as it is now, if `content_sha256` remembers it: nothing of the file is read.

    Raises UserError when the file cannot be looked at.
    """
    real = Path(os.path.realpath(path))
    return _remembered(_memo(real, cache_dir), _identity(real))


def _memo(real: Path, cache_dir: Path) -> Path:
    return cache_dir / "tokens" / "hashes" / f"{hashlib.sha256(os.fsencode(real)).hexdigest()[:32]}.json"


def _remembered(memo: Path, identity: dict[str, int]) -> str | None:
    try:
        remembered = orjson.loads(read_small(memo))
        return str(remembered["sha256"]) if remembered["identity"] == identity else None
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError):
        return None


def _identity(path: Path) -> dict[str, int]:
    try:
        status = path.stat()
    except OSError as error:
        raise UserError(
            _("{path} cannot be read: {reason}.").format(path=path, reason=error.strerror or error)
        ) from error
    return {
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        "ctime_ns": status.st_ctime_ns,
        "inode": status.st_ino,
    }


def _hash(path: Path, size: int, progress: Progress | None, should_stop: ShouldStop | None) -> str:
    digest = hashlib.sha256()
    done = 0
    try:
        with path.open("rb", buffering=0) as file:
            while block := file.read(BLOCK_BYTES):
                raise_if_stopped(should_stop)
                digest.update(block)
                done += len(block)
                if done > size:  # somebody is still writing, perhaps for ever; the caller sees the change
                    break
                if progress is not None:
                    progress(BuildProgress("hashing", done, max(size, done), 0))
    except OSError as error:
        raise UserError(
            _("{path} cannot be read: {reason}.").format(path=path, reason=error.strerror or error)
        ) from error
    return digest.hexdigest()


def _remember(memo: Path, content: dict[str, object]) -> None:
    """Write the memo; where that fails the file is simply read again next time."""
    aside = memo.with_suffix(f".{os.getpid()}.tmp")
    try:
        memo.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(orjson.dumps(content))
        aside.replace(memo)
    except OSError:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)
