"""Where things lie: built-in material, the workspace, the user's cache and config folders."""

import os
from pathlib import Path

import platformdirs

APP = "minimind-tui"
_PACKAGE = Path(__file__).resolve().parent


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
