"""The settings of a run as a table, with what differs from its preset."""

from dataclasses import dataclass
from typing import Any

from engine.errors import UserError
from engine.language import _
from engine.run.folder import RunFolder
from engine.settings.declaration import GROUPS, Group, declarations
from engine.settings.presets import load_preset
from engine.settings.run_toml import parse_settings
from engine.settings.settings import Settings

_DECLARATIONS = declarations(Settings)


@dataclass(frozen=True)
class SettingRow:
    """One setting. `usual` is its preset's value where it differs, else None."""

    name: str
    value: str
    unit: str
    usual: str | None


@dataclass(frozen=True)
class SettingsTable:
    """The settings of a run by group. `compared_with` is the preset's name, empty for the defaults."""

    groups: list[tuple[Group, list[SettingRow]]]
    compared_with: str
    problem: str = ""
    """Why they cannot be shown, or not be compared."""

    @property
    def changed(self) -> int:
        """How many differ."""
        return sum(row.usual is not None for _group, rows in self.groups for row in rows)


def settings_table(folder: RunFolder) -> SettingsTable:
    """Read a run's settings. Never raises for what the folder holds: what is wrong is told in `problem`."""
    try:
        settings, preset = parse_settings(folder.run_toml)
    except UserError as error:
        return SettingsTable([], "", str(error))
    usual, problem = Settings(), ""
    if preset is not None:
        try:
            usual = load_preset(preset).settings()
        except UserError as error:
            problem, preset = str(error), None
    groups: list[tuple[Group, list[SettingRow]]] = []
    for group in GROUPS:
        rows = [
            _row(name, getattr(settings, name), getattr(usual, name))
            for name, declaration in _DECLARATIONS.items()
            if declaration.group == group
        ]
        groups.append((group, rows))
    return SettingsTable(groups, preset or "", problem)


def group_word(group: Group) -> str:
    """A group of settings in words."""
    return {
        "model": _("Model"),
        "data": _("Data"),
        "training": _("Training"),
        "schedule": _("Schedule"),
        "device": _("Device"),
        "checkpoints": _("Checkpoints"),
        "watch": _("Watching"),
        "trackers": _("Trackers"),
    }[group]


def value_text(value: Any) -> str:
    """A setting's value as one would write it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "–"
    return str(value)


def _row(name: str, value: Any, usual: Any) -> SettingRow:
    return SettingRow(name, value_text(value), _DECLARATIONS[name].unit, value_text(usual) if usual != value else None)
