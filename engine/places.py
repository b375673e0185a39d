"""Where things lie: built-in material, the workspace, the user's cache and config folders."""

import errno
import os
from pathlib import Path

import platformdirs

from engine.errors import UserError
from engine.language import _

APP = "minimind-tui"
_SHOWN = 100
"""Characters of a path that a message shows."""

_PACKAGE = Path(__file__).resolve().parent


def named_path(text: str, *, home: bool = True) -> Path:
    """The path a person wrote; with `home` a leading `~` is a home folder. Whether anything is there is not asked.

    Raises UserError for what can be no path: a NUL, half a character, a name longer than file systems take, the home of
    a user there is none of. After it, asking whether the path is a file raises nothing.
    """
    try:
        path = Path(text).expanduser() if home else Path(text)
        path.lstat()
    except (ValueError, RuntimeError) as error:  # also UnicodeEncodeError
        problem = _("there is no such home folder") if isinstance(error, RuntimeError) else _("no file can be named so")
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            return path
        problem = _("it is too long")
    else:
        return path
    raise UserError(_("{path} is no path: {problem}.").format(path=_short(text), problem=problem))


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def builtin_dir(name: str) -> Path:
    """The folder of built-in material `name` (`presets` or `datasets`), in an installed wheel or a checkout alike."""
    packaged = _PACKAGE / "builtin" / name
    return packaged if packaged.is_dir() else _PACKAGE.parent / name


def workspace() -> Path:
    """The workspace: the current folder."""
    return Path.cwd()


def runs_dir() -> Path:
    """Where runs land: MINIMIND_RUNS, else `runs` in the workspace."""
    return Path(os.environ.get("MINIMIND_RUNS") or workspace() / "runs")


def cache_dir() -> Path:
    """The user's cache folder: MINIMIND_CACHE, else the platform's own place."""
    return Path(os.environ.get("MINIMIND_CACHE") or platformdirs.user_cache_dir(APP, appauthor=False))


def config_dir() -> Path:
    """The user's config folder: MINIMIND_CONFIG, else the platform's own place."""
    return Path(os.environ.get("MINIMIND_CONFIG") or platformdirs.user_config_dir(APP, appauthor=False))
