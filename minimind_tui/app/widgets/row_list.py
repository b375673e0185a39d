"""The list that all lists of rows are made of, with what Textual's lacks."""

from textual.geometry import Size
from textual.style import Style
from textual.widgets import OptionList


class RowList(OptionList):
    """An OptionList that bears any width, and shows `text-style: reverse` of its rows."""

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As in Textual, which divides by the width that the rows' padding leaves."""
        padding = self.get_component_styles("option-list--option").padding.width
        return super().get_content_height(container, viewport, width) if width > padding else 0

    def get_visual_style(self, *component_classes: str, partial: bool = False) -> Style:
        """As in Textual, which leaves that style out of a widget's parts."""
        style = super().get_visual_style(*component_classes, partial=partial)
        reverse = any(self.get_component_styles(name).text_style.reverse for name in component_classes)
        return style + Style(reverse=True) if reverse else style
