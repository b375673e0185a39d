"""Which text a run is trained on: what its file was when training began, and what it looks like now."""

import stat
from pathlib import Path
from typing import Literal

from engine.language import _
from engine.run.clock import utc_iso
from engine.run.tolerant import Tolerant

TextNow = Literal["same", "touched", "changed", "gone"]
"""touched: written to since, of the same size; only reading all of it tells more, which the run does."""


class TrainingText(Tolerant):
    """manifest.json's `text`: the file as it was when training began, and the person's choice should it change."""

    sha256: str
    size: int
    modified: str
    use_cache: bool = False
    """Train on with the token cache of this text where the file is another one, or gone."""

    def now(self, path: Path) -> TextNow:
        """What the file at `path` is now, by a look at its size and time."""
        found = look_at(path)
        if found is None:
            return "gone"
        if found[0] != self.size:
            return "changed"
        return "same" if found[1] == self.modified else "touched"


def look_at(path: Path) -> tuple[int, str] | None:
    """Size and time of change of a regular file; None for none, and for one that cannot be looked at."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return (status.st_size, utc_iso(status.st_mtime)) if stat.S_ISREG(status.st_mode) else None


def ways_out(run: str) -> str:
    """What a person can do about a text that changed."""
    return _(
        "Put the old file back to resume, train on with the cache of the old text (minimind resume {run} --use_cache), "
        "or fork the run (minimind fork {run}), which trains on with the new one."
    ).format(run=run)
