"""A run's text when it goes on: whether the file is still the one it began with, and its cache where it is not."""

from pathlib import Path

from engine.data.cache_folder import FileLock, Progress, ShouldStop, open_sealed
from engine.data.content_hash import content_sha256
from engine.data.file_check import check_file
from engine.data.token_cache import FORMAT, TokenCache, cache_key, opened_cache
from engine.data.tokenizer import Tokenizer
from engine.errors import UserError
from engine.language import _


def text_problem(
    path: Path,
    sha256: str,
    cache_dir: Path,
    *,
    text_field: str,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> str:
    """Why the file is not the text of that hash, in a sentence; empty when it is. Reads the file, unless its hash is
    remembered. Raises BuildStopped.
    """
    try:
        check_file(path, text_field)
        now = content_sha256(path, cache_dir, progress=progress, should_stop=should_stop)
    except UserError as error:
        return str(error)
    if now == sha256:
        return ""
    return _(
        "The training text is not the one that this run began with: {path} has changed since (its SHA-256 began with "
        "{before} and begins with {after})."
    ).format(path=path, before=sha256[:12], after=now[:12])


def open_kept_cache(
    sha256: str,
    tokenizer: Tokenizer,
    *,
    cache_dir: Path,
    text_field: str,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> TokenCache | None:
    """The token cache of the text of that hash, proven byte by byte; None when there is none that is whole.

    The text itself is not needed. Raises UserError where the cache folder cannot be locked, BuildStopped.
    """
    key = cache_key(sha256, tokenizer, text_field)
    folder = cache_dir / "tokens" / key
    if not folder.is_dir():
        return None
    in_use = FileLock(folder.with_suffix(".use"))
    in_use.acquire(exclusive=False, wait=True)
    found = open_sealed(folder, FORMAT, progress, should_stop)
    return None if found is None else opened_cache(folder, key, *found, in_use, built=False)
