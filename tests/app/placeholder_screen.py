"""A screen that stands for any other in the tests of what all screens share."""

from textual.app import ComposeResult
from textual.widgets import Button

from minimind_tui.app.base_screen import BaseScreen


class Placeholder(BaseScreen):
    """Stands for a screen in the tests of what all screens share."""

    def title_words(self) -> str:
        return "Placeholder"

    def compose_body(self) -> ComposeResult:
        yield Button("Press me")
