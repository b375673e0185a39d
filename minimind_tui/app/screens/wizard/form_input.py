"""A field to type in that leaves the wizard and the application their keys."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from textual.binding import Binding, BindingType
from textual.widgets import Input

from minimind_tui.core.keys import keys_of


def _left_to_us(bindings: Iterable[BindingType]) -> list[BindingType]:
    """An Input's own bindings without the keys that have a meaning of ours."""
    ours = {name for scope in ("app", "wizard") for key in keys_of(scope) for name in key.keys.split(",")}
    kept: list[BindingType] = []
    for binding in bindings:
        if isinstance(binding, Binding):
            names = [name for name in binding.key.split(",") if name not in ours]
            if names:
                kept.append(replace(binding, key=",".join(names)))
    return kept


UP_AND_DOWN: list[BindingType] = [
    Binding("down", "app.focus_next", show=False),
    Binding("up", "app.focus_previous", show=False),
]
"""Keys that go from field to field."""


class FormInput(Input, inherit_bindings=False):
    """One line to type in; it does not blink."""

    BINDINGS = [*_left_to_us(Input.BINDINGS), *UP_AND_DOWN]

    def __init__(self, value: str, **options: Any) -> None:
        super().__init__(value, compact=True, **options)
        self.cursor_blink = False
