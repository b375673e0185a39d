"""What a rank leaves behind when it fails, so that the run can say whose error ended it."""

import contextlib
import os
import time
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from engine.run.schema import Reason
from engine.small_file import read_small

FOLDER_VARIABLE = "MINIMIND_RANK_ERRORS"
"""Environment of a rank: the folder for its word."""

LAUNCHER_VARIABLE = "MINIMIND_LAUNCHER"
"""Environment of a rank: the process id of the launcher that started it."""


class RankError(BaseModel):
    """One rank's failure. `about_others`: it says only that another rank was gone or silent. `at`: seconds, wall."""

    model_config = ConfigDict(extra="ignore")

    rank: int
    at: float
    reason: Reason
    message: str
    about_others: bool = False


def leave_error(rank: int, reason: Reason, message: str, *, about_others: bool) -> None:
    """Write a rank's failure where its launcher looks; without a launcher, or a disk, nowhere."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder is None:
        return
    error = RankError(rank=rank, at=time.time(), reason=reason, message=message, about_others=about_others)
    with contextlib.suppress(OSError):
        (Path(folder) / f"rank-{rank}.json").write_text(error.model_dump_json(), encoding="utf-8")


def read_errors(folder: Path) -> list[RankError]:
    """What the ranks left: causes first, in the order they happened, then who only noticed."""
    found: list[RankError] = []
    for path in folder.glob("rank-*.json"):
        with contextlib.suppress(OSError, ValidationError):
            found.append(RankError.model_validate_json(read_small(path)))
    return sorted(found, key=lambda error: (error.about_others, error.at))
