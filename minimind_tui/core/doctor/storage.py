"""Disk: whether runs and caches can be written, and whether there is room for a run's checkpoints."""

import os
from pathlib import Path

from engine.estimate.disk import disk_needed, free_bytes
from engine.estimate.size import checkpoint_bytes
from engine.language import _
from engine.settings.network import shape_from_settings
from engine.settings.presets import DEFAULT_PRESET, load_preset
from engine.settings.settings import Settings
from minimind_tui import words
from minimind_tui.core.doctor.findings import Finding, fine, problem, warning
from minimind_tui.core.wizard.data_look import SHIPPED_VOCABULARY


def examine_storage(runs: Path, cache: Path, config: Path) -> list[Finding]:
    """The folders that are written to, whether they exist yet or not."""
    settings = _usual_settings()
    shape = shape_from_settings(settings, SHIPPED_VOCABULARY)
    found = [
        _folder(
            _("runs"), runs, checkpoint_bytes(shape, settings.optimizer) * 2, disk_needed(settings, shape, None),
            _("Set MINIMIND_RUNS to a folder on another disk, or make room: minimind runs remove."),
        ),
        _folder(
            _("cache"), cache, 64 * 10**6, 2 * 10**9,
            _("Set MINIMIND_CACHE to a folder on another disk, or make room: minimind data cache clean."),
        ),
    ]  # fmt: skip
    if not _writable(config):
        found.append(
            warning(
                _("preferences"),
                _("{folder} cannot be written: preferences and drafts are not kept.").format(folder=config),
                _("Set MINIMIND_CONFIG to a folder of yours."),
            )
        )
    return found


def _usual_settings() -> Settings:
    """Those of a bare `minimind run`."""
    return load_preset(DEFAULT_PRESET).settings()


def _folder(what: str, folder: Path, least: int, wanted: int, way_out: str) -> Finding:
    if not _writable(folder):
        return problem(what, _("{folder} cannot be written.").format(folder=folder), way_out)
    free = free_bytes(folder)
    if free is None:
        return warning(what, _("{folder}: how much is free there cannot be told.").format(folder=folder))
    text = _("{folder}: {free} free").format(folder=folder, free=words.size(free))
    if free < least:
        return problem(what, _("{text}; {least} are needed.").format(text=text, least=words.size(least)), way_out)
    if free < wanted:
        enough = (
            _("{text}; the preset {preset} takes up to {wanted} while it runs.")
            if what == _("runs")
            else _("{text}; large texts take more.")
        )
        return warning(what, enough.format(text=text, preset=DEFAULT_PRESET, wanted=words.size(wanted)), way_out)
    return fine(what, text)


def _writable(folder: Path) -> bool:
    """Whether the folder can be written to, or made."""
    place = folder.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    return place.is_dir() and os.access(place, os.W_OK | os.X_OK)
