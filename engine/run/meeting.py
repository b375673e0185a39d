"""Where the machines of one run meet: announced in the run's folder, which all of them see."""

import contextlib
import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.errors import UserError
from engine.language import _
from engine.run.atomic import write_atomic
from engine.run.find import list_runs
from engine.run.folder import RunFolder
from engine.run.observe import observe
from engine.small_file import read_small

ENDPOINT_VARIABLE = "MINIMIND_RDZV"
"""Environment of a run's processes: where its machines meet, HOST:PORT."""


class Meeting(BaseModel):
    """An attempt that waits for its machines, or has them."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    endpoint: str
    attempt: int = Field(ge=1)
    machines: int = Field(ge=2)


def checked_endpoint(text: str) -> str:
    """HOST:PORT as it was given. Raises UserError for anything else."""
    host, colon, port = text.rpartition(":")
    if not (host and colon and port.isdecimal() and 0 < int(port) < 65536):
        raise UserError(
            _("--rdzv {text}: it takes HOST:PORT, machine 0's address and a free port there.").format(text=text)
        )
    return text


def announced_endpoint(machines: int) -> str:
    """Where this run's machines meet, from the environment. Raises UserError when nobody said."""
    endpoint = os.environ.get(ENDPOINT_VARIABLE, "")
    if not endpoint:
        raise UserError(
            _(
                "nnodes = {machines}: say where the machines meet, --rdzv HOST:PORT with machine 0's address and a "
                "free port there."
            ).format(machines=machines)
        )
    return checked_endpoint(endpoint)


def announce(folder: RunFolder, meeting: Meeting) -> None:
    """Let the other machines find an attempt. Raises OSError."""
    write_atomic(_file(folder), meeting.model_dump_json().encode())


def withdraw(folder: RunFolder) -> None:
    """The attempt is over."""
    with contextlib.suppress(OSError):
        _file(folder).unlink()


def find_meeting(runs_dir: Path, endpoint: str) -> tuple[RunFolder, Meeting] | None:
    """The living run whose machines meet at `endpoint`, and the attempt they are called to; None when there is none."""
    for folder in list_runs(runs_dir):
        with contextlib.suppress(OSError, ValidationError):
            meeting = Meeting.model_validate_json(read_small(_file(folder)))
            if meeting.endpoint == endpoint and observe(folder).is_live:
                return folder, meeting
    return None


def _file(folder: RunFolder) -> Path:
    return folder.path / "meeting.json"
