"""The token cache: every usable document of a data file as token ids, mapped into memory, built once."""

import hashlib
import os
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from engine.data.cache_folder import (
    BuildProgress,
    FileLock,
    Progress,
    ShouldStop,
    Staging,
    build_lock,
    in_words,
    map_array,
    open_sealed,
    raise_if_stopped,
    read_intact_meta,
    staging,
)
from engine.data.content_hash import content_sha256, remembered_sha256
from engine.data.encoding import encode_documents
from engine.data.file_check import check_file
from engine.data.jsonl import NOTE_KINDS, LineReader, Problem
from engine.data.seal import SealedFiles
from engine.data.tokenizer import ControlText, Tokenizer
from engine.errors import UserError
from engine.language import _

FORMAT = 1
KEPT_PROBLEMS = 100
BadLines = Literal["skip", "stop"]


@dataclass(frozen=True)
class TokenCache:
    """All documents of one file under one tokenizer. Text tokens only: no bos, no eos.

    tokens (tokens,) uint16, or uint32 where an id exceeds 65,535; offsets (documents + 1,) uint64 into tokens; per
    document its text's 64-bit hash, its UTF-8 bytes and its line number in the file, from 1. All are mapped into
    memory, read-only. While the object lives its folder counts as in use and is not removed by clean_cache.
    """

    folder: Path
    key: str
    source: Path
    content_sha256: str
    tokenizer_sha256: str
    vocab_size: int
    tokens: npt.NDArray[Any]
    offsets: npt.NDArray[np.uint64]
    text_hashes: npt.NDArray[np.uint64]
    text_bytes: npt.NDArray[np.uint32]
    lines: npt.NDArray[np.uint64]
    line_count: int
    problem_counts: dict[str, int]
    problems: tuple[Problem, ...]
    control_tokens: int
    control_documents: int
    built: bool
    """True when this call built it, False when it was reused."""
    files: SealedFiles | None = field(repr=False, compare=False)
    """Its files, proven by hash; None where they were only looked at (existing_token_cache)."""
    _in_use: FileLock = field(repr=False, compare=False)

    @property
    def document_count(self) -> int:
        """Documents in the cache."""
        return len(self.lines)

    @property
    def token_count(self) -> int:
        """Text tokens in the cache."""
        return len(self.tokens)

    @property
    def skipped_lines(self) -> int:
        """Lines that held no usable text (blank ones not counted)."""
        return _unusable(self.problem_counts)

    def document_at(self, line: int) -> int | None:
        """The document of a line of the file (from 1); None where that holds none."""
        index = int(np.searchsorted(self.lines, line))
        return index if index < self.document_count and int(self.lines[index]) == line else None

    def document(self, index: int) -> npt.NDArray[Any]:
        """The token ids of one document."""
        return self.tokens[int(self.offsets[index]) : int(self.offsets[index + 1])]


