"""The report on a data file, in words and bars."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from itertools import pairwise
from typing import TYPE_CHECKING

from engine.data.inspect_report import InspectReport, SampleRow
from engine.language import _
from minimind_tui import words
from minimind_tui.cli.terminal import make_console, say
from minimind_tui.safe_text import one_line

if TYPE_CHECKING:
    from rich.console import Console

_BAR_COLUMNS = 40
_ROW_CHARACTERS = 400
_SHOWN_PROBLEMS = 10


def print_json(report: InspectReport) -> None:
    """The whole report as one JSON object."""
    say(json.dumps({**asdict(report), "path": str(report.path)}, ensure_ascii=False))


def print_report(report: InspectReport) -> None:
    """The report for a person: the verdict first, then what it rests on."""
    console = make_console()
    console.print(_overview(report), style="bold")
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
        _heading(
            _("Length in tokens ({n} documents, half of them at most {median})").format(
                n=f"{report.length_documents:,}", median=f"{report.median_tokens:,.0f}"
            )
        )
        for line in histogram(report.length_edges, report.length_counts, console.width):
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


def histogram(edges: tuple[int, ...], counts: tuple[int, ...], width: int) -> Iterator[str]:
    """One line a bin: its range, a bar, its count. The longest bar fills what `width` leaves."""
    labels = [f"{low:,}" if high - low <= 1 else f"{low:,}-{high - 1:,}" for low, high in pairwise(edges)]
    label_columns = max(map(len, labels), default=0)
    count_columns = max((len(f"{count:,}") for count in counts), default=0)
    columns = max(4, min(_BAR_COLUMNS, width - label_columns - count_columns - 7))
    most = max(counts, default=0) or 1
    for label, count in zip(labels, counts, strict=True):
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


def _overview(report: InspectReport) -> str:
    return _("{path}: {size}, {documents} documents, {tokens} tokens").format(
        path=one_line(words.short_path(report.path)),
        size=words.size(report.bytes),
        documents=_estimate(report.documents, exact=report.documents_exact),
        tokens=_estimate(report.tokens, exact=report.tokens_exact),
    )


def _training(report: InspectReport) -> Iterator[str]:
    yield _("rows of {length} positions: {padded} full when padded, {packed} when packed").format(
        length=report.max_seq_len, padded=f"{report.fill_padded:.1%}", packed=f"{report.fill_packed:.1%}"
    )
    yield _("{share} of the documents are longer than a row; truncating would lose {lost} of all tokens").format(
        share=f"{report.overlong_share:.1%}", lost=f"{report.truncated_token_share:.1%}"
    )
    yield _("{characters} characters and {bytes} bytes a token").format(
        characters=f"{report.characters_per_token:.2f}", bytes=f"{report.bytes_per_token:.2f}"
    )
    yield _("letters: {chinese} Chinese, {latin} Latin, {other} other").format(
        **{name: f"{report.scripts.get(name, 0.0):.1%}" for name in ("chinese", "latin", "other")}
    )
    duplicates = report.duplicates
    yield _("exact copies: {share} ({distinct} distinct of {compared} compared)").format(
        share=f"{duplicates.share:.1%}", distinct=f"{duplicates.distinct:,}", compared=f"{duplicates.compared:,}"
    )
    near = report.near_duplicates
    yield _("nearly the same as another: {share} of {n} distinct texts").format(
        share=f"{near.share:.1%}", n=f"{near.documents:,}"
    )
    if report.parameters is not None and report.tokens_per_parameter is not None:
        yield _("{ratio} tokens a parameter, for a model of {parameters}").format(
            ratio=f"{report.tokens_per_parameter:.2g}", parameters=words.count(report.parameters)
        )


def _problems(report: InspectReport) -> Iterator[str]:
    counted = ", ".join(f"{kind} {count:,}" for kind, count in report.problem_counts.items())
    yield _("in {lines} lines looked at: {counts}").format(lines=f"{report.lines_looked_at:,}", counts=counted)
    if not report.line_numbers_exact:
        yield _("(line numbers are estimates)")
    for problem in report.problems[:_SHOWN_PROBLEMS]:
        yield one_line(str(problem))
    if len(report.problems) > _SHOWN_PROBLEMS:
        yield "..."


def _row(number: int, row: SampleRow, length: int) -> Iterator[str]:
    yield _("row {n}: {pieces} documents, {used} of {length} positions").format(
        n=number, pieces=len(row.pieces), used=length - row.padding, length=length
    )
    for piece in row.pieces:
        text = one_line(piece.text)
        if len(text) > _ROW_CHARACTERS:
            half = _ROW_CHARACTERS // 2
            text = f"{text[:half]} ... {text[-half:]}"
        before, after = ("..." if piece.starts_inside else ""), ("..." if piece.ends_inside else "")
        yield _("line {line}, {n} tokens: {text}").format(
            line=piece.line, n=piece.tokens, text=f"{before}{text}{after}"
        )


def _estimate(number: int, *, exact: bool) -> str:
    return f"{number:,}" if exact else f"~{words.count(number)}"
