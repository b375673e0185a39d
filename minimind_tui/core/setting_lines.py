"""Changed settings as lines of `name = value`, as one types them to fork a run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.language import _
from engine.settings.nearest import nearest
from engine.settings.settings import SETTING_NAMES, Settings
from minimind_tui.core.run_facts import ALIASES
from minimind_tui.core.wizard.texts import split_texts


@dataclass(frozen=True)
class SettingLines:
    """What the lines say. `problems` are sentences, with the number of the line (from 1) each is about."""

    values: Mapping[str, Any] = field(default_factory=dict)
    problems: tuple[tuple[int, str], ...] = ()

    @property
    def places(self) -> dict[str, str]:
        """Where each value was written, for messages."""
        return dict.fromkeys(self.values, _("your changes"))


def parse_setting_lines(text: str) -> SettingLines:
    """Settings from lines of `name = value` or `name value`, by their names or short names (`lr`).

    Empty lines and what follows a # at a line's beginning count for nothing. Values stay text: the engine judges them.
    """
    values: dict[str, Any] = {}
    problems: list[tuple[int, str]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        written, equals, value = line.replace("＝", "=").partition("=")
        if not equals:
            written, _blank, value = line.partition(" ")
        written = written.strip().removeprefix("--")
        plain = written.casefold().replace("-", "_")
        name, value = ALIASES.get(plain, plain), value.strip()
        if name not in Settings.model_fields:
            message = _("There is no setting {name}.").format(name=written)
            near = nearest(written, (*SETTING_NAMES, *(a for a, full in ALIASES.items() if full in SETTING_NAMES)))
            if near:
                message += " " + _("Did you mean {suggestion}?").format(suggestion=near)
            problems.append((number, message))
        elif not value:
            problems.append((number, _("{name} wants a value: {name} = ...").format(name=name)))
        elif name in values:
            problems.append((number, _("{name} is given twice.").format(name=name)))
        else:
            is_list = isinstance(Settings.model_fields[name].default, tuple)
            values[name] = split_texts(value) if is_list else _unquoted(value)
    return SettingLines(values, tuple(problems))


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text
