"""The keys at the bottom: those of where one is on the left, help and quit always on the right."""

from collections.abc import Iterable
from typing import Any

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.events import Resize
from textual.widgets import Footer

_ALWAYS = ("help", "leave")


class KeyFooter(Footer):
    """A footer that leaves out whole keys, the last first, where the terminal is too narrow for all of them.

    Two columns lie between keys where all of them have room, else one.
    """

    DEFAULT_CSS = """
    KeyFooter { padding: 0 1; }
    KeyFooter > .always { dock: right; width: auto; height: 1; background: $footer-background; padding: 0 0 0 1; }
    KeyFooter > .always FooterKey { margin: 0 0 0 1; }
    KeyFooter.-roomy > FooterKey { margin-right: 2; }
    KeyFooter.-roomy > .always FooterKey { margin: 0 0 0 2; }
    """

    def __init__(self) -> None:
        super().__init__(show_command_palette=False, compact=True)
        self._drawn: Any = None
        """What was drawn last: the terminal's columns and the keys."""

    def compose(self) -> ComposeResult:
        # Textual's widget for one key has no public name: it is known by what it shows
        keys: list[Any] = [widget for widget in super().compose() if hasattr(widget, "key_display")]
        always = sorted((key for key in keys if key.action in _ALWAYS), key=lambda key: _ALWAYS.index(key.action))
        self._drawn = self._wanted() if keys else None
        room = self.app.size.width - 2 - _width(always) - 1
        others = [key for key in keys if key.action not in _ALWAYS]
        self.set_class(_width(others) + len(keys) <= room, "-roomy")
        for key in others:
            room -= _width([key])
            if room < 0:
                break
            yield key
        yield Horizontal(*always, classes="always")

    async def recompose(self) -> None:
        """Draw the keys anew, if they are others: the focus moves much oftener than they change."""
        if not (self.is_attached and self._drawn is not None and self._wanted() == self._drawn):
            await super().recompose()

    async def on_resize(self, event: Resize) -> None:
        if self._drawn is not None:
            await self.recompose()

    def _wanted(self) -> tuple[int, list[tuple[str, str, str, bool]]]:
        shown = [active for active in self.screen.active_bindings.values() if active.binding.show]
        return self.app.size.width, [
            (active.binding.key, active.binding.action, active.binding.description, active.enabled) for active in shown
        ]


def _width(keys: Iterable[Any]) -> int:
    """Columns of keys in the footer, each with the blank before or after it."""
    return sum(Content(key.key_display).cell_length + Content(key.description).cell_length + 2 for key in keys)
