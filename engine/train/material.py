"""The data of a run, from its file to the rows it trains and validates on."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from engine.data.cache_folder import BuildProgress
from engine.data.kept_text import open_kept_cache, text_problem
from engine.data.row_options import row_options
from engine.data.rows import RowTable, build_rows
from engine.data.split import choose_validation
from engine.data.token_cache import TokenCache, open_token_cache
from engine.data.tokenizer import Tokenizer
from engine.errors import UserError
from engine.language import _
from engine.run.schema import EventKind, Phase
from engine.run.training_text import TrainingText, look_at, ways_out
from engine.run.worker_link import WorkerLink
from engine.settings.settings import Settings


@dataclass(frozen=True)
class Material:
    """What a run reads. validation is None when nothing is held out."""

    tokenizer: Tokenizer
    cache: TokenCache
    training: RowTable
    validation: RowTable | None
    text: TrainingText
    """What the file was when training began."""


def open_material(
    settings: Settings,
    data_path: Path,
    tokenizer_path: Path,
    cache_dir: Path,
    link: WorkerLink,
    should_stop: Callable[[], bool],
    known: TrainingText | None = None,
    tokenizer_hash: str | None = None,
) -> Material:
    """Open, or build, the token cache and the rows; progress goes into the status.

    `known` and `tokenizer_hash` are the text and the tokenizer that a run that goes on began with: of others nothing is
    built, and the old text's cache serves in its place where the person chose that. Raises UserError for what is wrong
    with file or tokenizer, BuildStopped when `should_stop` said so meanwhile.
    """

    def progress(made: BuildProgress) -> None:
        link.note(phase_done=made.done, phase_total=made.total)

    tokenizer = Tokenizer.load(tokenizer_path)
    if tokenizer_hash not in (None, tokenizer.sha256):
        raise UserError(
            _(
                "The tokenizer {path} is not the one that this run began with: its ids mean other text. Put the old "
                "file back, or start a new run."
            ).format(path=tokenizer_path)
        )
    link.update(phase=Phase.TOKENISING)
    cache = None
    if known is not None:
        looking: dict[str, Any] = {"text_field": settings.text_field, "progress": progress, "should_stop": should_stop}
        problem = text_problem(data_path, known.sha256, cache_dir, **looking)
        if problem:
            cache = _kept(problem, known, tokenizer, cache_dir, link, looking)
    cache = cache or open_token_cache(
        data_path,
        tokenizer,
        cache_dir=cache_dir,
        text_field=settings.text_field,
        bad_lines=settings.bad_lines,
        bad_lines_limit=settings.bad_lines_limit,
        threads=None if settings.num_workers == "auto" else settings.num_workers,
        progress=progress,
        should_stop=should_stop,
    )
    _tell_of_lines(cache, link)
    split = choose_validation(cache, max_tokens=settings.validation_tokens) if settings.validation else None

    def rows(documents: npt.NDArray[Any] | None, *, validation: bool) -> RowTable:
        options = row_options(settings, tokenizer, validation=validation)
        return build_rows(cache, documents, **options, progress=progress, should_stop=should_stop)

    training = rows(None if split is None else split.training, validation=False)
    _tell_of_rows(training, link)
    validation = None
    if split is not None and len(split.validation):
        validation = rows(split.validation, validation=True)
    elif settings.validation:
        message = _("The text is too small to hold anything out: there will be no validation.")
        _warn(link, message)
    size, modified = look_at(data_path) or (0, "")
    text = known or TrainingText(sha256=cache.content_sha256, size=size, modified=modified)
    return Material(tokenizer, cache, training, validation, text)


def _kept(
    problem: str, known: TrainingText, tokenizer: Tokenizer, cache_dir: Path, link: WorkerLink, looking: dict[str, Any]
) -> TokenCache:
    """The cache of a text whose file is another one, or gone, where the person chose it. Raises UserError."""
    if not known.use_cache:
        raise UserError(f"{problem} {ways_out(link.folder.id)}")
    cache = open_kept_cache(known.sha256, tokenizer, cache_dir=cache_dir, **looking)
    if cache is None:
        raise UserError(
            problem
            + " "
            + _("Its cache in {folder} is not there, or not whole. Put the old file back.").format(folder=cache_dir)
        )
    message = _("{problem} As chosen, training goes on with the cache of the old text: {n} documents in {folder}.")
    _warn(link, message.format(problem=problem, n=cache.document_count, folder=cache.folder))
    return cache


def _tell_of_lines(cache: TokenCache, link: WorkerLink) -> None:
    """Say in the events what was left out of the file, and which control tokens its texts hold; once an attempt."""
    if cache.skipped_lines:
        bad = [problem for problem in cache.problems if not problem.is_note]
        counts: dict[str, int] = {}
        for problem in bad:
            counts[problem.kind] = cache.problem_counts[problem.kind]
        message = _("{n} of {total} lines hold no usable text and are skipped ({kinds}); the first are lines {lines}.")
        _warn(
            link,
            message.format(
                n=cache.skipped_lines,
                total=cache.line_count,
                kinds=", ".join(f"{kind} {count}" for kind, count in counts.items()),
                lines=", ".join(str(problem.line) for problem in bad[:5]),
            ),
        )
    if cache.control_documents:
        message = _("{n} documents hold control tokens such as <|im_end|> in their text; they are taken as such.")
        _warn(link, message.format(n=cache.control_documents))


def _tell_of_rows(rows: RowTable, link: WorkerLink) -> None:
    """Say in the events what of the documents is not trained on; once an attempt."""
    if rows.truncated_documents:
        message = _("{n} documents are longer than a row and truncated as asked: {tokens} tokens are not trained on.")
        _warn(link, message.format(n=rows.truncated_documents, tokens=rows.truncated_tokens))
    if rows.skipped_documents:
        message = _("{n} documents are too short to predict a token from another and are skipped.")
        _warn(link, message.format(n=rows.skipped_documents))


def _warn(link: WorkerLink, message: str) -> None:
    link.event(EventKind.WARNING, link.start_step, message=message)
