"""The files of training text there are to choose from."""

import os
from dataclasses import dataclass
from pathlib import Path

from engine.language import _
from engine.places import builtin_dir
from engine.settings.material import available_data
from minimind_tui import words
from minimind_tui.safe_text import one_line

OTHER = "?"
"""Stands for a path that is typed. No file of a `datasets` folder is called so."""


@dataclass(frozen=True)
class DataChoice:
    """A file: what `data_path` it means, and how it is listed."""

    value: str
    words: str


def data_choices(usual: str) -> list[DataChoice]:
    """The workspace's and the built-in files, the preset's own (`usual`) even when it is missing, and any path."""
    here = {f"datasets/{name}": path for name, path in available_data().items()}
    choices = [DataChoice(value, _listed(value, path, usual)) for value, path in here.items()]
    if usual not in here:
        missing = "" if os.path.isfile(usual) else _("not here yet")  # noqa: PTH113 - False, too, for what can be no path
        choices.insert(0, DataChoice(usual, _parts(usual, missing, _("the preset's"))))
    return [*choices, DataChoice(OTHER, _("another file: type its path"))]


def _listed(value: str, path: Path, usual: str) -> str:
    origin = _("built in") if path.parent == builtin_dir("datasets") else ""
    if value == usual:
        origin = _("the preset's")  # says more, and there is little room
    try:
        size = words.size(path.stat().st_size)
    except OSError:
        size = ""
    return _parts(path.name, size, origin)


def _parts(name: str, *others: str) -> str:
    return " · ".join([one_line(name), *(part for part in others if part)])
