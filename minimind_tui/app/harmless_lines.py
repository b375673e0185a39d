"""The last look at what is drawn: whatever a widget was given, nothing in it acts on the terminal."""

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from minimind_tui.safe_text import printable


class HarmlessLines(LineFilter):
    """Takes out of every drawn line what `printable` takes out of a text. Such characters have no width, so that the
    rest stays where it is.

    Texts are cleaned where they come in as well; but titles of borders, values of fields and messages take many ways to
    the screen, and one that is forgotten must not hand the terminal to whoever named a file.
    """

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The segments of a line; the same ones where all is well."""
        if all(text.isprintable() for text, _style, _control in segments):
            return segments
        return [Segment(printable(text), style, control) for text, style, control in segments]
