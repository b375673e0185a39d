"""`minimind runs exclude`: documents that a run leaves out from now on."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.data.split import choose_validation
from engine.data.token_cache import TokenCache, existing_token_cache, open_token_cache
from engine.data.tokenizer import Tokenizer
from engine.errors import UserError
from engine.language import _
from engine.places import cache_dir
from engine.run.folder import RunFolder
from engine.run.guard_record import NamedDocument, read_guard, write_guard
from engine.run.lock import RunLock
from engine.run.observe import observe
from engine.settings.run_toml import parse_settings
from engine.settings.settings import Settings
from minimind_tui.cli.terminal import say

Ask = Callable[[RunFolder, str, Mapping[str, Any]], None]


def exclude_documents(folder: RunFolder, places: Sequence[str], *, worst: bool, ask: Ask) -> None:
    """Exclude the documents at `places` (FILE:LINE or LINE), and with `worst` those of the last autopsy.

    A run that lives is asked to; otherwise it is written down for when it goes on. Raises UserError.
    """
    if not places and not worst:
        raise UserError(_("Which documents? Name them by FILE:LINE, or give --worst for those that were found."))
    documents = _worst(folder) if worst else []
    if places:
        documents += _at_lines(folder, places)
    if observe(folder).is_live:
        ask(folder, "exclude", {"documents": [{"line": one.line, "hash": one.hash} for one in documents]})
        return
    lock = RunLock(folder.lock)
    lock.acquire()
    try:
        record = read_guard(folder)
        fresh = record.exclude(documents)
        write_guard(folder, record)
    except OSError as error:
        raise UserError(
            _("Cannot write to {path}: {problem}.").format(path=folder.guard, problem=error.strerror or error)
        ) from error
    finally:
        lock.release()
    known = len(documents) - len(fresh)
    if fresh:
        lines = ", ".join(str(document.line) for document in fresh)
        say(_("{run}: excluded from when it goes on: lines {lines}.").format(run=folder.id, lines=lines))
    if known:
        say(_("{run}: {n} of these documents were excluded already.").format(run=folder.id, n=known))


def _worst(folder: RunFolder) -> list[NamedDocument]:
    for autopsy in reversed(read_guard(folder).autopsies):
        if autopsy.documents:
            return list(autopsy.documents)
    raise UserError(_("{run}: no documents were found behind an update so far.").format(run=folder.id))


def _at_lines(folder: RunFolder, places: Sequence[str]) -> list[NamedDocument]:
    manifest = folder.read_manifest()
    settings, _preset = parse_settings(folder.run_toml)
    if manifest.data_path is None or manifest.tokenizer_path is None:
        raise UserError(_("{path} does not say which text and tokenizer to use.").format(path=folder.manifest))
    data = Path(manifest.data_path)
    lines = [_line_of(place, data) for place in places]
    cache = _cache_of(data, Path(manifest.tokenizer_path), settings)
    return [_document(cache, settings, data, line) for line in lines]


def _cache_of(data: Path, tokenizer_path: Path, settings: Settings) -> TokenCache:
    """The text's token cache: the one there is, else the file is read once more (a run needs it again anyway)."""
    tokenizer = Tokenizer.load(tokenizer_path)
    wanted: dict[str, Any] = {
        "cache_dir": cache_dir(),
        "text_field": settings.text_field,
        "bad_lines": settings.bad_lines,
        "bad_lines_limit": settings.bad_lines_limit,
    }
    cache = existing_token_cache(data, tokenizer, **wanted)
    if cache is None:
        say(_("Reading {path} ...").format(path=data))
        cache = open_token_cache(data, tokenizer, **wanted)
    return cache


def _line_of(place: str, data: Path) -> int:
    """The line that FILE:LINE or LINE names. Raises UserError for another file."""
    file, _colon, number = place.rpartition(":")
    if not number.isdecimal() or int(number) < 1:
        raise UserError(_("{place} names no line: expected FILE:LINE.").format(place=place))
    if file and Path(file).expanduser().resolve() != data.resolve() and file != data.name:
        raise UserError(_("{file} is not the text of this run; that is {data}.").format(file=file, data=data))
    return int(number)


def _document(cache: TokenCache, settings: Settings, data: Path, line: int) -> NamedDocument:
    index = cache.document_at(line)
    if index is None:
        raise UserError(_("Line {line} of {path} holds no document.").format(line=line, path=data))
    if settings.validation and not choose_validation(cache, max_tokens=settings.validation_tokens).training[index]:
        problem = _("Line {line} of {path} is held out for validation: nothing is learned from it.")
        raise UserError(problem.format(line=line, path=data))
    return NamedDocument(file=str(data), line=line, hash=f"{int(cache.text_hashes[index]):016x}")
