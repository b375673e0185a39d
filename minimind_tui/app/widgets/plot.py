"""What every chart widget has: a figure of its own, the theme's colours, and a picture kept until something changes."""

from abc import abstractmethod

from rich.text import Text
from textual.color import Color
from textual.content import Content
from textual.visual import VisualType
from textual.widget import Widget
from textual_plotext.plot import Plot

from minimind_tui.app.guarding import describe
from minimind_tui.charts import Axes, Curve, Inks, Sign, clean, draw_on, sparkline
from minimind_tui.charts.drawing import Colour
from minimind_tui.core.preferences import Marker, Preferences

LEAST_WIDTH, LEAST_HEIGHT = 20, 6
"""Below it a chart is a line of bars and a number."""

_FINE: dict[Marker, str] = {"braille": "braille", "hd": "hd", "dot": "dot", "ascii": "*"}
_LINE_COLOURS = ("text-primary", "text-accent", "text-success", "text-error", "text-secondary", "foreground")
_MARKS = ("", "*", "+", "x", "#", "@")
_SYMBOLS, _ASCII_SYMBOLS = tuple("●▲■◆+○"), tuple("o^#*+x")
_SIGN_COLOURS = {
    "checkpoint": "text-success",
    "sample": "text-secondary",
    "control": "text-warning",
    "spike": "text-error",
}
_ANSI_SIGN_COLOURS = {"checkpoint": "green", "sample": "magenta", "control": "orange", "spike": "red"}
_ANSI_LINES: tuple[Colour, ...] = ("cyan", "orange", "green", "red", "magenta", "blue")
_FAINTNESS = 0.38


class PlotWidget(Widget):
    """Draws curves with plotext, at most once for one state of everything it depends on. Never raises in render."""

    DEFAULT_CSS = "PlotWidget { width: 1fr; height: 1fr; color: $foreground-muted; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id, classes=classes)
        self._figure = Plot()
        self._drawn: tuple[object, VisualType] = (None, "")

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _theme: self.refresh())

    def render(self) -> VisualType:
        """The chart as it is now, from memory where nothing changed."""
        width, height = self.content_size
        if width < 1 or height < 1:
            return ""
        key = (self.drawn_from(), width, height, self.inks)  # a theme's name is another before its colours are
        if self._drawn[0] != key:
            try:
                self._drawn = (key, self.draw(width, height))
            except Exception as error:  # a chart is not worth the screen it stands on
                self._drawn = (key, Content(describe(error)))
        return self._drawn[1]

    @abstractmethod
    def drawn_from(self) -> object:
        """What the picture depends on, beside size, theme and marker: while it is equal, nothing is drawn anew."""

    @abstractmethod
    def draw(self, width: int, height: int) -> VisualType:
        """The chart for a size in columns and rows."""

    @property
    def _marker(self) -> Marker:
        preferences = getattr(self.app, "preferences", None)
        return preferences.marker if isinstance(preferences, Preferences) else "braille"

    @property
    def inks(self) -> Inks:
        """The theme's colours and the person's marker."""
        fine, coloured = _FINE[self._marker], not self.app.no_color
        if self._is_ansi:
            return Inks(_ANSI_LINES, _MARKS, faint="gray", points="orange", fine=fine, coloured=coloured)
        colour = self._theme_colour
        faint = colour("background").blend(colour("foreground"), _FAINTNESS)
        lines: tuple[Colour, ...] = tuple(colour(name).rgb for name in _LINE_COLOURS)
        return Inks(lines, _MARKS, faint=faint.rgb, points=colour("text-accent").rgb, fine=fine, coloured=coloured)

    @property
    def symbols(self) -> tuple[str, ...]:
        """What lines are told apart by in a chart of several, whatever their colour."""
        return _ASCII_SYMBOLS if self._marker == "ascii" else _SYMBOLS

    def sign_colour(self, kind: str) -> Colour:
        """The colour of a kind of mark."""
        if self._is_ansi:
            return _ANSI_SIGN_COLOURS.get(kind, "cyan")
        return self._theme_colour(_SIGN_COLOURS.get(kind, "text-primary")).rgb

    @property
    def _is_ansi(self) -> bool:
        return self.app.current_theme.name.startswith("ansi") or self.app.native_ansi_color

    def _theme_colour(self, name: str) -> Color:
        return Color.parse(self.app.theme_variables.get(name, "#888888"))

    def plotted(
        self,
        curves: list[Curve],
        axes: Axes,
        width: int,
        height: int,
        signs: list[Sign],
        *,
        number: str = "",
        cursor: float | None = None,
    ) -> VisualType:
        """Curves as a picture; where there is no room, the newest number and a line of bars."""
        cleaned = [curve for curve in (clean(curve, log=axes.log) for curve in curves) if curve.x]
        if not cleaned:
            return Content("")
        if width < LEAST_WIDTH or height < LEAST_HEIGHT:
            lines = [curve for curve in cleaned if curve.style != "faint"] or cleaned
            bars = sparkline(lines[0].y, width)
            return Content("\n".join([*([number] if height > 1 and number else []), bars][:height]))
        drawn = draw_on(self._figure, cleaned, axes, width, height, self.inks, signs, thinned=True, cursor=cursor)
        text = Text.from_ansi(drawn)
        text.no_wrap = True
        return text
