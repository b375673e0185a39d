"""Two lines: state and progress in words, and a bar with the time that is left."""

from collections.abc import Sequence

from textual.content import Content
from textual.widget import Widget

from minimind_tui.core.dashboard.progress import Progress, bar
from minimind_tui.safe_text import printable

_LEAST_BAR = 8
_BETWEEN = " · "


class ProgressLine(Widget):
    """How far the run is. Parts that have no room are left out, the least telling first."""

    DEFAULT_CSS = """
    ProgressLine { height: 2; padding: 0 1; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._progress: Progress | None = None

    def show(self, progress: Progress) -> None:
        """Show another progress; nothing is drawn when it is the same."""
        if progress != self._progress:
            self._progress = progress
            self.refresh()

    def render(self) -> Content:
        progress, width = self._progress, self.content_size.width
        if progress is None or width <= 0:
            return Content("")
        return Content("\n").join([self._words(progress, width), self._bar(progress, width)])

    def _words(self, progress: Progress, width: int) -> Content:
        style = f"bold $text-{progress.look.style}" if progress.look.style in _TEXT_COLOURS else "bold"
        left = Content.assemble((progress.look.text, style))
        if progress.phase:
            left = left + Content.assemble(("  " + printable(progress.phase), "$text-accent"))
        right = _fitting(progress.done, width - left.cell_length - 2)
        if not right.cell_length:
            return left.truncate(width, ellipsis=True)
        return left + Content(" " * (width - left.cell_length - right.cell_length)) + right

    def _bar(self, progress: Progress, width: int) -> Content:
        time = _fitting(progress.time, width - _LEAST_BAR - 2)
        if progress.share is None:
            return time
        room = width - time.cell_length - (2 if time.cell_length else 0)
        done, rest = bar(progress.share, room)
        colour = "$text-accent" if progress.of_phase else "$text-success" if progress.share >= 1 else "$text-primary"
        line = Content.assemble((done, colour), (rest, "$border-blurred"))
        return line + Content("  ") + time if time.cell_length else line


_TEXT_COLOURS = frozenset({"success", "warning", "error", "accent"})


def _fitting(parts: Sequence[str], room: int) -> Content:
    """As many of the first parts as fit into `room` columns."""
    for count in range(len(parts), 0, -1):
        text = Content(_BETWEEN.join(map(printable, parts[:count])))
        if text.cell_length <= room:
            return text
    return Content("")
