"""Textual's bindings from the one table of keys."""

from dataclasses import replace

from textual.binding import ActiveBinding, Binding, BindingType
from textual.keys import format_key

from engine.language import _
from minimind_tui.core.keys import Scope, key_table, keys_of


def bindings_of(scope: Scope) -> list[BindingType]:
    """The bindings of a scope, for a class's BINDINGS. Their words are filled in when they are shown."""
    return [
        Binding(key.keys, key.action, show=key.footer, id=key.id, key_display=_first_shown(key.keys))
        for key in keys_of(scope)
    ]


def _first_shown(keys: str) -> str | None:
    """Of several keys, the first is shown, whichever Textual comes upon first."""
    first, *others = keys.split(",")
    return format_key(first) if others and "+" not in first else None


def in_current_language(bindings: dict[str, ActiveBinding]) -> dict[str, ActiveBinding]:
    """The same bindings with the table's words."""
    known = {key.id: key for key in key_table()}
    others = _textuals_words()
    shown = {}
    for pressed, active in bindings.items():
        key = known.get(active.binding.id or "")
        if key is not None:
            # Textual takes a binding without words, as it was made, for a hidden one
            binding = replace(active.binding, description=key.label, tooltip=key.help, show=key.footer)
            active = active._replace(binding=binding, tooltip=key.help)
        elif words := others.get(active.binding.action.rpartition(".")[2]):
            active = active._replace(binding=replace(active.binding, description=words), tooltip=words)
        shown[pressed] = active
    return shown


def _textuals_words() -> dict[str, str]:
    """Words for what Textual binds itself, by action: they are seen in its panel of keys."""
    return {
        "focus_next": _("Next field"),
        "focus_previous": _("Field before"),
        "copy_text": _("Copy the selected text"),
        "select": _("Choose"),
        "cursor_down": _("Down"),
        "cursor_up": _("Up"),
        "first": _("First"),
        "last": _("Last"),
        "page_down": _("Page down"),
        "page_up": _("Page up"),
        "scroll_down": _("Down"),
        "scroll_up": _("Up"),
        "scroll_left": _("Left"),
        "scroll_right": _("Right"),
        "scroll_home": _("To the top"),
        "scroll_end": _("To the end"),
        "minimize": _("Back to its size"),
    }
