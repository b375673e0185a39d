"""The report on a data file, in words and bars."""

from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING

from engine.data.inspect_report import InspectReport, SampleRow
from engine.language import _
from minimind_tui import words
from minimind_tui.cli.terminal import make_console, say
from minimind_tui.core.inspection_words import (
    bins,
    lengths_heading,
    overview,
    problems,
    problems_heading,
    shortened,
    training,
)
from minimind_tui.safe_text import json_text, one_line

if TYPE_CHECKING:
    from rich.console import Console

_BAR_COLUMNS = 40
_ROW_CHARACTERS = 400
_SHOWN_PROBLEMS = 10


def print_json(report: InspectReport) -> None:
    """The whole report as one JSON object."""
    say(json_text({**asdict(report), "path": str(report.path)}))


def print_report(report: InspectReport) -> None:
    """The report for a person: the verdict first, then what it rests on."""
    console = make_console()
    console.print(overview(report), style="bold")
    if not report.whole:
        console.print(
            _("Parts spread over the whole file were read; numbers with ~ are estimates from them."), style="dim"
        )
    _heading(_("Verdict"))
    styles = {"ok": "green", "note": "", "warning": "yellow", "error": "bold red"}
    levels = {"ok": _("good"), "note": _("note"), "warning": _("warning"), "error": _("error")}
    for finding in report.verdict:
        _print_indented(console, f"{levels[finding.level]}: {one_line(finding.message)}", 2, styles[finding.level])
    if report.documents:
        _heading(lengths_heading(report))
        for line in histogram(bins(report), console.width):
            say(line)
        _heading(_("What training makes of it"))
        for line in _training(report):
            _print_indented(console, line, 2)
    if report.problems:
        _heading(_("Problems"))
        for line in _problems(report):
            _print_indented(console, line, 2)
    if report.rows:
        _heading(_("Rows as the model sees them"))
        for number, row in enumerate(report.rows, 1):
            heading, *pieces = _row(number, row, report.max_seq_len)
            _print_indented(console, heading, 2)
            for piece in pieces:
                _print_indented(console, piece, 4)
    say("")
    console.print(_("Looked at in {seconds} s.").format(seconds=f"{report.seconds:.1f}"), style="dim")


def histogram(bins: list[tuple[str, int]], width: int) -> Iterator[str]:
    """One line a bin: its range, a bar, its count. The longest bar fills what `width` leaves."""
    label_columns = max((len(label) for label, _count in bins), default=0)
    count_columns = max((len(f"{count:,}") for _label, count in bins), default=0)
    columns = max(4, min(_BAR_COLUMNS, width - label_columns - count_columns - 7))
    most = max((count for _label, count in bins), default=0) or 1
    for label, count in bins:
        # A bin that has anything shows something.
        bar = "█" * max(round(count / most * columns), 1 if count else 0)
        yield f"  {label:>{label_columns}}  {bar:<{columns}}  {count:>{count_columns},}"


def _heading(text: str) -> None:
    console = make_console()
    console.print()
    console.print(text, style="bold")


def _print_indented(console: "Console", text: str, columns: int, style: str = "") -> None:
    from rich.padding import Padding
    from rich.text import Text

    console.print(Padding(Text(text, style=style, overflow="fold"), (0, 0, 0, columns), expand=False))


def _training(report: InspectReport) -> Iterator[str]:
    yield from training(report)
    if report.parameters is not None and report.tokens_per_parameter is not None:
        yield _("{ratio} tokens a parameter, for a model of {parameters}").format(
            ratio=f"{report.tokens_per_parameter:.2g}", parameters=words.count(report.parameters)
        )


def _problems(report: InspectReport) -> Iterator[str]:
    yield from problems_heading(report)
    yield from islice(problems(report), _SHOWN_PROBLEMS)
    if len(report.problems) > _SHOWN_PROBLEMS:
        yield "..."


def _row(number: int, row: SampleRow, length: int) -> Iterator[str]:
    yield _("row {n}: {pieces} documents, {used} of {length} positions").format(
        n=number, pieces=len(row.pieces), used=length - row.padding, length=length
    )
    for piece in row.pieces:
        text = shortened(piece.text, _ROW_CHARACTERS)
        before, after = ("..." if piece.starts_inside else ""), ("..." if piece.ends_inside else "")
        yield _("line {line}, {n} tokens: {text}").format(
            line=piece.line, n=piece.tokens, text=f"{before}{text}{after}"
        )
