"""The line in which the filter is typed, and below it what is wrong with it."""

from rich.highlighter import Highlighter
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Input

from minimind_tui.app.texts import PlainText
from minimind_tui.core.run_filter import FilterError, RunFilter, parse_filter

_EXAMPLE = "mini  state=crashed  lr>=1e-3  loss<3  age<2d  -moe=1"
"""The filter's language is the same whatever one speaks."""


class _Underline(Highlighter):
    """Marks the part of the filter that is not understood."""

    def highlight(self, text: Text) -> None:
        try:
            parse_filter(text.plain)
        except FilterError as error:
            text.stylize("underline bold", error.start, max(error.end, error.start + 1))


class FilterInput(Input):
    """Escape empties it and leaves; enter and the arrow down leave it as it is."""

    BINDINGS = [
        Binding("escape", "empty", show=False),
        Binding("down", "leave", show=False),
    ]

    class Left(Message):
        """The person goes back to the list."""

    def action_empty(self) -> None:
        """No filter any more."""
        self.value = ""
        self.post_message(self.Left())

    def action_leave(self) -> None:
        """Back to the list."""
        self.post_message(self.Left())

    async def action_submit(self) -> None:
        self.post_message(self.Left())


class FilterBar(Vertical):
    """Hidden while there is no filter and nobody types one."""

    DEFAULT_CSS = """
    FilterBar { height: auto; display: none; }
    FilterBar.-shown { display: block; }
    FilterBar #filter-line { height: 1; }
    FilterBar #filter-sign { width: 2; color: $text-accent; text-style: bold; }
    FilterBar Input { width: 1fr; border: none; height: 1; padding: 0; background: $boost; }
    FilterBar Input:focus { border: none; }
    FilterBar #filter-problem { color: $text-error; height: auto; max-height: 3; display: none; }
    FilterBar #filter-problem.-shown { display: block; }
    """

    class Changed(Message):
        """Another filter; one that lets everything through while what was typed is not understood."""

        def __init__(self, run_filter: RunFilter) -> None:
            super().__init__()
            self.run_filter = run_filter

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        with Horizontal(id="filter-line"):
            yield PlainText("/", id="filter-sign")
            yield FilterInput(
                self._text,
                placeholder=_EXAMPLE,
                highlighter=_Underline(),
                id="filter",
                compact=True,
            )
        yield PlainText(id="filter-problem")

    def on_mount(self) -> None:
        self._judge(self._text)

    def open(self) -> None:
        """Show it and let it have the keys."""
        self.add_class("-shown")
        self.query_one(Input).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._judge(event.value)

    def on_descendant_blur(self) -> None:
        self.set_class(bool(self.query_one(Input).value), "-shown")

    def _judge(self, text: str) -> None:
        problem = self.query_one("#filter-problem", PlainText)
        try:
            run_filter = parse_filter(text)
        except FilterError as error:
            problem.show(f"✗ {error}")
            problem.add_class("-shown")
            self.post_message(self.Changed(RunFilter(text)))  # what is not understood leaves nothing out
            return
        problem.remove_class("-shown")
        if text:
            self.add_class("-shown")
        self.post_message(self.Changed(run_filter))
