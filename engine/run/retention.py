"""Which checkpoints a run keeps: none is deleted before those that stay in its place have been seen whole."""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterable

from engine.run.checkpoints import DELETING, CheckpointInfo, below, best, scan, verify
from engine.run.folder import RunFolder

LEAST_KEPT = 2
"""Never fewer: the newest may turn out to be damaged."""


class Proven:
    """Which checkpoints have been seen whole; one is read again when its files are not as they were then."""

    def __init__(self) -> None:
        self._seen: dict[str, list[tuple[int, int, int]]] = {}

    def problem_of(self, info: CheckpointInfo) -> str:
        """What `verify` says of a checkpoint, without reading again what has not changed since it was found whole."""
        look = _look_at(info)
        if look is not None and self._seen.get(info.name) == look:
            return ""
        problem = verify(info)
        if not problem and look is not None:
            self._seen[info.name] = look
        return problem


def retain(
    folder: RunFolder,
    keep_last: int,
    keep_steps: Iterable[int] = (),
    *,
    proven: Proven | None = None,
    on_bad: Callable[[CheckpointInfo, str], None] = lambda info, problem: None,
) -> list[CheckpointInfo]:
    """Delete the checkpoints nobody wants: all but the last `keep_last` (two at least), the best by validation loss,
    those of `keep_steps` and those marked `keep`. Returns the deleted. Failures to delete are left for the next time.

    Before one is deleted, those kept in its place are verified, unless `proven` has seen them whole: one that does not
    hold counts for none, is told to `on_bad` and stays. Raises OSError when the folder cannot be looked at.
    """
    infos = [info for info in scan(folder) if info.record is not None]
    wanted = {info.step for info in infos if info.record is not None and info.record.keep} | set(keep_steps)
    best_one = best(infos)
    if best_one is not None:
        wanted.add(best_one.step)
    least = max(keep_last, LEAST_KEPT)
    proven = proven or Proven()
    if any(info.step not in wanted for info in infos[least:]):
        whole = 0
        for info in infos:
            if whole == least:
                break
            wanted.add(info.step)
            problem = proven.problem_of(info)
            if problem:
                on_bad(info, problem)
            else:
                whole += 1
    else:
        wanted |= {info.step for info in infos}
    deleted: list[CheckpointInfo] = []
    for info in infos:
        if info.step not in wanted:
            doomed = info.path.with_name(f"{DELETING}{info.name}-{os.urandom(4).hex()}")
            with contextlib.suppress(OSError):
                info.path.rename(doomed)  # at once: a half deleted one must not look like a damaged one
                deleted.append(info)
    for path in below(folder):  # those of earlier times, too
        if path.name.startswith(DELETING):
            shutil.rmtree(path, ignore_errors=True)
    return deleted


def _look_at(info: CheckpointInfo) -> list[tuple[int, int, int]] | None:
    """Inode, size and time of change of a checkpoint's files; None when one of them cannot be looked at."""
    try:
        found = [(info.path / name).stat() for name in sorted(info.record.files if info.record else ())]
    except OSError:
        return None
    return [(one.st_ino, one.st_size, one.st_mtime_ns) for one in found]
