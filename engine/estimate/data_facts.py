"""What training text comes to in rows and tokens: estimated from an inspection, or read from what is built already."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import UserError
from engine.language import _
from engine.settings.settings import Settings

if TYPE_CHECKING:  # they bring numpy, which not everybody who shows these facts has loaded
    from engine.data.inspect_report import InspectReport
    from engine.data.rows import RowTable
    from engine.data.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class DataFacts:
    """One epoch of a data file under some settings, validation's documents left out.

    `exact` is True when the counts are those of rows that are built already. `validation_tokens` is what one validation
    reads (0: nothing is held out). `context` is how many positions the attention of a token spans on average, the mean
    over tokens of their own document's length in its row. `problems` are reasons why training would refuse the text.
    `bytes_to_tokenise` is what has to be tokenised before training begins.
    """

    rows_per_epoch: int
    tokens_per_epoch: int
    exact: bool
    validation_tokens: int = 0
    context: float | None = None
    problems: tuple[str, ...] = ()
    bytes_to_tokenise: int = 0


def data_facts(report: "InspectReport", settings: Settings) -> DataFacts:
    """An estimate from an inspection of the file that was made with the same settings.

    What the verdict calls an error is a problem, and so is any unusable line where `bad_lines` says stop.
    """
    specials = 2 if settings.special_tokens == "both" else 0
    kept = 1 - report.truncated_token_share if settings.overlong == "truncate" else 1.0
    targets = max(0.0, report.tokens * kept + report.documents * (specials - 1))
    held_out, validation_tokens = 0.0, 0
    if settings.validation:
        held_out, validation_tokens = _held_out(report, targets, settings.validation_tokens)
    targets *= 1 - held_out
    fill = report.fill_packed if settings.pack else report.fill_padded
    problems = [finding.message for finding in report.verdict if finding.level == "error"]
    if settings.bad_lines == "stop" and report.unusable_lines:
        first = next((problem for problem in report.problems if not problem.is_note), None)
        problems.append(
            _("bad_lines = stop, and a line cannot be used: {line}.").format(line=first if first is not None else "?")
        )
    return DataFacts(
        rows_per_epoch=math.ceil(targets / (fill * settings.max_seq_len)) if fill > 0 else 0,
        tokens_per_epoch=round(targets),
        exact=False,
        validation_tokens=validation_tokens,
        context=_context(report, settings.max_seq_len, specials - 1),
        problems=tuple(problems),
        bytes_to_tokenise=report.bytes,
    )


def exact_data_facts(data: Path, tokenizer: "Tokenizer", settings: Settings, cache_dir: Path) -> DataFacts | None:
    """The counts of the rows that training would read, where token cache and rows are built already; else None.

    Takes milliseconds and builds nothing. Unusable lines beyond what the settings allow are a problem.
    """
    found = existing_training_rows(data, tokenizer, settings, cache_dir)
    if found is None or isinstance(found, str):
        return None if found is None else DataFacts(0, 0, exact=True, problems=(found,))
    training, held_out = found
    return DataFacts(
        rows_per_epoch=training.row_count,
        tokens_per_epoch=training.target_tokens,
        exact=True,
        validation_tokens=held_out,
        context=training.mean_context,
    )


def existing_training_rows(
    data: Path, tokenizer: "Tokenizer", settings: Settings, cache_dir: Path
) -> "tuple[RowTable, int] | str | None":
    """The rows that training would read and the tokens that a validation would, where all is built already.

    None where it is not; a sentence where training would refuse the text.
    """
    from engine.data.row_options import row_options
    from engine.data.rows import existing_rows
    from engine.data.split import choose_validation
    from engine.data.token_cache import existing_token_cache

    try:
        cache = existing_token_cache(
            data,
            tokenizer,
            cache_dir=cache_dir,
            text_field=settings.text_field,
            bad_lines=settings.bad_lines,
            bad_lines_limit=settings.bad_lines_limit,
        )
        if cache is None:
            return None
        split = choose_validation(cache, max_tokens=settings.validation_tokens) if settings.validation else None
        training = existing_rows(cache, None if split is None else split.training, **row_options(settings, tokenizer))
        held_out = 0
        if split is not None and len(split.validation):
            validation = existing_rows(cache, split.validation, **row_options(settings, tokenizer, validation=True))
            held_out = settings.validation_tokens if validation is None else validation.target_tokens
    except UserError as error:
        return str(error)
    return None if training is None else (training, held_out)


def _held_out(report: "InspectReport", targets: float, most_tokens: int) -> tuple[float, int]:
    """Share of the documents that validation takes, and the tokens that one validation reads, after engine.data.split.

    Copies of a held-out text are left out with it, so the share of distinct texts is that of documents.
    """
    from engine.data.split import FEWEST, MOST, SHARE

    distinct = round(report.documents * (1 - report.duplicates.share))
    texts = min(max(distinct // SHARE, FEWEST), MOST, distinct // 10)
    if texts == 0:
        return 0.0, 0
    share = texts / distinct
    each = targets / max(1, report.documents)
    return share, round(max(each, min(texts * each, most_tokens)))


def _context(report: "InspectReport", max_seq_len: int, extra: int) -> float | None:
    """The mean over tokens of the length of their own piece, from the histogram of the documents' lengths."""
    tokens = squares = 0.0
    for low, high, count in zip(report.length_edges, report.length_edges[1:], report.length_counts, strict=False):
        length = max(1.0, (low + high - 1) / 2 + extra)
        tokens += count * length
        squares += count * length * min(length, max_seq_len)
    return squares / tokens if tokens else None
