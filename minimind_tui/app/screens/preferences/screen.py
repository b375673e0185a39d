"""The preferences: chosen and typed here, seen and kept at once."""

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Input, OptionList, RadioButton, RadioSet
from textual.widgets.option_list import Option

from engine.language import _
from minimind_tui.app.base_screen import BaseScreen
from minimind_tui.app.bindings import bindings_of
from minimind_tui.app.guarding import tell
from minimind_tui.app.texts import PlainText
from minimind_tui.core import preference_form as form
from minimind_tui.core.preferences import Preferences, preferences_path

_KEEP_SECONDS = 0.3
"""How long a value that is being typed, or a theme passed over, waits before it is kept."""


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
                yield from self._choice("language", _("Language"), form.language_options(), preferences.language)
                with Vertical(classes="panel") as charts:
                    charts.border_title = Content(_("Charts"))
                    yield self._radios("marker", form.marker_options(), preferences.marker)
                    yield from self._field("refresh_seconds", _("Look again every"), _("seconds"))
                with Vertical(classes="panel") as money:
                    money.border_title = Content(_("Money"))
                    yield from self._field("price_per_hour", _("This machine costs"), _("an hour"))
                    yield from self._field("currency", _("Currency"), "")
                yield PlainText(_("Kept in {path}").format(path=preferences_path()), id="file")
            themes = OptionList(
                *(Option(Content(name), id=name) for name in self._themes()), id="themes", classes="panel"
            )
            themes.border_title = Content(_("Theme"))
            yield themes

    def _themes(self) -> list[str]:
        """Ours first, then Textual's."""
        return sorted(self.minimind.available_themes, key=lambda name: (not name.startswith("minimind"), name))

    def _choice(self, name: str, title: str, options: list[form.Option], chosen: str) -> ComposeResult:
        with Vertical(classes="panel") as panel:
            panel.border_title = Content(title)
            yield self._radios(name, options, chosen)

    @staticmethod
    def _radios(name: str, options: list[form.Option], chosen: str) -> RadioSet:
        buttons = [
            RadioButton(Content(option.words), option.value == chosen, name=option.value, compact=True)
            for option in options
        ]
        return RadioSet(*buttons, id=name, compact=True)

    def _field(self, name: str, title: str, unit: str) -> ComposeResult:
        value = form.typed(getattr(self.minimind.preferences, name))
        with Horizontal(classes="field"):
            yield PlainText(title)
            yield Input(value, id=name, compact=True)
            yield PlainText(unit, classes="unit")
        yield PlainText("", id=f"{name}-problem", classes="problem")

    def on_mount(self) -> None:
        self._settle()
        self.query_one("#language").focus()

    def _settle(self) -> None:
        """The theme's row under the cursor, as it is now."""
        themes = self.query_one("#themes", OptionList)
        name = self.app.theme
        themes.highlighted = self._themes().index(name) if name in self._themes() else None

    async def relanguage(self) -> None:
        focused = self.focused.id if self.focused is not None else None
        self._keep_now()
        await super().relanguage()
        self._settle()
        if focused:
            self.query_one(f"#{focused}").focus()

    # -- changes

    def on_radio_set_changed(self, event: RadioSet.Changed) -> None:
        name, value = event.radio_set.id, event.pressed.name
        if name is not None and getattr(self.minimind.preferences, name) != value:
            self.minimind.change_preferences(**{name: value})

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        name = event.option_id
        if name is not None and name != self.app.theme and event.option_list.has_focus:
            self.app.theme = name  # seen at once; kept when the cursor rests
            self._keep_soon("theme", name)

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
