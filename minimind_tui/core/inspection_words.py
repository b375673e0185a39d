"""The report on a data file in sentences, for the command line and the screen alike."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from engine.data.inspect_report import InspectReport
from engine.language import _
from minimind_tui import words
from minimind_tui.safe_text import one_line


def overview(report: InspectReport) -> str:
    """The file, how large it is and what it holds; numbers that are estimates carry a ~."""
    return _("{path}: {size}, {documents} documents, {tokens} tokens").format(
        path=one_line(words.short_path(Path(report.path))),
        size=words.size(report.bytes),
        documents=_amount(report.documents, exact=report.documents_exact),
        tokens=_amount(report.tokens, exact=report.tokens_exact),
    )


def lengths_heading(report: InspectReport) -> str:
    """What stands above the histogram."""
    return _("Length in tokens ({n} documents, half of them at most {median})").format(
        n=f"{report.length_documents:,}", median=f"{report.median_tokens:,.0f}"
    )


def bins(report: InspectReport) -> list[tuple[str, int]]:
    """The histogram's bins: the range of lengths in words, and how many documents."""
    labels = [f"{low:,}" if high - low <= 1 else f"{low:,}-{high - 1:,}" for low, high in pairwise(report.length_edges)]
    return list(zip(labels, report.length_counts, strict=True))


def training(report: InspectReport) -> Iterator[str]:
    """What training makes of the texts, a sentence each."""
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


def problems_heading(report: InspectReport) -> Iterator[str]:
    """How many lines of each kind cannot be used."""
    counted = ", ".join(f"{kind} {count:,}" for kind, count in report.problem_counts.items())
    yield _("in {lines} lines looked at: {counts}").format(lines=f"{report.lines_looked_at:,}", counts=counted)
    if not report.line_numbers_exact:
        yield _("(line numbers are estimates)")


def problems(report: InspectReport) -> Iterator[str]:
    """The examples of lines that cannot be used."""
    for problem in report.problems:
        yield one_line(str(problem))


def shortened(text: str, most: int) -> str:
    """A text on one line, its middle left out beyond `most` characters."""
    text = one_line(text)
    return text if len(text) <= most else f"{text[: most // 2]} ... {text[-(most // 2) :]}"


def _amount(number: int, *, exact: bool) -> str:
    return f"{number:,}" if exact else f"~{words.count(number)}"
