"""What a report tells of a run, read once from its folder."""

from dataclasses import dataclass
from typing import Any

from engine.errors import UserError
from engine.language import _
from engine.run.annotations import Annotations, read_annotations
from engine.run.checkpoints import CheckpointInfo, scan
from engine.run.clock import now_utc_iso
from engine.run.folder import RunFolder
from engine.run.schema import Manifest
from engine.run.view import RunView
from engine.settings.presets import load_preset
from engine.settings.run_toml import read_values
from engine.settings.settings import Settings


@dataclass(frozen=True)
class ReportData:
    """A run at the moment of its report. `settings` maps each setting to (value, the preset's value)."""

    folder: RunFolder
    made: str
    manifest: Manifest
    annotations: Annotations
    view: RunView
    checkpoints: list[CheckpointInfo]
    settings: dict[str, tuple[Any, Any]]
    preset: str | None

    @property
    def title(self) -> str:
        """The run's title, or its id."""
        return self.annotations.title or self.folder.id


def gather(folder: RunFolder) -> ReportData:
    """Read a run. Raises UserError when its manifest or its logs cannot be read; the rest may be missing."""
    manifest = folder.read_manifest()
    view = RunView(folder)
    view.read_all()
    if view.problem:
        raise UserError(
            _("The logs of run {run} cannot be read: {problem}.").format(run=folder.id, problem=view.problem)
        )
    settings, preset = _settings(folder)
    return ReportData(
        folder=folder,
        made=now_utc_iso(),
        manifest=manifest,
        annotations=read_annotations(folder),
        view=view,
        checkpoints=[info for info in scan(folder) if info.record is not None],
        settings=settings,
        preset=preset or manifest.preset,
    )


def _settings(folder: RunFolder) -> tuple[dict[str, tuple[Any, Any]], str | None]:
    """The run's settings beside its preset's; the defaults stand in for a preset that is gone. Empty if unreadable."""
    try:
        values, preset = read_values(folder.run_toml)
    except UserError:
        return {}, None
    try:
        base = load_preset(preset).settings() if preset else Settings()
    except UserError:
        base = Settings()
    defaults = base.model_dump(mode="json")
    return {name: (value, defaults.get(name)) for name, value in values.items()}, preset
