"""The command palette: every action of the key table on the screen below, in the current language."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING

from textual.app import SystemCommand
from textual.binding import Binding
from textual.screen import Screen

from engine.language import _
from minimind_tui.app.reachable import Reachable, reachable_keys

if TYPE_CHECKING:
    from minimind_tui.app.application import MinimindApp


def commands(app: "MinimindApp", screen: Screen[object]) -> Iterable[SystemCommand]:
    """What the palette offers on a screen: its keys' actions, then what Textual can do."""
    named: set[str] = set()
    for found in sorted(reachable_keys(screen), key=lambda found: found.key.scope == "app"):
        key = found.key
        if key.action == "command_palette" or not found.node.check_action(key.action, ()):
            continue
        if key.label in named:  # the screen's own way comes first, and one of them is enough
            continue
        named.add(key.label)
        pressed = app.get_key_display(Binding(key.keys.split(",")[0], key.action))
        yield SystemCommand(key.label, f"{key.help}  ·  {pressed}", partial(_start, app, found))
    more: list[tuple[str, str, Callable[[], object]]] = [
        (_("Theme"), _("Choose other colours"), app.action_change_theme),
        (_("Picture"), _("Save the screen as an SVG picture"), partial(app.set_timer, 0.1, app.save_picture)),
    ]
    if screen.query("HelpPanel"):
        more.append((_("Hide keys"), _("Close the panel of keys"), app.action_hide_help_panel))
    else:
        more.append((_("Show keys"), _("The keys in a panel beside the screen"), app.action_show_help_panel))
    for title, help_, callback in more:
        yield SystemCommand(title, help_, callback)


def _start(app: "MinimindApp", found: Reachable) -> None:
    """Do what a key does, as if it were pressed where it belongs."""
    if not found.active and getattr(found.node, "focusable", False):
        found.node.focus()  # type: ignore[attr-defined]
    app.call_later(app.run_action, found.key.action, found.node)
