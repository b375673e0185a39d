"""Presets: TOML files that name only what differs from the defaults. Built-in ones and the workspace's own."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import UserError
from engine.language import _, current_language
from engine.places import builtin_dir, workspace
from engine.settings.declaration import GROUPS, declarations
from engine.settings.nearest import nearest
from engine.settings.resolve import build_settings, unknown_setting
from engine.settings.settings import Settings
from engine.small_file import read_small

DEFAULT_PRESET = "full"
_DECLARATIONS = declarations(Settings)
_DESCRIPTION_KEYS = {"summary", "summary_zh"}


@dataclass(frozen=True)
class Preset:
    """One preset: its name, where it lies, its one-line summary, and the settings it changes."""

    name: str
    path: Path
    english: str
    chinese: str
    values: dict[str, Any]

    @property
    def summary(self) -> str:
        """The summary in the current language."""
        return self.chinese if current_language() == "zh" and self.chinese else self.english

    def settings(self) -> Settings:
        """The preset resolved over the defaults. Raises UserError when one of its values is wrong."""
        return build_settings(self.values, places=self.places())

    def places(self) -> dict[str, str]:
        """Where each of its settings is written, for messages."""
        return {name: f"{self.path.name} [{_DECLARATIONS[name].group}]" for name in self.values}


def preset_paths() -> dict[str, Path]:
    """Every preset by name: the built-in ones, then the workspace's ./presets, which win."""
    found: dict[str, Path] = {}
    for folder in (builtin_dir("presets"), workspace() / "presets"):
        found |= {path.stem: path for path in sorted(folder.glob("*.toml"), key=lambda path: path.stem)}
    return found


def load_preset(name: str) -> Preset:
    """The preset called `name`. Raises UserError with the nearest name when there is none, or if its file is wrong."""
    paths = preset_paths()
    if name not in paths:
        suggestion = nearest(name, paths)
        hint = _("Did you mean {suggestion}?").format(suggestion=suggestion) + " " if suggestion else ""
        raise UserError(
            _("No preset named {name}.").format(name=name)
            + " "
            + hint
            + _("There are: {names}.").format(names=", ".join(paths))
        )
    return read_preset(paths[name])


def read_preset(path: Path) -> Preset:
    """Read one preset file. Raises UserError naming the file and the key or line that is wrong."""
    document = read_toml(path)
    about = document.pop("preset", {})
    if not isinstance(about, dict) or not set(about) <= _DESCRIPTION_KEYS:
        raise UserError(
            _("{path} [preset]: only {keys} belong there.").format(path=path, keys=", ".join(sorted(_DESCRIPTION_KEYS)))
        )
    values = values_by_group(document, path)
    return Preset(path.stem, path, str(about.get("summary", "")), str(about.get("summary_zh", "")), values)


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file's content. Raises UserError naming file and line when it is missing or no TOML."""
    try:
        return tomllib.loads(read_small(path).decode("utf-8-sig"))
    except OSError as error:
        raise UserError(_("Cannot read {path}: {reason}.").format(path=path, reason=error.strerror)) from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits is no TOMLDecodeError
        raise UserError(_("{path} is not valid TOML: {reason}.").format(path=path, reason=error)) from None


def values_by_group(document: dict[str, Any], path: Path) -> dict[str, Any]:
    """Flatten `[group] setting = value` tables. Raises UserError for an unknown or misplaced table or setting."""
    values: dict[str, Any] = {}
    for group, table in document.items():
        if group in _DECLARATIONS and not isinstance(table, dict):
            raise _misplaced(group, None, path)
        if group not in GROUPS or not isinstance(table, dict):
            suggestion = nearest(group, GROUPS)
            hint = " " + _("Did you mean [{suggestion}]?").format(suggestion=suggestion) if suggestion else ""
            raise UserError(
                _("{path}: unknown table [{group}].").format(path=path, group=group)
                + hint
                + " "
                + _("Tables are: {names}.").format(names=", ".join(GROUPS))
            )
        for name, value in table.items():
            if name not in _DECLARATIONS:
                raise unknown_setting(name, f"{path} [{group}]")
            if _DECLARATIONS[name].group != group:
                raise _misplaced(name, group, path)
            values[name] = value
    return values


def _misplaced(name: str, group: str | None, path: Path) -> UserError:
    return UserError(
        _("{path}: {name} stands {where}; it belongs under [{right}].").format(
            path=path,
            name=name,
            where=_("under [{group}]").format(group=group) if group else _("outside of any table"),
            right=_DECLARATIONS[name].group,
        )
    )
