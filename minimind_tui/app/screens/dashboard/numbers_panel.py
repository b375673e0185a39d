"""The numbers of the run in a column, as many as there is room for."""

from rich.cells import cell_len
from textual.content import Content
from textual.widget import Widget

from engine.language import _
from minimind_tui.core.dashboard.numbers import Number, fit_numbers
from minimind_tui.safe_text import one_line

_TONES = {"warning": "$text-warning", "error": "$text-error"}


class NumbersPanel(Widget):
    """Labels, values and what qualifies them."""

    def __init__(self) -> None:
        super().__init__(id="dash-numbers", classes="panel")
        self._groups: list[list[Number]] = []

    def on_mount(self) -> None:
        self.border_title = Content(_("Numbers"))

    def show(self, groups: list[list[Number]]) -> None:
        """Show other numbers; nothing is drawn when they are the same."""
        if groups != self._groups:
            self._groups = groups
            self.refresh()

    def render(self) -> Content:
        width, height = self.content_size
        if width <= 0 or height <= 0 or not self._groups:
            return Content("")
        groups = fit_numbers(self._groups, height)
        count = sum(map(len, groups))
        apart = count + len(groups) - 1 <= height
        label = max((cell_len(number.label) for group in groups for number in group), default=0)
        lines: list[Content] = []
        for group in groups:
            if lines and apart:
                lines.append(Content(""))
            lines += [_line(number, label, width) for number in group]
        return Content("\n").join(lines)


def _line(number: Number, label: int, width: int) -> Content:
    """Label, value, and the detail if all of it has room."""
    line = Content.assemble(
        (number.label + " " * (label - cell_len(number.label) + 1), "$quiet"),
        (one_line(number.value), _TONES.get(number.tone, "bold")),
    )
    detail = Content.assemble(" ", (one_line(number.detail), "$quiet"))
    if number.detail and line.cell_length + detail.cell_length <= width:
        return line + detail
    return line.truncate(width, ellipsis=True)
