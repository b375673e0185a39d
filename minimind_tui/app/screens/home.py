"""Home: what runs now, recent runs, presets to begin from, what this machine is."""

from textual.app import ComposeResult

from engine.language import _
from minimind_tui.app.base_screen import BaseScreen
from minimind_tui.app.bindings import bindings_of
from minimind_tui.app.texts import PlainText


class HomeScreen(BaseScreen):
    """The first screen."""

    BINDINGS = bindings_of("home")

    def title_words(self) -> str:
        return _("Home")

    def compose_body(self) -> ComposeResult:
        yield PlainText(_("Home"))
