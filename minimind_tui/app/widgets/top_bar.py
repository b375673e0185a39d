"""The bar on top: where one is, and what trains now."""

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from engine.language import _
from engine.run.schema import State
from minimind_tui import words
from minimind_tui.core.run_index import RunEntry
from minimind_tui.core.run_words import look_of
from minimind_tui.safe_text import one_line

_MOST_NAME = 32
_LEAST_SIZE = (80, 24)
"""A terminal smaller than that does not show all of a screen."""


class TopBar(Widget):
    """One line: the application and the screen's name, and on the right the newest live run."""

    DEFAULT_CSS = """
    TopBar { dock: top; height: 1; background: $panel; color: $foreground; padding: 0 1; }
    """

    summary: reactive[str] = reactive("")
    """What trains now, in words."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self.title = title

    def show_runs(self, live: list[RunEntry]) -> None:
        """Tell the newest live run, and how many there are."""
        self.summary = _summary(live)

    def render(self) -> Content:
        left = Content.assemble(("minimind", "bold $text-primary"), " › ", (self.title, "bold"))
        right = Content(self.summary)
        if self.app.size.width < _LEAST_SIZE[0] or self.app.size.height < _LEAST_SIZE[1]:
            right = Content(_("80x24 shows more"))
        room = self.size.width - 2 - left.cell_length  # the padding's two columns
        if right.cell_length + 2 > room:
            right = right.truncate(max(0, room - 2), ellipsis=True)
        return left + Content(" " * max(1, room - right.cell_length)) + right


def _summary(live: list[RunEntry]) -> str:
    if not live:
        return ""
    first = live[0]
    status = first.seen.status
    parts = [look_of(first.seen.state).sign, one_line(first.title)[-_MOST_NAME:]]
    if status is not None and status.total_steps:
        parts.append(f"{status.step / status.total_steps:.0%}")
    if status is not None and status.eta_s is not None and first.seen.state is State.RUNNING:
        parts.append(words.duration(status.eta_s))
    if len(live) > 1:
        parts.append(f"+{len(live) - 1}")
    return " ".join(parts)
