"""A run's folder: where its files lie, and its manifest."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import orjson
from pydantic import ValidationError

from engine.errors import UserError
from engine.language import _
from engine.run.atomic import write_atomic
from engine.run.schema import FORMAT, Manifest
from engine.small_file import read_small

_MOST_NAME_BYTES = 255


def is_plain_name(name: str) -> bool:
    """Whether `name`, read from a file, is that of something in a folder: never a path, hidden, or hard to see."""
    return (
        bool(name)
        and name[0] not in ".-"
        and "/" not in name
        and name.isprintable()
        and len(name.encode("utf-8", "replace")) <= _MOST_NAME_BYTES
    )


@dataclass(frozen=True)
class RunFolder:
    """The paths of one run. Making this object touches nothing."""

    path: Path

    @property
    def id(self) -> str:
        """The run's id: the folder's name."""
        return self.path.name

    @property
    def run_toml(self) -> Path:
        """What was asked."""
        return self.path / "run.toml"

    @property
    def manifest(self) -> Path:
        """What it ran as."""
        return self.path / "manifest.json"

    @property
    def status(self) -> Path:
        """Where it is."""
        return self.path / "status.json"

    @property
    def metrics(self) -> Path:
        """One line a log interval."""
        return self.path / "metrics.jsonl"

    @property
    def events(self) -> Path:
        """One line a happening."""
        return self.path / "events.jsonl"

    @property
    def control(self) -> Path:
        """Requests to the run."""
        return self.path / "control.jsonl"

    @property
    def annotations(self) -> Path:
        """What people wrote about it."""
        return self.path / "annotations.json"

    @property
    def guard(self) -> Path:
        """What its guard decided."""
        return self.path / "guard.json"

    @property
    def trainer_log(self) -> Path:
        """What its processes print."""
        return self.path / "trainer.log"

    @property
    def lock(self) -> Path:
        """Held while the run has processes."""
        return self.path / "run.lock"

    @property
    def checkpoints(self) -> Path:
        """Its checkpoints' folder."""
        return self.path / "checkpoints"

    @property
    def weights(self) -> Path:
        """The folder of its newest published weights."""
        return self.path / "weights"

    def read_manifest(self) -> Manifest:
        """manifest.json. Raises UserError when it is missing, no manifest, or of a newer format."""
        try:
            raw = orjson.loads(read_small(self.manifest))
            manifest = Manifest.model_validate(raw)
        except OSError as error:
            raise UserError(
                _("Cannot read {path}: {problem}. Is this a run's folder?").format(
                    path=self.manifest, problem=error.strerror
                )
            ) from error
        except (orjson.JSONDecodeError, ValidationError) as error:
            raise UserError(
                _("{path} is not a run's manifest: {problem}").format(path=self.manifest, problem=_first_line(error))
            ) from error
        if manifest.format > FORMAT:
            raise UserError(
                _("Run {run} has format {theirs}; this version reads up to {ours}. Update minimind-tui.").format(
                    run=self.id, theirs=manifest.format, ours=FORMAT
                )
            )
        return manifest

    def write_manifest(self, manifest: Manifest) -> None:
        """Replace manifest.json in one step. Raises OSError."""
        write_atomic(self.manifest, encode_manifest(manifest))

    def change_manifest(self, change: Callable[[Manifest], None]) -> Manifest:
        """Read, change and replace manifest.json. Only the lock's owners do: the supervisor while no worker lives, the
        worker while it does. Raises UserError, OSError.
        """
        manifest = self.read_manifest()
        change(manifest)
        self.write_manifest(manifest)
        return manifest


def encode_manifest(manifest: Manifest) -> bytes:
    """The bytes of manifest.json, indented for people."""
    return orjson.dumps(manifest.model_dump(mode="json"), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
