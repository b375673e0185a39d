"""The preferences: chosen and typed here, seen and kept at once."""

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Input

from engine.language import _
from minimind_tui.app.base_screen import BaseScreen
from minimind_tui.app.bindings import bindings_of
from minimind_tui.app.guarding import tell
from minimind_tui.app.texts import PlainText
from minimind_tui.app.widgets.choices import Choices
from minimind_tui.core import preference_form as form
from minimind_tui.core.preferences import Preferences, preferences_path

_KEEP_SECONDS = 0.3
"""How long a value that is being typed waits before it is kept."""


class PreferencesScreen(BaseScreen):
    """Language, theme, charts, money."""

    BINDINGS = bindings_of("preferences")
    CSS_PATH = "preferences.tcss"

    def __init__(self) -> None:
        super().__init__()
        self._waiting: dict[str, object] = {}
        self._timer: Timer | None = None

    def title_words(self) -> str:
        return _("Preferences")

    def compose_body(self) -> ComposeResult:
        preferences = self.minimind.preferences
        with Horizontal(id="columns"):
            with VerticalScroll(id="form", can_focus=False):
                with Vertical(classes="panel") as languages:
                    languages.border_title = Content(_("Language"))
                    yield Choices(form.language_options(), preferences.language, name="language")
                with Vertical(classes="panel") as charts:
                    charts.border_title = Content(_("Charts"))
                    yield Choices(form.marker_options(), preferences.marker, name="marker")
                    yield from self._field("refresh_seconds", _("Look again every"), _("seconds"))
                with Vertical(classes="panel") as money:
                    money.border_title = Content(_("Money"))
                    yield from self._field("price_per_hour", _("This machine costs"), _("an hour"))
                    yield from self._field("currency", _("Currency"), "")
                yield PlainText(_("Kept in {path}").format(path=preferences_path()), id="file")
            with Vertical(id="looks", classes="panel") as looks:
                looks.border_title = Content(_("Theme"))
                yield Choices([(name, name) for name in self._themes()], self.app.theme, follow=True, name="theme")

    def _themes(self) -> list[str]:
        """Ours first, then Textual's."""
        return sorted(self.minimind.available_themes, key=lambda name: (not name.startswith("minimind"), name))

    def _field(self, name: str, title: str, unit: str) -> ComposeResult:
        value = form.typed(getattr(self.minimind.preferences, name))
        with Horizontal(classes="field"):
            yield PlainText(title)
            yield Input(value, id=name, compact=True)
            yield PlainText(unit, classes="unit")
        yield PlainText("", id=f"{name}-problem", classes="problem")

    def on_mount(self) -> None:
        self.query_one("#language").focus()

    async def relanguage(self) -> None:
        focused = self.focused.id if self.focused is not None else None
        self._keep_now()
        await super().relanguage()
        if focused:
            self.query_one(f"#{focused}").focus()

    # -- changes

    def on_choices_chosen(self, event: Choices.Chosen) -> None:
        name = event.choices.id or ""
        if name == "theme":
            self.app.theme = event.value  # seen at once; the application keeps it when the cursor rests
        else:
            self.minimind.change_preferences(**{name: event.value})

    def on_input_changed(self, event: Input.Changed) -> None:
        name = event.input.id or ""
        value, problem = form.check(self.minimind.preferences, name, event.value)
        shown = self.query_one(f"#{name}-problem", PlainText)
        shown.show(problem)
        shown.set_class(bool(problem), "-shown")
        if problem:
            self._waiting.pop(name, None)
        elif value != getattr(self.minimind.preferences, name):
            self._keep_soon(name, value)

    def _keep_soon(self, name: str, value: object) -> None:
        self._waiting[name] = value
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(_KEEP_SECONDS, self._keep_now)

    def _keep_now(self) -> None:
        waiting, self._waiting = self._waiting, {}
        if waiting:
            self.minimind.change_preferences(**waiting)

    def on_unmount(self) -> None:
        self._keep_now()

    async def action_reset(self) -> None:
        """Every preference as at first."""
        self._waiting = {}
        defaults = Preferences(welcomed=self.minimind.preferences.welcomed)
        self.minimind.change_preferences(**defaults.model_dump())
        await self.relanguage()
        tell(self, _("All preferences are as at first."))
