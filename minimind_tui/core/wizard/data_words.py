"""The report on a data file in words, for a screen: numbers become sentences once, in the process that counted."""

from engine.data.inspect_report import InspectReport, SampleRow
from engine.estimate.data_facts import DataFacts
from minimind_tui.core.inspection_words import (
    bins,
    lengths_heading,
    overview,
    problems,
    problems_heading,
    shortened,
    training,
)
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
        overview=overview(report),
        sampled=not report.whole,
        verdict=tuple((finding.level, one_line(finding.message)) for finding in report.verdict),
        lengths=lengths_heading(report),
        bars=tuple(Bar(label, count) for label, count in bins(report)),
        training=tuple(training(report)) if report.documents else (),
        problems=(*problems_heading(report), *problems(report)) if report.problems else (),
        rows=tuple(_row(row, report.max_seq_len) for row in report.rows),
        row_length=report.max_seq_len,
        seconds=report.seconds,
    )


def _row(row: SampleRow, length: int) -> Row:
    pieces = tuple(
        Piece(
            piece.line, piece.tokens, shortened(piece.text, _PIECE_CHARACTERS), piece.starts_inside, piece.ends_inside
        )
        for piece in row.pieces
    )
    return Row(length - row.padding, pieces)
