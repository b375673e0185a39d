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
    """A footer that leaves out whole keys, the last first, where the terminal is too narrow for all of them."""

    DEFAULT_CSS = """
    KeyFooter > .always { dock: right; width: auto; height: 1; background: $footer-background; padding: 0 0 0 1; }
    KeyFooter > .always FooterKey { margin: 0 0 0 1; }
    """

    def __init__(self) -> None:
        super().__init__(show_command_palette=False, compact=True)
        self._drawn_for = 0

    def compose(self) -> ComposeResult:
        # Textual's widget for one key has no public name: it is known by what it shows
        keys: list[Any] = [widget for widget in super().compose() if hasattr(widget, "key_display")]
        always = sorted((key for key in keys if key.action in _ALWAYS), key=lambda key: _ALWAYS.index(key.action))
        self._drawn_for = self.app.size.width
        room = self._drawn_for - _width(always) - 1
        for key in keys:
            if key.action in _ALWAYS:
                continue
            room -= _width([key])
            if room < 0:
                break
            yield key
        yield Horizontal(*always, classes="always")

    async def on_resize(self, event: Resize) -> None:
        if self._drawn_for and self.app.size.width != self._drawn_for:
            await self.recompose()


def _width(keys: Iterable[Any]) -> int:
    """Columns of keys in the footer, each with the blank before or after it."""
    return sum(Content(key.key_display).cell_length + Content(key.description).cell_length + 2 for key in keys)
