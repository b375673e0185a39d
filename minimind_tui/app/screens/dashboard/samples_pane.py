"""What the model wrote over time: a list of steps, newest first, and the texts of the one that is chosen."""

from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from engine.language import _
from minimind_tui.app.texts import PlainText, styled
from minimind_tui.app.widgets.row_list import RowList
from minimind_tui.core.dashboard.samples import SamplePage


class SamplesPane(Horizontal):
    """Stays with the newest sample until an earlier one is chosen, and then with that."""

    def __init__(self) -> None:
        super().__init__(id="pane-samples", classes="pane")
        self._pages: list[SamplePage] = []
        self._chosen: str | None = None
        """The page that was chosen; None follows the newest."""

    def compose(self) -> ComposeResult:
        yield RowList(id="sample-steps")
        with VerticalScroll(id="sample-texts"):
            yield PlainText()

    def show(self, pages: list[SamplePage]) -> None:
        """Show these pages, newest first."""
        if pages == self._pages and self._pages:
            return
        keys = [page.key for page in pages]
        steps = self.query_one(OptionList)
        if keys != [page.key for page in self._pages]:
            steps.clear_options()
            steps.add_options(
                Option(Content(_("step {step}").format(step=page.step)), id=f"page-{page.key}") for page in pages
            )
        self._pages = pages
        steps.display = bool(pages)
        if self._chosen not in keys:
            self._chosen = None
        steps.highlighted = (keys.index(self._chosen) if self._chosen else 0) if pages else None
        self._show_page()

    def earlier(self, by: int) -> None:
        """Choose the page `by` places earlier; a negative number later."""
        if self._pages:
            steps = self.query_one(OptionList)
            steps.highlighted = max(0, min(len(self._pages) - 1, (steps.highlighted or 0) + by))

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        if event.option_index < len(self._pages):
            page = self._pages[event.option_index]
            self._chosen = page.key if event.option_index else None
            self._show_page()

    def _show_page(self) -> None:
        text = self.query_one(PlainText)
        if not self._pages:
            text.show(styled((_("The model has written nothing yet."), "$quiet")))
            return
        page = next((page for page in self._pages if page.key == self._chosen), self._pages[0])
        parts: list[Content] = []
        for prompt, continuation in page.texts:
            parts.append(styled((prompt or _("(no prompt)"), "bold $text-primary"), continuation))
        text.show(Content("\n\n").join(parts))
