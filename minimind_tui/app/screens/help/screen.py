"""The keys of the screen below, searchable, and in five lines what all of this is."""

from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.events import Resize
from textual.screen import ModalScreen, Screen
from textual.widgets import Input

from engine.language import _
from engine.places import runs_dir
from minimind_tui.app.bindings import bindings_of, in_current_language
from minimind_tui.app.reachable import reachable_keys
from minimind_tui.app.texts import PlainText, styled
from minimind_tui.core.help import HelpSection, help_sections, idea_lines
from minimind_tui.core.keys import Key
from minimind_tui.words import short_path

_MOST_LABEL = 16


class HelpScreen(ModalScreen[None]):
    """The help of a screen, above it."""

    BINDINGS = bindings_of("help")
    CSS_PATH = "help.tcss"

    def __init__(self, of: Screen[object]) -> None:
        super().__init__()
        self._keys = [(found.key, self._pressed(of, found.key)) for found in reachable_keys(of)]

    @staticmethod
    def _pressed(of: Screen[object], key: Key) -> str:
        """The keys of an action as a person knows them, at most two."""
        names = key.keys.split(",")[:2]
        return " ".join(of.app.get_key_display(Binding(name.strip(), key.action)) for name in names)

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        """The bindings with the key table's words."""
        return in_current_language(super().active_bindings)

    def compose(self) -> ComposeResult:
        with Vertical(id="help") as box:
            box.border_title = Content(_("Help"))
            box.border_subtitle = Content(_("/ search · esc close"))
            yield Input(placeholder=_("Search the keys"), id="search", compact=True)
            with VerticalScroll(id="keys"):
                yield PlainText(id="list")

    def on_mount(self) -> None:
        self.query_one("#keys").focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        self._show(event.value)
        self.query_one("#keys").scroll_home(animate=False)

    def on_input_submitted(self) -> None:
        self.query_one("#keys").focus()

    def action_search(self) -> None:
        """Look for a key by its name or by what it does."""
        self.query_one("#search").focus()

    def action_close(self) -> None:
        """Back to the screen below; a search ends first."""
        search = self.query_one("#search", Input)
        if search.has_focus or search.value:
            search.value = ""
            self.query_one("#keys").focus()
        else:
            self.dismiss(None)

    def on_resize(self, event: Resize) -> None:
        self.call_after_refresh(self._show, self.query_one("#search", Input).value)

    def _show(self, looking_for: str) -> None:
        width = max(20, self.query_one("#keys").scrollable_content_region.width)
        sections = help_sections(self._keys, looking_for)
        lines = [line for section in sections for line in section.lines]
        pressed = max((Content(line.pressed).cell_length for line in lines), default=0) + 2
        label = min(_MOST_LABEL, max((Content(line.label).cell_length for line in lines), default=0)) + 2
        parts = [_section(section, pressed, label, width) for section in sections]
        if not looking_for:
            parts.append(_idea())
        if not parts:
            parts.append(styled((_("No key is called that."), "$quiet")))
        self.query_one("#list", PlainText).show(Content("\n\n").join(parts))


def _section(section: HelpSection, pressed: int, label: int, width: int) -> Content:
    """A scope's keys in three columns; what a key does is wrapped within its own."""
    rows = [styled((section.title, "bold $text-primary"))]
    for line in section.lines:
        about = styled((line.help, "$quiet")).wrap(max(16, width - pressed - label))
        first = Content.assemble(
            _padded(styled((line.pressed, "bold $text-accent")), pressed), _padded(styled(line.label), label), about[0]
        )
        rows += [first, *(Content(" " * (pressed + label)) + rest for rest in about[1:])]
    return Content("\n").join(rows)


def _padded(content: Content, width: int) -> Content:
    return content + Content(" " * max(1, width - content.cell_length))


def _idea() -> Content:
    lines = [styled((_("The idea"), "bold $text-primary")), *map(styled, idea_lines(short_path(runs_dir())))]
    return Content("\n").join(lines)
