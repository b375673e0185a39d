"""What a replay is to repeat: replay.json in a scratch run's folder tells its worker. Real runs have no such file."""

from pathlib import Path

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.errors import UserError
from engine.language import _
from engine.run.atomic import write_atomic
from engine.run.folder import RunFolder


class ReplayScript(BaseModel):
    """Where a replay ends, where it saves, and what the run did on the way that no setting tells."""

    model_config = ConfigDict(extra="forbid")

    until: int = Field(ge=1)
    """The last update to make; the schedule's end stays where the run had it."""
    save_at: int | None = None
    """The update whose checkpoint is compared."""
    ends: dict[int, int] = Field(default_factory=dict)
    """Update to the end of the schedule that a time budget or a deadline had planned there."""
    lr_scales: dict[int, float] = Field(default_factory=dict)
    """Update to the factor on the learning rate that somebody had asked for there."""


def write_script(folder: RunFolder, script: ReplayScript) -> None:
    """Make a scratch run a replay. Raises OSError."""
    write_atomic(_path(folder), script.model_dump_json().encode(), durable=False)


def read_script(folder: RunFolder) -> ReplayScript | None:
    """The script of a scratch run; None for any other. Raises UserError when it makes no sense."""
    path = _path(folder)
    try:
        return ReplayScript.model_validate(orjson.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, orjson.JSONDecodeError, ValidationError) as error:
        raise UserError(_("{path} is no script of a replay: {problem}.").format(path=path, problem=error)) from error


def _path(folder: RunFolder) -> Path:
    return folder.path / "replay.json"
