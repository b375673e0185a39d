"""The `minimind run` line that does what the wizard would: only what differs from the preset."""

import shlex
from typing import Any

from engine.settings.settings import SETTING_NAMES, Settings
from minimind_tui.core.wizard.form import text_of


def run_arguments(preset: str, base: Settings, settings: Settings, *, name: str = "", force: bool = False) -> list[str]:
    """The words after `minimind`: `run`, the preset, every setting in which `settings` differs from its `base`."""
    words = ["run", *_option("preset", preset)]
    for setting in SETTING_NAMES:
        value = getattr(settings, setting)
        if value != getattr(base, setting):
            words += _setting(setting, value)
    if name:
        words += _option("name", name)
    return [*words, "--force"] if force else words


def command_line(words: list[str]) -> str:
    """The line as one pastes it into a shell."""
    return shlex.join(["minimind", *words])


def _setting(name: str, value: Any) -> list[str]:
    if isinstance(value, tuple):
        return [word for text in value or ("",) for word in _option(name, text)]
    if isinstance(value, bool):
        return _option(name, "1" if value else "0")
    return _option(name, text_of(name, value))


def _option(name: str, value: str) -> list[str]:
    """Two words, or one where the value itself could be taken for an option."""
    return [f"--{name}={value}"] if value.startswith("-") or not value else [f"--{name}", value]
