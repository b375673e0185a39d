"""run.toml: every setting of a run, resolved, with its help beside it; and back."""

from pathlib import Path
from typing import Any

import tomlkit

from engine.settings.declaration import GROUPS, declarations
from engine.settings.presets import read_toml, values_by_group
from engine.settings.resolve import build_settings
from engine.settings.settings import Settings

_DECLARATIONS = declarations(Settings)


def render_settings(settings: Settings, preset: str | None = None, *, only: set[str] | None = None) -> str:
    """`settings` as TOML text, one table a group, each setting followed by its help in English.

    `only` limits it to the settings named. The text reads back with `parse_settings`.
    """
    document = tomlkit.document()
    if preset:
        document.add("based_on", tomlkit.item(preset))
        document.add(tomlkit.nl())
    values = settings.model_dump()
    for group in GROUPS:
        table = tomlkit.table()
        for name, declaration in _DECLARATIONS.items():
            if declaration.group != group or (only is not None and name not in only):
                continue
            item = tomlkit.item(_plain(values[name]))
            unit = f" [{declaration.unit}]" if declaration.unit else ""
            item.comment(declaration.english + unit)
            table.add(name, item)
        if len(table):
            document.add(group, table)
    return tomlkit.dumps(document)


def parse_settings(path: Path) -> tuple[Settings, str | None]:
    """Settings, and the preset they are based on, from a run.toml. Raises UserError for anything wrong in it."""
    values, preset = read_values(path)
    return build_settings(values, places=dict.fromkeys(values, path.name)), preset


def read_values(path: Path) -> tuple[dict[str, Any], str | None]:
    """The values of a run.toml and the preset it is based on, unvalidated. Raises UserError for unknown names."""
    document = read_toml(path)
    preset = document.pop("based_on", None)
    document.pop("preset", None)
    return values_by_group(document, path), str(preset) if preset is not None else None


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
