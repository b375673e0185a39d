"""The command palette: every action of the key table on the screen below, in the current language."""

from collections.abc import AsyncIterator, Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING

from textual.app import SystemCommand
from textual.binding import Binding
from textual.command import DiscoveryHit, Hit, Hits
from textual.screen import Screen
from textual.system_commands import SystemCommandsProvider
from textual.theme import ThemeProvider

from engine.language import _
from minimind_tui.app.reachable import Reachable, reachable_keys

if TYPE_CHECKING:
    from minimind_tui.app.application import MinimindApp


class Actions(SystemCommandsProvider):
    """The actions of the screen below, found by name."""

    async def search(self, query: str) -> Hits:
        """The actions called so, or the word that there are none."""
        async for hit in _or_nothing(super().search(query), self.app.action_command_palette):
            yield hit


class Themes(ThemeProvider):
    """The themes, found by name."""

    async def search(self, query: str) -> Hits:
        """The themes called so, or the word that there are none."""
        async for hit in _or_nothing(super().search(query), self.app.search_themes):
            yield hit


async def _or_nothing(hits: Hits, begin_anew: Callable[[], object]) -> AsyncIterator[DiscoveryHit | Hit]:
    """What was found. That nothing was is a line of its own: Textual's says it in English whatever the language."""
    nothing = True
    async for hit in hits:
        nothing = False
        yield hit
    if nothing:
        yield Hit(0.0, _("Nothing matches."), begin_anew, help=_("Enter begins anew"))


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
