"""Textual's bindings from the one table of keys."""

from dataclasses import replace

from textual.binding import ActiveBinding, Binding, BindingType

from minimind_tui.core.keys import Scope, key_table, keys_of


def bindings_of(scope: Scope) -> list[BindingType]:
    """The bindings of a scope, for a class's BINDINGS. Their words are filled in when they are shown."""
    return [Binding(key.keys, key.action, show=key.footer, id=key.id) for key in keys_of(scope)]


def in_current_language(bindings: dict[str, ActiveBinding]) -> dict[str, ActiveBinding]:
    """The same bindings with the table's words."""
    known = {key.id: key for key in key_table()}
    shown = {}
    for pressed, active in bindings.items():
        key = known.get(active.binding.id or "")
        if key is not None:
            # Textual takes a binding without words, as it was made, for a hidden one
            binding = replace(active.binding, description=key.label, tooltip=key.help, show=key.footer)
            active = active._replace(binding=binding, tooltip=key.help)
        shown[pressed] = active
    return shown
