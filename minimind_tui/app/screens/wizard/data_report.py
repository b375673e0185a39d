"""What a look into training text found: the verdict first, then what it rests on."""

from collections.abc import Iterator

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.events import Resize

from engine.language import _
from minimind_tui.app.texts import PlainText, styled
from minimind_tui.core.wizard.data_look import DataLook, Piece

_MOST_BAR = 40
_SIGNS = {
    "ok": ("✓", "$text-success"),
    "note": ("·", ""),
    "warning": ("!", "$text-warning"),
    "error": ("✗", "$text-error"),
}


class DataReport(VerticalScroll):
    """Scrolls with the arrows when it has the cursor."""

    def __init__(self) -> None:
        super().__init__(id="data-report", classes="panel")
        self._look: DataLook | None = None
        self._problem = ""
        self._shown_width = 0

    def compose(self) -> ComposeResult:
        yield PlainText("", id="report-text")

    def on_mount(self) -> None:
        self.border_title = Content(_("What is in it"))

    def show_look(self, look: DataLook | None) -> None:
        """Show what was found; None: somebody looks right now."""
        if look != self._look or self._problem:
            self.scroll_home(animate=False)
        self._look, self._problem = look, ""
        self._draw()

    def show_problem(self, problem: str) -> None:
        """Show why nothing can be looked into."""
        self._look, self._problem = None, problem
        self._draw()

    def on_resize(self, event: Resize) -> None:
        if self._shown_width != self.scrollable_content_region.width:
            self._draw()

    def _draw(self) -> None:
        self._shown_width = self.scrollable_content_region.width
        text = self.query_one("#report-text", PlainText)
        if self._problem:
            text.show(_finding("error", self._problem))
        elif self._look is None:
            text.show(styled((_("Looking into it ..."), "$quiet")))
        else:
            text.show(Content("\n").join(_lines(self._look, max(24, self._shown_width))))


def _lines(look: DataLook, width: int) -> Iterator[Content]:
    if look.problem:
        yield _finding("error", look.problem)
        return
    for level, message in look.verdict:
        yield _finding(level, message)
    if look.note:
        yield _finding("note", look.note)
    yield Content("")
    yield styled((look.overview, "bold"))
    if look.sampled:
        yield styled((_("Parts of the file were read; numbers with ~ are estimates from them."), "$quiet"))
    if look.problems:
        yield from _heading(_("Problems"))
        for line in look.problems:
            yield styled("  ", line)
    if look.bars:
        yield from _heading(look.lengths)
        yield from _histogram(look, width)
    if look.rows:
        yield from _heading(_("Rows as the model sees them"))
        for number, row in enumerate(look.rows, 1):
            yield styled(
                (
                    _("row {n}: {pieces} documents, {used} of {length} positions").format(
                        n=number, pieces=len(row.pieces), used=row.used, length=look.row_length
                    ),
                    "$quiet",
                )
            )
            for piece in row.pieces:
                yield _piece(piece)
    if look.training:
        yield from _heading(_("What training makes of it"))
        for line in look.training:
            yield styled("  ", line)
    yield Content("")
    yield styled((_("Looked at in {seconds} s.").format(seconds=f"{look.seconds:.1f}"), "$quiet"))


def _heading(text: str) -> Iterator[Content]:
    yield Content("")
    yield styled((text, "bold $text-primary"))


def _finding(level: str, message: str) -> Content:
    sign, style = _SIGNS.get(level, _SIGNS["note"])
    return styled((f"{sign} ", style), (message, style) if style else message)


def _histogram(look: DataLook, width: int) -> Iterator[Content]:
    labels = max(len(bar.label) for bar in look.bars)
    counts = max(len(f"{bar.count:,}") for bar in look.bars)
    room = max(4, min(_MOST_BAR, width - labels - counts - 6))
    most = max(bar.count for bar in look.bars) or 1
    for bar in look.bars:
        # A bin that has anything shows something.
        blocks = "█" * max(round(bar.count / most * room), 1 if bar.count else 0)
        yield styled(f"  {bar.label:>{labels}}  ", (f"{blocks:<{room}}", "$text-primary"), f"  {bar.count:>{counts},}")


def _piece(piece: Piece) -> Content:
    before, after = ("..." if piece.starts_inside else ""), ("..." if piece.ends_inside else "")
    where = _("line {line}, {n} tokens:").format(line=piece.line, n=piece.tokens)
    return styled("  ", (where, "$quiet"), f" {before}{piece.text}{after}")
