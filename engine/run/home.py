"""The folder of a living run: when somebody deletes it, it is made again with what the run needs to go on from it."""

import contextlib
import os
from pathlib import Path

from engine.run.atomic import write_atomic
from engine.run.folder import RunFolder


class RunHome:
    """Keeps run.toml and manifest.json in memory, and puts them back where they are missing.

    A living run must stay visible and controllable, and what it saves must be something to resume from. A folder that
    was moved, or whose file system went away, is waited for and never made anew in its place: it still exists.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._kept: dict[Path, bytes] = {}
        self._fd = -1
        self._disk: int | None = None
        self.keep()

    def keep(self) -> None:
        """Remember the files as they are now, as far as they are there."""
        with contextlib.suppress(OSError):
            if self._fd < 0:
                self._fd = os.open(self._folder.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                self._disk = self._folder.path.parent.stat().st_dev
        for path in (self._folder.run_toml, self._folder.manifest):
            with contextlib.suppress(OSError):
                self._kept[path] = path.read_bytes()

    def mend(self) -> list[str]:
        """Put back what is missing; the names of what that was, none when nothing was or can be. Raises nothing."""
        try:
            missing = [path for path in self._kept if not path.exists()]
            if missing and not self._folder.path.exists():
                if not self._was_deleted():
                    return []
                self._folder.path.mkdir()
                self.close()
            for path in missing:
                write_atomic(path, self._kept[path])
            self.keep()
            return [path.name for path in missing]
        except OSError:
            return []

    def close(self) -> None:
        """Let the folder go; harmless when called again."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _was_deleted(self) -> bool:
        """Whether the folder is gone for good: neither moved, nor on a file system that is not there now."""
        if self._fd < 0 or self._disk is None:
            return False
        return os.fstat(self._fd).st_nlink == 0 and self._folder.path.parent.stat().st_dev == self._disk
