"""trainer.log as it grows, from its end, within a bound."""

import os
import re
from collections import deque

from engine.run.folder import RunFolder
from engine.small_file import open_regular
from minimind_tui.safe_text import printable

MOST_LINES = 500
FIRST_BYTES = 64 << 10
"""Read at first, from the end."""

_MOST_BYTES = 256 << 10
"""Read at once; a log that grows faster than one can look is cut."""

_LONGEST = 2_000
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])|\x9b[0-?]*[ -/]*[@-~]")


class LogTail:
    """The last lines of a run's trainer.log. `poll` reads what is new; `lines` never hold an escape."""

    def __init__(self, folder: RunFolder) -> None:
        self.lines: deque[str] = deque(maxlen=MOST_LINES)
        self.problem = ""
        """Why it cannot be read; empty when it can, or is not there."""
        self.cut = False
        """Lines before the first are left out."""
        self._path = folder.trainer_log
        self._offset: int | None = None
        self._inode = (0, 0)
        self._rest = b""

    def poll(self) -> bool:
        """Read what is new; True when there is anything to show. A log that was emptied or replaced begins again."""
        before = (self.problem, self.cut)
        try:
            changed = self._read()
            self.problem = ""
        except FileNotFoundError:
            changed, self.problem = False, ""
        except OSError as error:
            changed, self.problem = False, error.strerror or str(error)
        return changed or before != (self.problem, self.cut)

    def _read(self) -> bool:
        with open_regular(self._path) as file:
            stat = os.fstat(file.fileno())
            inode = (stat.st_dev, stat.st_ino)
            restarted = False
            if self._offset is None or inode != self._inode or stat.st_size < self._offset:
                restarted = bool(self.lines)
                self._begin(inode, max(0, stat.st_size - FIRST_BYTES))
            assert self._offset is not None
            if stat.st_size - self._offset > _MOST_BYTES:
                self._begin(inode, stat.st_size - _MOST_BYTES)
            if stat.st_size == self._offset:
                return restarted
            data = os.pread(file.fileno(), stat.st_size - self._offset, self._offset)
        skip_first = self._offset > 0 and not self.lines and not self._rest and self.cut
        self._offset += len(data)
        whole, newline, self._rest = (self._rest + data).rpartition(b"\n")
        if len(self._rest) > _MOST_BYTES:
            self._rest = self._rest[-_LONGEST:]
        if newline:
            lines = whole.split(b"\n")
            for raw in lines[1:] if skip_first else lines:
                if len(self.lines) == MOST_LINES:
                    self.cut = True
                self.lines.append(clean_line(raw))
        return bool(newline) or restarted

    def _begin(self, inode: tuple[int, int], offset: int) -> None:
        self.lines.clear()
        self._inode, self._offset, self._rest, self.cut = inode, offset, b"", offset > 0


def clean_line(raw: bytes) -> str:
    """A line as a terminal would have left it, without escapes: what a carriage return overwrote is gone."""
    text = _ESCAPES.sub("", raw.decode("utf-8", "replace").rstrip("\r"))
    text = text.rsplit("\r", 1)[-1].expandtabs(8)
    text = printable(text)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
