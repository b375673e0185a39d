"""The report on a data file in words, for a screen: numbers become sentences once, in the process that counted."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from engine.data.inspect_report import InspectReport, SampleRow
from engine.estimate.data_facts import DataFacts
from engine.language import _
from minimind_tui import words
from minimind_tui.core.wizard.data_look import Bar, DataLook, Piece, Row
from minimind_tui.safe_text import one_line

_PIECE_CHARACTERS = 600


def described(report: InspectReport, *, facts: DataFacts, note: str, vocab_size: int) -> DataLook:
    """What a report says."""
    return DataLook(
        path=str(report.path),
        note=note,
        vocab_size=vocab_size,
        facts=facts,
        overview=_overview(report),
        sampled=not report.whole,
        verdict=tuple((finding.level, one_line(finding.message)) for finding in report.verdict),
        lengths=_("Length in tokens ({n} documents, half of them at most {median})").format(
            n=f"{report.length_documents:,}", median=f"{report.median_tokens:,.0f}"
        ),
        bars=tuple(
            Bar(f"{low:,}" if high - low <= 1 else f"{low:,}-{high - 1:,}", count)
            for (low, high), count in zip(pairwise(report.length_edges), report.length_counts, strict=True)
        ),
        training=tuple(_training(report)) if report.documents else (),
        problems=tuple(_problems(report)) if report.problems else (),
        rows=tuple(_row(row, report.max_seq_len) for row in report.rows),
        row_length=report.max_seq_len,
        seconds=report.seconds,
    )


def _overview(report: InspectReport) -> str:
    return _("{path}: {size}, {documents} documents, {tokens} tokens").format(
        path=one_line(words.short_path(Path(report.path))),
        size=words.size(report.bytes),
        documents=_amount(report.documents, exact=report.documents_exact),
        tokens=_amount(report.tokens, exact=report.tokens_exact),
    )


def _amount(number: int, *, exact: bool) -> str:
    return f"{number:,}" if exact else f"~{words.count(number)}"


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
    duplicates, near = report.duplicates, report.near_duplicates
    yield _("exact copies: {share} ({distinct} distinct of {compared} compared)").format(
        share=f"{duplicates.share:.1%}", distinct=f"{duplicates.distinct:,}", compared=f"{duplicates.compared:,}"
    )
    yield _("nearly the same as another: {share} of {n} distinct texts").format(
        share=f"{near.share:.1%}", n=f"{near.documents:,}"
    )


def _problems(report: InspectReport) -> Iterator[str]:
    counted = ", ".join(f"{kind} {count:,}" for kind, count in report.problem_counts.items())
    yield _("in {lines} lines looked at: {counts}").format(lines=f"{report.lines_looked_at:,}", counts=counted)
    if not report.line_numbers_exact:
        yield _("(line numbers are estimates)")
    for problem in report.problems:
        yield one_line(str(problem))


def _row(row: SampleRow, length: int) -> Row:
    pieces = tuple(
        Piece(piece.line, piece.tokens, _shortened(one_line(piece.text)), piece.starts_inside, piece.ends_inside)
        for piece in row.pieces
    )
    return Row(length - row.padding, pieces)


def _shortened(text: str) -> str:
    half = _PIECE_CHARACTERS // 2
    return text if len(text) <= _PIECE_CHARACTERS else f"{text[:half]} ... {text[-half:]}"
