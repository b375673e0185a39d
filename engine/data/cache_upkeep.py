"""What the cache folder holds, and removing from it what nobody uses."""

import contextlib
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from engine.data.cache_folder import META, STAGING, FileLock, folder_bytes
from engine.small_file import read_small


@dataclass(frozen=True)
class CacheEntry:
    """One token cache with its rows. `source` is the data file's path when it was built, "" when nobody can tell."""

    key: str
    folder: Path
    source: str
    bytes: int
    documents: int
    tokens: int
    last_used: float
    """Seconds since 1970."""
    in_use: bool
    """A process has it open or is building it."""
    complete: bool
    """False for what an interrupted build left behind; it is never used."""


@dataclass(frozen=True)
class Cleaning:
    """What clean_cache did: bytes freed, the entries removed, and those left because they are in use."""

    freed_bytes: int
    removed: tuple[CacheEntry, ...]
    in_use: tuple[CacheEntry, ...]


def cache_size(cache_dir: Path) -> list[CacheEntry]:
    """All token caches under `cache_dir`, the latest used first. Their sum is what the cache costs on disk."""
    root = cache_dir / "tokens"
    if not root.is_dir():
        return []
    keys = {path.name.removeprefix(STAGING).split("-")[0] for path in root.iterdir() if path.is_dir()} - {"hashes"}
    return sorted((_entry(root, key) for key in keys), key=lambda entry: -entry.last_used)


def clean_cache(cache_dir: Path, *, older_than: float | None = None, key: str | None = None) -> Cleaning:
    """Remove token caches: all, those not used for `older_than` seconds, or the one called `key`. Never one in use."""
    removed: list[CacheEntry] = []
    in_use: list[CacheEntry] = []
    freed = 0
    for entry in cache_size(cache_dir):
        recent = older_than is not None and entry.complete and time.time() - entry.last_used < older_than
        if recent or (key is not None and entry.key != key):
            continue
        if _remove(cache_dir / "tokens", entry.key):
            removed.append(entry)
            freed += entry.bytes
        else:
            in_use.append(entry)
    if older_than is None and key is None and not in_use:
        shutil.rmtree(cache_dir / "tokens" / "hashes", ignore_errors=True)
    return Cleaning(freed, tuple(removed), tuple(in_use))


def _folders(root: Path, key: str) -> list[Path]:
    return [path for path in (root / key, *root.glob(f"{STAGING}{key}*")) if path.is_dir()]


def _entry(root: Path, key: str) -> CacheEntry:
    try:
        meta = orjson.loads(read_small(root / key / META))
    except (OSError, orjson.JSONDecodeError):
        meta = None
    if not isinstance(meta, dict):
        meta = {}
    folders = _folders(root, key)
    locks = _lock(root, key)
    used = 0.0
    for path in (root / f"{key}.use", *folders):
        with contextlib.suppress(OSError):
            used = used or path.stat().st_mtime
    if locks is not None:
        _release(locks)
    return CacheEntry(
        key=key,
        folder=root / key,
        source=str(meta.get("source", "")),
        bytes=sum(map(folder_bytes, folders)),
        documents=_count(meta, "documents"),
        tokens=_count(meta, "tokens"),
        last_used=used,
        in_use=locks is None,
        complete=bool(meta),
    )


def _count(meta: dict[str, Any], name: str) -> int:
    value = meta.get(name)
    return value if isinstance(value, int) else 0


def _lock(root: Path, key: str) -> list[FileLock] | None:
    """Both locks of a cache, or None when somebody holds one."""
    locks = [FileLock(root / f"{key}.build"), FileLock(root / f"{key}.use")]
    for lock in locks:
        if not lock.acquire(exclusive=True, wait=False):
            _release(locks)
            return None
    return locks


def _release(locks: list[FileLock]) -> None:
    for lock in locks:
        lock.release()


def _remove(root: Path, key: str) -> bool:
    locks = _lock(root, key)
    if locks is None:
        return False
    # The name goes first, at once: a removal that is interrupted leaves an unfinished entry, not a damaged cache.
    doomed = root / f"{STAGING}{key}-removed"
    shutil.rmtree(doomed, ignore_errors=True)
    with contextlib.suppress(FileNotFoundError):
        (root / key).rename(doomed)
    for folder in _folders(root, key):
        shutil.rmtree(folder, ignore_errors=True)
    for lock in locks:
        lock.path.unlink(missing_ok=True)
    _release(locks)
    return True
