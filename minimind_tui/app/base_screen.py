"""What every screen has: the bar on top, the footer, breakpoints, and words in the current language."""

from typing import TYPE_CHECKING, Any, cast

from textual.app import ComposeResult
from textual.binding import ActiveBinding
from textual.screen import Screen

from minimind_tui.app.bindings import in_current_language
from minimind_tui.app.guarding import shield_handlers
from minimind_tui.app.widgets.key_footer import KeyFooter
from minimind_tui.app.widgets.top_bar import TopBar

if TYPE_CHECKING:
    from minimind_tui.app.application import MinimindApp


class BaseScreen(Screen[None]):
    """A full screen. Subclasses compose in `compose_body`, name themselves in `title_words`, and set BINDINGS with
    `bindings_of`. Classes `-narrow` (below 100 columns), `-normal`, `-wide` (from 160), `-short` (below 32 lines) and
    `-tall` follow the terminal's size.

    A change of language composes the screen anew: keep in attributes what must survive it.
    """

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-normal"), (160, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (32, "-tall")]

    in_pieces = False
    """While the screen is composed anew: some widgets are gone and others not there yet."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        shield_handlers(cls)

    @property
    def minimind(self) -> "MinimindApp":
        """The application, typed."""
        return cast("MinimindApp", self.app)

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """The bindings with the key table's words."""
        return in_current_language(super().active_bindings)

    def compose(self) -> ComposeResult:
        yield TopBar(self.title_words())
        yield from self.compose_body()
        yield KeyFooter()

    def compose_body(self) -> ComposeResult:
        """What lies between the bar and the footer."""
        raise NotImplementedError

    def title_words(self) -> str:
        """The screen's name for the bar on top, in the current language."""
        raise NotImplementedError

    def on_screen_resume(self) -> None:
        self.minimind.screen_is_seen()

    async def relanguage(self) -> None:
        """Show everything in the language that is current now."""
        self.in_pieces = True
        try:
            await self.recompose()
        finally:
            self.in_pieces = False
        self.refresh_bindings()

    def runs_changed(self) -> None:
        """The workspace's runs changed: the application's index is new. Called on the screen that is seen."""