def open_token_cache(
    data_path: Path,
    tokenizer: Tokenizer,
    *,
    cache_dir: Path,
    text_field: str = "text",
    bad_lines: BadLines = "skip",
    bad_lines_limit: float = 0.01,
    control_text: ControlText = "control",
    threads: int | None = None,
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> TokenCache:
    """The token cache of a JSONL file, built now if there is none that fits its content and the tokenizer.

    bad_lines "skip" leaves unusable lines out and counts them, up to a share `bad_lines_limit` of all lines that are
    not blank; "stop" refuses the first. `threads` tokenise (default: all cores). One process builds while others wait
    and then share the result. Memory is bounded whatever the size of the file.

    control_text: what a control token's string (`<|im_end|>`) inside a text becomes. "control", the default, gives the
    token, as MiniMind's own data is written; it is counted in control_tokens and control_documents, never silent.

    Raises UserError (wrong file, unusable lines beyond the policy, nothing usable, disk full) and BuildStopped.
    """
    check_file(data_path, text_field)
    try:
        (cache_dir / "tokens").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise in_words(error, cache_dir) from error
    content = content_sha256(data_path, cache_dir, progress=progress, should_stop=should_stop)
    key = cache_key(content, tokenizer, text_field, control_text)
    folder = cache_dir / "tokens" / key
    in_use = FileLock(folder.with_suffix(".use"))
    in_use.acquire(exclusive=False, wait=True)
    found = open_sealed(folder, FORMAT, progress, should_stop)
    built = False
    if found is None:
        with build_lock(folder.with_suffix(".build"), progress, should_stop) as tell:
            found = open_sealed(folder, FORMAT, progress, should_stop)
            if found is None:
                policy = _Policy(data_path, bad_lines, bad_lines_limit)
                builder = _Builder(data_path, tokenizer, text_field, control_text, content, policy)
                with staging(folder) as work:
                    builder.fill(work, threads or available_cores(), tell, should_stop)
                found = open_sealed(folder, FORMAT, progress, should_stop)
                built = True
    if found is None:
        raise UserError(
            _("The cache {folder} was damaged while it was written: is the disk sound?").format(folder=folder)
        )
    cache = opened_cache(folder, key, *found, in_use, built)
    _Policy(data_path, bad_lines, bad_lines_limit).check_all(cache.problem_counts, cache.line_count, cache.problems)
    os.utime(in_use.path)
    return cache


def existing_token_cache(
    data_path: Path,
    tokenizer: Tokenizer,
    *,
    cache_dir: Path,
    text_field: str = "text",
    bad_lines: BadLines = "skip",
    bad_lines_limit: float = 0.01,
    control_text: ControlText = "control",
) -> TokenCache | None:
    """The token cache that open_token_cache would find built already; None when there is none yet.

    Builds and hashes nothing: it takes milliseconds. Raises UserError for a file that cannot be looked at, and for
    unusable lines beyond the policy.
    """
    content = remembered_sha256(data_path, cache_dir)
    if content is None:
        return None
    key = cache_key(content, tokenizer, text_field, control_text)
    folder = cache_dir / "tokens" / key
    if not folder.is_dir():
        return None
    in_use = FileLock(folder.with_suffix(".use"))
    if not in_use.acquire(exclusive=False, wait=False):  # it is being removed
        return None
    meta = read_intact_meta(folder, FORMAT)
    if meta is None:
        return None
    cache = opened_cache(folder, key, meta, None, in_use, built=False)
    _Policy(data_path, bad_lines, bad_lines_limit).check_all(cache.problem_counts, cache.line_count, cache.problems)
    return cache


def available_cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return max(1, os.cpu_count() or 1)


def cache_key(
    content: str, tokenizer: Tokenizer, text_field: str = "text", control_text: ControlText = "control"
) -> str:
    """The name of the cache's folder: a function of the text's hash, the tokenizer and what is read how."""
    identity = "\0".join((content, tokenizer.sha256, text_field, control_text, str(FORMAT)))
    return hashlib.sha256(identity.encode()).hexdigest()[:32]


def opened_cache(
    folder: Path, key: str, meta: dict[str, Any], files: SealedFiles | None, in_use: FileLock, built: bool
) -> TokenCache:
    """The cache in `folder`, mapped into memory; `in_use` is held for as long as it lives."""
    return TokenCache(
        folder=folder,
        key=key,
        source=Path(meta["source"]),
        content_sha256=meta["content_sha256"],
        tokenizer_sha256=meta["tokenizer_sha256"],
        vocab_size=meta["vocab_size"],
        tokens=map_array(folder / "tokens.bin", np.dtype(meta["dtype"])),
        offsets=map_array(folder / "offsets.bin", np.dtype("<u8")),
        text_hashes=map_array(folder / "hashes.bin", np.dtype("<u8")),
        text_bytes=map_array(folder / "bytes.bin", np.dtype("<u4")),
        lines=map_array(folder / "lines.bin", np.dtype("<u8")),
        line_count=meta["lines"],
        problem_counts=meta["problem_counts"],
        problems=tuple(Problem(**problem) for problem in meta["problems"]),
        control_tokens=meta["control_tokens"],
        control_documents=meta["control_documents"],
        built=built,
        files=files,
        _in_use=in_use,
    )


def _unusable(counts: dict[str, int]) -> int:
    return sum(count for kind, count in counts.items() if kind not in NOTE_KINDS)


class _Policy:
    """What to do about unusable lines: raises UserError when there are more than allowed."""

    def __init__(self, path: Path, bad_lines: BadLines, limit: float) -> None:
        self.path = path
        self.bad_lines = bad_lines
        self.limit = limit

    def check_first(self, problem: Problem) -> None:
        if self.bad_lines == "stop" and not problem.is_note:
            raise UserError(
                _("{path}, {problem}. Mend that line, or leave such lines out with --bad_lines skip.").format(
                    path=self.path, problem=problem
                )
            )

    def check_on_the_way(self, reader: LineReader, total_bytes: int, problems: Sequence[Problem]) -> None:
        """Stop early on a hopeless file: when twice the limit is passed even for the number of lines it will have."""
        bad = reader.unusable
        if bad >= 100 and bad > 2 * self.limit * reader.lines * max(1.0, total_bytes / reader.bytes_consumed):
            self._refuse(bad, reader.lines - reader.counts["blank"], problems)

    def check_all(self, counts: dict[str, int], lines: int, problems: Sequence[Problem]) -> None:
        for problem in problems:
            self.check_first(problem)
        bad = _unusable(counts)
        lines -= counts.get("blank", 0)
        if bad > self.limit * lines:
            self._refuse(bad, lines, problems)

    def _refuse(self, bad: int, lines: int, problems: Sequence[Problem]) -> None:
        first = "; ".join([str(problem) for problem in problems if not problem.is_note][:5])
        share = bad / max(1, lines)
        raise UserError(
            _(
                "{path}: {bad} of {lines} lines cannot be used ({share:.2%}, allowed are {limit:.2%})."
                " The first: {first}. Mend them, or allow more with --bad_lines_limit {enough:.2g}."
            ).format(
                path=self.path,
                bad=bad,
                lines=lines,
                share=share,
                limit=self.limit,
                first=first,
                enough=min(1.0, share * 1.1),
            )
        )


class _Builder:
    """Reads, tokenises and writes one cache into a staging folder."""

    def __init__(
        self,
        path: Path,
        tokenizer: Tokenizer,
        text_field: str,
        control_text: ControlText,
        content_sha256: str,
        policy: _Policy,
    ) -> None:
        self.path = path
        self.tokenizer = tokenizer
        self.control_text = control_text
        self.text_field = text_field
        self.content_sha256 = content_sha256
        self.policy = policy
        self.problems: list[Problem] = []
        self.digest = hashlib.sha256()
        self.reader = LineReader(path, text_field=text_field, on_problem=self._on_problem, on_block=self.digest.update)
        self.total_bytes = path.stat().st_size

    def _on_problem(self, problem: Problem) -> None:
        if len(self.problems) < KEPT_PROBLEMS:
            self.problems.append(problem)
        self.policy.check_first(problem)
        self.policy.check_on_the_way(self.reader, self.total_bytes, self.problems)

    def fill(self, work: Staging, threads: int, progress: Progress, should_stop: ShouldStop | None) -> None:
        dtype = np.dtype("<u2" if self.tokenizer.vocab_size <= 2**16 else "<u4")
        documents = tokens = control_tokens = control_documents = 0
        work.append("tokens.bin", np.empty(0, dtype))
        work.append("offsets.bin", np.zeros(1, "<u8"))
        chunks = encode_documents(self.reader, self.tokenizer, threads=threads, control_text=self.control_text)
        told = 0.0
        with closing(chunks) as encoded:
            for chunk in encoded:
                raise_if_stopped(should_stop)
                work.append("tokens.bin", chunk.ids.astype(dtype))
                work.append("offsets.bin", (np.cumsum(chunk.lengths) + tokens).astype("<u8"))
                work.append("hashes.bin", chunk.hashes.astype("<u8"))
                work.append("bytes.bin", chunk.text_bytes.astype("<u4"))
                work.append("lines.bin", chunk.lines.astype("<u8"))
                documents += len(chunk.lines)
                tokens += len(chunk.ids)
                control_tokens += chunk.control_tokens
                control_documents += chunk.control_documents
                now = time.monotonic()
                if self.reader.bytes_consumed > self.total_bytes:  # somebody is still writing, perhaps for ever
                    break
                if now - told >= 0.1:
                    told = now
                    done = max(1, self.reader.bytes_consumed)
                    work.expected_bytes = work.written_bytes * max(done, self.total_bytes) // done
                    progress(BuildProgress("tokenising", done, self.total_bytes, documents))
        progress(BuildProgress("tokenising", self.total_bytes, self.total_bytes, documents))
        self._conclude(documents, tokens)
        work.seal(
            {
                "format": FORMAT,
                "created": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "source": os.path.realpath(self.path),
                "source_bytes": self.total_bytes,
                "content_sha256": self.content_sha256,
                "tokenizer_sha256": self.tokenizer.sha256,
                "vocab_size": self.tokenizer.vocab_size,
                "text_field": self.text_field,
                "control_text": self.control_text,
                "dtype": dtype.str,
                "documents": documents,
                "tokens": tokens,
                "lines": self.reader.lines,
                "problem_counts": dict(self.reader.counts),
                "problems": [vars(problem) for problem in self.problems],
                "control_tokens": control_tokens,
                "control_documents": control_documents,
            }
        )

    def _conclude(self, documents: int, tokens: int) -> None:
        if self.digest.hexdigest() != self.content_sha256:
            raise UserError(_("{path} changed while it was read: wait until it is complete.").format(path=self.path))
        self.policy.check_all(dict(self.reader.counts), self.reader.lines, self.problems)
        if not documents or not tokens:
            raise UserError(
                _("{path} holds no usable text in {lines} lines.").format(path=self.path, lines=self.reader.lines)
            )
