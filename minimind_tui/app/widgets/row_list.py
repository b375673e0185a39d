"""A list whose chosen row may be told by reversing it."""

from textual.style import Style
from textual.widgets import OptionList


class RowList(OptionList):
    """An OptionList that shows `text-style: reverse` of its rows: Textual leaves that style out of a widget's parts."""

    def get_visual_style(self, *component_classes: str, partial: bool = False) -> Style:
        """As in Textual, and reversed where a part is."""
        style = super().get_visual_style(*component_classes, partial=partial)
        reverse = any(self.get_component_styles(name).text_style.reverse for name in component_classes)
        return style + Style(reverse=True) if reverse else style
