"""Widgets for texts that are nobody's markup."""

from typing import Any, Self

from textual.content import Content
from textual.geometry import Region
from textual.visual import VisualType
from textual.widgets import Static

from minimind_tui.safe_text import printable


class FittingStatic(Static):
    """A Static whose height follows its text, however fast one text comes after another.

    Textual keeps a widget's size for each count of its layout changes, and counts a second change only once it has
    been idle after the first. A layout between the two would keep the first text's size for the second for good.
    """

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Self:
        """As in Textual, and every change of the layout counts."""
        if layout:
            self._layout_updates += 1
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)


class PlainText(FittingStatic):
    """A Static that reads no markup: what is ours is styled by classes or `Content`, what is the user's stays text."""

    def __init__(self, text: VisualType = "", **options: Any) -> None:
        super().__init__(_harmless(text), markup=False, **options)

    def show(self, text: VisualType) -> None:
        """Replace the text; nothing is drawn when it is the same."""
        text = _harmless(text)
        if not same_text(text, self.content):
            self.update(text)


def same_text(one: object, other: object) -> bool:
    """Whether two texts are shown alike. `==` of two Contents leaves their styles out."""
    if isinstance(one, Content) and isinstance(other, Content):
        return one.is_same(other)
    return type(one) is type(other) and one == other


def _harmless(text: VisualType) -> VisualType:
    return printable(text) if isinstance(text, str) else text


def styled(*parts: str | tuple[str, str]) -> Content:
    """Texts put together, each plain or with a style (`$error`, `bold`); control characters are taken out."""
    return Content.assemble(
        *(printable(part) if isinstance(part, str) else (printable(part[0]), part[1]) for part in parts)
    )
