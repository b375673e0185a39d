"""The banner: what a person has to know first, and buttons for what can be done."""

from typing import get_args

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Button

from minimind_tui.app.texts import PlainText, styled
from minimind_tui.core.dashboard.banner import Banner, Offer, offer_label

_SIGNS = {"error": "✗", "warning": "!", "success": "✓", "info": "›"}


class BannerPanel(Horizontal):
    """Hidden while there is nothing to say."""

    class Taken(Message):
        """A person took an offer."""

        def __init__(self, offer: Offer) -> None:
            super().__init__()
            self.offer = offer

    def __init__(self) -> None:
        super().__init__(id="banner")
        self._banner: Banner | None = None
        self.display = False

    def compose(self) -> ComposeResult:
        with Vertical(id="banner-words"):
            yield PlainText(id="banner-text")
        with Vertical(id="banner-offers"):
            for offer in get_args(Offer):
                button = Button(Content(offer_label(offer)), id=f"offer-{offer}", compact=True)
                button.display = False
                yield button

    def show(self, banner: Banner | None) -> None:
        """Show another banner, or none."""
        if banner == self._banner:
            return
        self._banner = banner
        self.display = banner is not None
        if banner is None:
            return
        for kind in _SIGNS:
            self.set_class(banner.kind == kind, f"-{kind}")
        self.query_one("#banner-text", PlainText).show(self._words(banner))
        for offer in get_args(Offer):
            self.query_one(f"#offer-{offer}", Button).display = offer in banner.offers
        self.query_one("#banner-offers").display = bool(banner.offers)

    def fit(self) -> None:
        """The screen has another size: on a short one the last line of the log has to do."""
        if self._banner is not None:
            self.query_one("#banner-text", PlainText).show(self._words(self._banner))

    def _words(self, banner: Banner) -> Content:
        colour = "" if banner.kind == "info" else f"$text-{banner.kind}"
        title = styled((f"{_SIGNS[banner.kind]} {banner.title}", f"bold {colour}".strip()))
        detail = banner.detail if self.screen.has_class("-tall") else banner.detail[-1:]
        lines = [title + styled("  ", banner.text), *(styled((f"│ {line}", "$quiet")) for line in detail)]
        return Content("\n").join(lines)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        name = (event.button.id or "").removeprefix("offer-")
        for offer in get_args(Offer):
            if offer == name:
                self.post_message(self.Taken(offer))
