"""Settings saved as a preset of the workspace: a TOML file in ./presets that names only what is not the default."""

import re
from pathlib import Path

import tomlkit

from engine.errors import UserError
from engine.language import _
from engine.places import builtin_dir, workspace
from engine.run.atomic import write_atomic
from engine.settings.declaration import GROUPS, declarations
from engine.settings.settings import Settings
from minimind_tui.core.wizard.form import text_of
from minimind_tui.safe_text import one_line

_NAME = re.compile(r"[^\W_][\w.-]{0,63}")
_SUFFIX = ".toml"
_DECLARATIONS = declarations(Settings)


def preset_name_problem(name: str) -> str:
    """Why a preset cannot be called so; empty when it can. A name is a file's in ./presets and nowhere else."""
    bare = _bare(name)
    if not bare:
        return _("A preset needs a name.")
    if not _NAME.fullmatch(bare) or bare.endswith("."):
        return _("A name has letters, digits, '.', '_' and '-', at most 64, and begins with a letter or a digit.")
    return ""


def preset_path(name: str) -> Path:
    """The file of a preset called `name` in this workspace."""
    return workspace() / "presets" / (_bare(name) + _SUFFIX)


def hides_builtin(name: str) -> bool:
    """Whether a preset of that name takes a built-in one's place in this workspace."""
    return (builtin_dir("presets") / (_bare(name) + _SUFFIX)).is_file()


def render_preset(settings: Settings, *, summary: str, based_on: str, base: Settings) -> str:
    """The preset as TOML. Where it differs from what it was made from, the value there stands beside it."""
    document = tomlkit.document()
    document.add(tomlkit.comment(f"Made from the preset {based_on}. What is not named here has its default."))
    about = tomlkit.table()
    about.add("summary", summary)
    document.add(tomlkit.nl())
    document.add("preset", about)
    defaults = Settings()
    for group in GROUPS:
        table = tomlkit.table()
        for name, declaration in _DECLARATIONS.items():
            value, before = getattr(settings, name), getattr(base, name)
            if declaration.group != group or value == getattr(defaults, name):
                continue
            item = tomlkit.item(list(value) if isinstance(value, tuple) else value)
            if value != before:
                item.comment(f"{based_on}: {_short(text_of(name, before))}")
            table.add(name, item)
        if len(table):
            document.add(group, table)
    return tomlkit.dumps(document)


def save_preset(
    name: str, settings: Settings, *, summary: str, based_on: str, base: Settings, overwrite: bool = False
) -> Path:
    """Write a preset into ./presets; returns its file.

    Raises UserError: a name that is none, a file that is there already (unless `overwrite`), a folder that refuses.
    """
    if problem := preset_name_problem(name):
        raise UserError(problem)
    path = preset_path(name)
    if not overwrite and path.exists():
        raise UserError(_("{path} is there already.").format(path=path))
    text = render_preset(settings, summary=summary, based_on=based_on, base=base)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, text.encode())
    except OSError as error:
        raise UserError(
            _("Cannot write {path}: {problem}.").format(path=path, problem=error.strerror or error)
        ) from error
    return path


def _bare(name: str) -> str:
    return name.strip().removesuffix(_SUFFIX)


def _short(text: str) -> str:
    text = one_line(text)
    return text if len(text) <= 60 else text[:57] + "..."
