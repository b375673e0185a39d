"""Deleting a run, unless it lives."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from engine.errors import UserError
from engine.language import _
from engine.run.create import DELETING
from engine.run.find import is_run_id
from engine.run.folder import RunFolder
from engine.run.lock import RunLock
from engine.run.observe import observe


def delete_run(folder: RunFolder, *, patience: float = 3.0) -> int:
    """Delete a run; returns the bytes freed. Raises UserError when it runs, or is no run's folder.

    Of a link to a folder elsewhere the link goes and nothing else; within the run no link is followed. A folder whose
    manifest is lost or broken is a run's when it is named like one. `patience` seconds are given to a supervisor that
    is just about to end.
    """
    if folder.path.is_symlink():
        return _unlink(folder)
    if not is_run_id(folder.id):
        folder.read_manifest()
    lock = RunLock(folder.lock)
    try:
        lock.acquire(patience=0.0 if observe(folder).is_live else patience)
        state = observe(folder)
        if state.status is not None and state.is_live:  # on another machine, whose lock this file system does not show
            raise UserError(
                _("Run {run} is {state}: {message} Stop it first.").format(
                    run=folder.id, state=state.state, message=state.message
                )
            )
        freed = freed_bytes(folder.path)
        doomed = folder.path.with_name(f"{DELETING}{os.urandom(4).hex()}-{folder.id}")
        folder.path.rename(doomed)  # at once, so that a deletion cut short leaves no half run
        shutil.rmtree(doomed)
    except OSError as error:
        raise UserError(
            _("Cannot delete {path}: {problem}.").format(path=folder.path, problem=error.strerror or str(error))
        ) from error
    finally:
        lock.release()
    return freed


def _unlink(folder: RunFolder) -> int:
    seen = observe(folder)
    if seen.is_live:  # its processes may know it by this name
        raise UserError(
            _("Run {run} is {state}: {message} Stop it first.").format(
                run=folder.id, state=seen.state, message=seen.message
            )
        )
    try:
        folder.path.unlink()
    except OSError as error:
        raise UserError(
            _("Cannot delete {path}: {problem}.").format(path=folder.path, problem=error.strerror or str(error))
        ) from error
    return 0


def folder_bytes(path: Path) -> int:
    """Bytes of all files below `path`; links are not followed, files that vanish meanwhile do not count."""
    return sum(stat.st_size for stat in _files_below(path))


def freed_bytes(path: Path) -> int:
    """Bytes that deleting `path` gives back: a file that has names elsewhere, too (a fork's checkpoint), frees none."""
    inside: dict[tuple[int, int], list[int]] = {}
    for stat in _files_below(path):
        inside.setdefault((stat.st_dev, stat.st_ino), [stat.st_size, stat.st_nlink, 0])[2] += 1
    return sum(size for size, links, names in inside.values() if names >= links)


def _files_below(path: Path) -> Iterator[os.stat_result]:
    """What the system knows of each file below `path`, and of each link; what is behind a link is elsewhere."""
    folders = [os.fspath(path)]
    while folders:
        with contextlib.suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    else:
                        yield entry.stat(follow_symlinks=False)
