"""Texts to token ids on several threads, in order and in bounded memory."""

import hashlib
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.data.tokenizer import ControlText, Tokenizer

CHUNK_CHARACTERS = 128 * 2**10
CHUNK_DOCUMENTS = 512
SEGMENT_CHARACTERS = 128 * 2**10
_QUEUED_CHARACTERS = 16 * 2**20


@dataclass(frozen=True)
class EncodedChunk:
    """Consecutive documents as arrays: ids (tokens,), and per document its tokens, text hash, UTF-8 bytes and line.

    control_tokens and control_documents count control tokens that the texts themselves wrote.
    """

    ids: npt.NDArray[np.uint32]
    lengths: npt.NDArray[np.int64]
    hashes: npt.NDArray[np.uint64]
    text_bytes: npt.NDArray[np.uint32]
    lines: npt.NDArray[np.uint64]
    control_tokens: int
    control_documents: int


def text_hash(raw: bytes) -> int:
    """The 64-bit hash of a text's UTF-8 bytes by which duplicates and held-out documents are recognised."""
    return int.from_bytes(hashlib.blake2b(raw, digest_size=8).digest(), "little")


def encode_documents(
    documents: Iterable[tuple[int, str]], tokenizer: Tokenizer, *, threads: int, control_text: ControlText
) -> Generator[EncodedChunk, None, None]:
    """Encode (line number, text) pairs on `threads` threads; the chunks come in the order of the documents.

    At most about 16 million characters are under way at a time. Closing the iterator ends the threads.
    """
    is_control = np.zeros(tokenizer.vocab_size, dtype=bool)
    is_control[list(tokenizer.control_ids)] = True
    pool = ThreadPoolExecutor(threads, thread_name_prefix="tokenise")
    pending: deque[tuple[Future[EncodedChunk], int]] = deque()
    queued = 0
    try:
        for lines, texts, characters in _chunks(documents):
            while pending and (len(pending) > 2 * threads or queued + characters > _QUEUED_CHARACTERS):
                future, size = pending.popleft()
                queued -= size
                yield future.result()
            pending.append((pool.submit(_encode, tokenizer, lines, texts, control_text, is_control), characters))
            queued += characters
        while pending:
            yield pending.popleft()[0].result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _chunks(documents: Iterable[tuple[int, str]]) -> Iterator[tuple[list[int], list[str], int]]:
    lines: list[int] = []
    texts: list[str] = []
    characters = 0
    for line, text in documents:
        lines.append(line)
        texts.append(text)
        characters += len(text)
        if characters >= CHUNK_CHARACTERS or len(texts) >= CHUNK_DOCUMENTS:
            yield lines, texts, characters
            lines, texts, characters = [], [], 0
    if texts:
        yield lines, texts, characters


def _encode(
    tokenizer: Tokenizer,
    lines: list[int],
    texts: list[str],
    control_text: ControlText,
    is_control: npt.NDArray[np.bool_],
) -> EncodedChunk:
    hashes = np.empty(len(texts), dtype=np.uint64)
    text_bytes = np.empty(len(texts), dtype=np.uint32)
    for index, text in enumerate(texts):
        raw = text.encode("utf-8")
        hashes[index] = text_hash(raw)
        text_bytes[index] = len(raw)
    if max(map(len, texts)) <= SEGMENT_CHARACTERS:
        ids, lengths = tokenizer.encode_flat(texts, control_text=control_text)
    else:
        ids, lengths = _encode_segmented(tokenizer, texts, control_text)
    control = np.flatnonzero(is_control[ids])
    control_documents = len(np.unique(np.searchsorted(np.cumsum(lengths), control, side="right")))
    return EncodedChunk(
        ids, lengths, hashes, text_bytes, np.array(lines, dtype=np.uint64), len(control), control_documents
    )


def _encode_segmented(
    tokenizer: Tokenizer, texts: list[str], control_text: ControlText
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
    parts: list[npt.NDArray[np.uint32]] = []
    lengths = np.zeros(len(texts), dtype=np.int64)
    for index, text in enumerate(texts):
        for segment in segments(text):
            ids, _lengths = tokenizer.encode_flat([segment], control_text=control_text)
            parts.append(ids)
            lengths[index] += len(ids)
    return np.concatenate(parts), lengths


def segments(text: str, limit: int = SEGMENT_CHARACTERS) -> Iterator[str]:
    """`text` in parts of at most `limit` characters, which join to it.

    The library keeps some hundred bytes a token while it encodes, so a text of many megabytes goes in parts. They begin
    at a single space between words where there is one, which is a boundary for byte-level pre-tokenisers: the ids are
    those of the whole text. Elsewhere (no space in 4,096 characters) the cut can cost a token.
    """
    start = 0
    while len(text) - start > limit:
        end = start + limit
        cut = end
        while True:
            cut = text.rfind(" ", max(start + 1, end - 4096), cut)
            if cut < 0:
                cut = end
                break
            if not text[cut - 1].isspace() and not text[cut + 1].isspace():
                break
        yield text[start:cut]
        start = cut
    yield text[start:]
