"""The pane that tells everything of the run under the cursor."""

from collections.abc import Callable, Sequence

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content

from engine.language import _
from minimind_tui import words
from minimind_tui.app.texts import PlainText, styled
from minimind_tui.charts.numbers import sparkline
from minimind_tui.core.run_detail import CheckpointLine, RunDetail
from minimind_tui.core.run_facts import RunRow
from minimind_tui.core.run_table import row_look
from minimind_tui.safe_text import one_line

_MOST_CHILDREN = 5
# what is exact, what is not, what cannot be told or was never asked
_EXACTNESS = {True: ("✓", "$text-success"), False: ("!", "$text-warning"), None: (" ", "")}
_EXACT_WORDS: dict[bool | None, Callable[[], str]] = {True: lambda: _("exact"), False: lambda: _("inexact")}


class DetailPane(VerticalScroll):
    """State, message, curve, facts, attempts, checkpoints and note of one run."""

    def __init__(self) -> None:
        super().__init__(id="run-detail", classes="panel")
        self._key: str | None = None

    def compose(self) -> ComposeResult:
        yield PlainText(id="detail-text")

    def show(self, row: RunRow | None, detail: RunDetail | None) -> None:
        """Tell of another run, or more of the same one; `detail` is None until it has been read."""
        self.border_title = Content(_("Run") if row is None else _title(row))
        key = None if row is None else row.key
        if key != self._key:
            self._key = key
            self.scroll_home(animate=False)
        if row is None:
            self.query_one(PlainText).show(styled((_("No run is chosen."), "$quiet")))
            return
        if detail is not None and detail.key != row.key:
            detail = None
        width = max(16, self.scrollable_content_region.width)
        self.query_one(PlainText).show(Content("\n").join(_lines(row, detail, width)))


def _title(row: RunRow) -> str:
    return " ".join(row.entry.title.split()) or row.key


def _lines(row: RunRow, detail: RunDetail | None, width: int) -> list[Content]:
    entry, look = row.entry, row_look(row)
    lines = [styled((look.text, f"bold $text-{look.style}" if look.style else "bold"))]
    lines.append(styled((entry.problem, "$text-error") if entry.problem else entry.seen.message))
    if detail is None:
        return lines
    lines += _curve(detail, width)
    facts = list(detail.facts)
    if row.size is not None:
        facts.append((_("size"), words.size(row.size)))
    lines += [Content(""), *_pairs(facts, width)]
    if detail.attempts:
        lines += _heading(_("Attempts"))
        for attempt in detail.attempts:
            sign, style = _EXACTNESS[attempt.exact]
            lines += _hanging(styled((sign, style), f" {attempt.number}  "), styled(attempt.text), width)
    if detail.checkpoints or detail.broken_checkpoints:
        lines += _heading(_("Checkpoints"))
        lines += _checkpoints(detail.checkpoints, width)
    if detail.broken_checkpoints:
        told = _("{n} of them cannot be read.").format(n=detail.broken_checkpoints)
        lines.append(styled((told, "$text-warning")))
    children = detail.children
    if children:
        lines += _heading(_("Begun from it"))
        lines += [styled(f"  {child}") for child in children[:_MOST_CHILDREN]]
        if len(children) > _MOST_CHILDREN:
            lines.append(styled((f"  +{len(children) - _MOST_CHILDREN}", "$quiet")))
    if entry.annotations.note:
        lines += _heading(_("Note"))
        lines.append(styled(entry.annotations.note))
    return lines


def _heading(text: str) -> list[Content]:
    return [Content(""), styled((text, "bold $text-primary"))]


def _pairs(pairs: Sequence[tuple[str, str]], width: int) -> list[Content]:
    widest = max((cell_len(name) for name, _value in pairs), default=0)
    lines: list[Content] = []
    for name, value in pairs:
        before = styled((name + " " * (widest - cell_len(name) + 2), "$quiet"))
        lines += _hanging(before, styled(value), width)
    return lines


def _hanging(before: Content, text: Content, width: int) -> list[Content]:
    """A text that wraps below itself, beside what stands before it."""
    first, *others = text.wrap(max(8, width - before.cell_length)) or [Content("")]
    indent = Content(" " * before.cell_length)
    return [before + first, *(indent + line for line in others)]


def _curve(detail: RunDetail, width: int) -> list[Content]:
    known = [value for value in detail.curve if value == value]
    if not known:
        return []
    line = styled((sparkline(detail.curve, width), "$text-primary"))
    ends = _("loss {first} to {last}").format(first=words.loss(known[0]), last=words.loss(known[-1]))
    return [Content(""), line, styled((ends, "$quiet"))]


def _checkpoints(infos: Sequence[CheckpointLine], width: int) -> list[Content]:
    """One a line, their numbers below each other; below them why those are not exact that are not."""
    steps = [f"{info.step:,}" for info in infos]
    sizes = [words.size(info.size) for info in infos]
    losses = ["" if info.loss is None else words.loss(info.loss) for info in infos]
    lines = []
    for info, step, size, loss in zip(infos, steps, sizes, losses, strict=True):
        marks = " ".join(filter(None, (_("best") if info.is_best else "", _("kept") if info.is_kept else "")))
        sign, style = _EXACTNESS[info.badge.exact]
        lines.append(
            styled(
                (sign, style),
                f" {step.rjust(max(map(len, steps)))}  {size.rjust(max(map(len, sizes)))}  ",
                loss.ljust(max(map(len, losses))),
                ("  " + marks if marks else "", "$text-success"),
                ("  " + _EXACT_WORDS[info.badge.exact]() if info.badge.exact is not None else "", "$quiet"),
            )
        )
    for told in dict.fromkeys(one_line(info.badge.words()) for info in infos if info.badge.reasons):
        badge = next(info.badge for info in infos if one_line(info.badge.words()) == told)
        sign, style = _EXACTNESS[badge.exact]
        lines += _hanging(styled((sign, style), " "), styled((told, "$quiet")), width)
    return lines
