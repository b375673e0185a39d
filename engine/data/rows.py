"""Rows: the pieces of documents that share a fixed number of positions, and the batches made of them."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from engine.data.cache_folder import (
    BuildProgress,
    Progress,
    ShouldStop,
    Staging,
    build_lock,
    map_array,
    raise_if_stopped,
    read_intact_meta,
    staging,
)
from engine.data.packing import pack_best_fit
from engine.data.token_cache import TokenCache
from engine.errors import UserError
from engine.language import _

FORMAT = 1
IGNORE = -100
"""The label of positions that carry no loss (torch's default ignore_index)."""

SpecialTokens = Literal["both", "none"]
Overlong = Literal["split", "truncate"]
Integers = npt.NDArray[np.int64]
_PIECES_PER_WINDOW = 2**20
_DOCUMENTS_PER_BLOCK = 2**20


@dataclass
class Batch:
    """Rows ready for the model: int64 arrays (B, T), C-contiguous.

    ids: token ids, pad_id where nothing is. labels: the next token at each position, IGNORE on padding. positions: from
    0 within each piece. document_ids: 0 on padding, else 1, 2, ... for the pieces of a row; a position may attend to
    earlier ones with its own number only. All padding shares the number 0, so every position has one to attend to.
    """

    ids: Integers
    labels: Integers
    positions: Integers
    document_ids: Integers
    target_tokens: int
    """Positions that carry loss."""
    rows: Integers
    """Which rows of the table these are, (B,); -1 for a row that only fills up."""


@dataclass(frozen=True)
class RowTable:
    """All rows of one selection of documents, mapped into memory.

    A piece is a run of tokens of one document; with n + 1 tokens it fills n positions, each predicting the next token.
    """

    cache: TokenCache
    folder: Path
    fingerprint: str
    """Changes with the content, tokenizer, length, packing, specials, treatment of overlong documents, or selection."""
    max_seq_len: int
    bos_id: int | None
    eos_id: int | None
    pad_id: int
    text_limit: int | None
    """Text tokens kept of a document, None for all (overlong = split)."""
    target_tokens: int
    documents: int
    skipped_documents: int
    """Documents too short for a single target (possible without special tokens)."""
    split_documents: int
    truncated_documents: int
    truncated_tokens: int
    """Text tokens cut off by overlong = truncate."""
    text_bytes: int
    """UTF-8 bytes of the text behind the targets, for bits per byte; of a truncated document its share by tokens."""
    row_targets: npt.NDArray[np.uint32]
    """(rows,): target tokens of each row, never 0."""
    built: bool
    first_piece: npt.NDArray[np.uint64]
    """(rows + 1,): the pieces of row r are first_piece[r] .. first_piece[r + 1]."""
    piece_document: npt.NDArray[np.uint32]
    piece_start: npt.NDArray[np.uint32]
    """(pieces,): the token of its document, specials counted, that a piece begins with."""
    piece_length: npt.NDArray[np.uint32]
    """(pieces,): positions, one less than tokens."""

    @property
    def row_count(self) -> int:
        """Rows in the table."""
        return len(self.row_targets)

    @property
    def positions(self) -> int:
        """Positions of all rows, padding included."""
        return self.row_count * self.max_seq_len

    @property
    def fill(self) -> float:
        """Share of positions that carry loss."""
        return self.target_tokens / self.positions

    def documents_of(self, row: int) -> list[tuple[int, int]]:
        """(document index, line number in the file) of each piece of a row, in order."""
        documents = self.piece_document[int(self.first_piece[row]) : int(self.first_piece[row + 1])]
        return [(int(document), int(self.cache.lines[document])) for document in documents]

    def batch(self, row_indices: npt.NDArray[np.integer[Any]] | Sequence[int], *, fill_to: int = 0) -> Batch:
        """Assemble the rows `row_indices`, with empty rows (all labels IGNORE) up to `fill_to` rows."""
        rows = np.asarray(row_indices, dtype=np.int64)
        shape = (max(len(rows), fill_to), self.max_seq_len)
        numbers = np.full(shape[0], -1, dtype=np.int64)
        numbers[: len(rows)] = rows
        batch = Batch(
            ids=np.full(shape, self.pad_id, dtype=np.int64),
            labels=np.full(shape, IGNORE, dtype=np.int64),
            positions=np.zeros(shape, dtype=np.int64),
            document_ids=np.zeros(shape, dtype=np.int64),
            target_tokens=int(self.row_targets[rows].sum(dtype=np.int64)),
            rows=numbers,
        )
        if len(rows):
            self._fill(batch, rows)
        return batch

    def _fill(self, batch: Batch, rows: Integers) -> None:
        first = self.first_piece[rows].astype(np.int64)
        pieces_per_row = self.first_piece[rows + 1].astype(np.int64) - first
        in_row = _ramps(pieces_per_row)
        pieces = np.repeat(first, pieces_per_row) + in_row
        length = self.piece_length[pieces].astype(np.int64)
        start = self.piece_start[pieces].astype(np.int64)
        document = self.piece_document[pieces].astype(np.int64)
        text_start = self.cache.offsets[document].astype(np.int64)
        text_length = self.cache.offsets[document + 1].astype(np.int64) - text_start
        if self.text_limit is not None:
            text_length = np.minimum(text_length, self.text_limit)

        within = _ramps(length)
        # Rows are filled from the left: a position's place in the batch is its place among all positions of these rows
        # plus the padding at the end of the rows before its own.
        padding = self.max_seq_len - self.row_targets[rows].astype(np.int64)
        padding_before = np.cumsum(padding) - padding
        flat = np.arange(len(within)) + np.repeat(np.repeat(padding_before, pieces_per_row), length)
        # A document is bos + text + eos; its text begins at token 1 where there is a bos.
        place = np.repeat(start, length) + within - (self.bos_id is not None)
        text_start = np.repeat(text_start, length)
        text_length = np.repeat(text_length, length)
        batch.ids.reshape(-1)[flat] = self._tokens_at(place, text_start, text_length)
        batch.labels.reshape(-1)[flat] = self._tokens_at(place + 1, text_start, text_length)
        batch.positions.reshape(-1)[flat] = within
        batch.document_ids.reshape(-1)[flat] = np.repeat(in_row + 1, length)

    def _tokens_at(self, place: Integers, text_start: Integers, text_length: Integers) -> Integers:
        """Token ids at places of their documents' texts: -1 is the bos before a text, text_length the eos after it."""
        inside = np.minimum(np.maximum(place, 0), text_length - 1)
        tokens: Integers = self.cache.tokens[text_start + inside].astype(np.int64)
        if self.bos_id is not None:
            tokens[place < 0] = self.bos_id
        if self.eos_id is not None:
            tokens[place >= text_length] = self.eos_id
        return tokens


def _ramps(lengths: Integers) -> Integers:
    """0..n-1 for each n of `lengths`, one after another."""
    ends = np.cumsum(lengths)
    ramp: Integers = np.arange(int(ends[-1]) if len(ends) else 0) - np.repeat(ends - lengths, lengths)
    return ramp


def build_rows(
    cache: TokenCache,
    documents: npt.NDArray[Any] | None = None,
    *,
    max_seq_len: int,
    bos_id: int | None,
    eos_id: int | None,
    pad_id: int = 0,
    pack: bool = True,
    special_tokens: SpecialTokens = "both",
    overlong: Overlong = "split",
    progress: Progress | None = None,
    should_stop: ShouldStop | None = None,
) -> RowTable:
    """The rows of `documents` (a bool mask or indices; None: all), built once beside the token cache.

    special_tokens "both" surrounds each document with bos and eos, "none" adds neither. A document that needs more than
    `max_seq_len` positions is split into pieces that overlap by one token, so that every transition from a token to the
    next is trained on exactly once; positions start at 0 in each piece, as inference on its own would see it. With
    overlong "truncate" it keeps `max_seq_len` tokens, specials included (MiniMind's recipe), and what was cut is
    counted. pack puts whole pieces into rows by best fit, in windows of about a million pieces; without it each piece
    has a row of its own. Raises UserError when no document has a target, when the disk is full; BuildStopped.
    """
    mask = _as_mask(documents, cache.document_count)
    if special_tokens == "none":
        bos_id = eos_id = None
    elif bos_id is None or eos_id is None:
        raise ValueError('special_tokens "both" needs bos_id and eos_id')
    fingerprint = _fingerprint(cache, mask, max_seq_len, bos_id, eos_id, pack, overlong)
    folder = cache.folder / "rows" / fingerprint
    builder = _Builder(cache, mask, max_seq_len, bos_id is not None, overlong, pack)
    meta = read_intact_meta(folder, FORMAT)
    built = False
    if meta is None:
        with build_lock(cache.folder.with_suffix(".build"), progress, should_stop) as tell:
            meta = read_intact_meta(folder, FORMAT)
            if meta is None:
                with staging(folder) as work:
                    builder.fill(work, tell, should_stop)
                meta = read_intact_meta(folder, FORMAT)
                built = True
    if meta is None:
        raise UserError(
            _("The rows in {folder} were damaged while they were written: is the disk sound?").format(folder=folder)
        )
    return RowTable(
        cache=cache,
        folder=folder,
        fingerprint=fingerprint,
        max_seq_len=max_seq_len,
        bos_id=bos_id,
        eos_id=eos_id,
        pad_id=pad_id,
        text_limit=builder.text_limit,
        target_tokens=meta["target_tokens"],
        documents=meta["documents"],
        skipped_documents=meta["skipped_documents"],
        split_documents=meta["split_documents"],
        truncated_documents=meta["truncated_documents"],
        truncated_tokens=meta["truncated_tokens"],
        text_bytes=meta["text_bytes"],
        built=built,
        row_targets=map_array(folder / "row_targets.bin", "<u4"),
        first_piece=map_array(folder / "first_piece.bin", "<u8"),
        piece_document=map_array(folder / "piece_document.bin", "<u4"),
        piece_start=map_array(folder / "piece_start.bin", "<u4"),
        piece_length=map_array(folder / "piece_length.bin", "<u4"),
    )


def _as_mask(documents: npt.NDArray[Any] | None, count: int) -> npt.NDArray[np.bool_]:
    if documents is None:
        return np.ones(count, dtype=bool)
    if documents.dtype == bool:
        if documents.shape != (count,):
            raise ValueError(f"a mask of {documents.shape} does not fit {count} documents")
        return documents
    mask = np.zeros(count, dtype=bool)
    mask[documents] = True
    return mask


def _fingerprint(
    cache: TokenCache,
    mask: npt.NDArray[np.bool_],
    max_seq_len: int,
    bos_id: int | None,
    eos_id: int | None,
    pack: bool,
    overlong: Overlong,
) -> str:
    digest = hashlib.sha256(np.packbits(mask).tobytes())
    digest.update("\0".join(map(str, (FORMAT, cache.key, max_seq_len, bos_id, eos_id, pack, overlong))).encode())
    return digest.hexdigest()[:32]


class _Builder:
    """Cuts documents into pieces, packs them and writes one row table into a staging folder."""

    def __init__(
        self,
        cache: TokenCache,
        mask: npt.NDArray[np.bool_],
        max_seq_len: int,
        specials: bool,
        overlong: Overlong,
        pack: bool,
    ) -> None:
        self.cache = cache
        self.mask = mask
        self.max_seq_len = max_seq_len
        self.specials = 2 if specials else 0
        self.text_limit = max_seq_len - self.specials if overlong == "truncate" else None
        self.pack = pack
        if max_seq_len <= self.specials:
            raise ValueError(f"max_seq_len {max_seq_len} leaves no room for text")
        names = ("documents", "skipped_documents", "split_documents", "truncated_documents", "truncated_tokens")
        self.counts = dict.fromkeys((*names, "text_bytes", "target_tokens"), 0)

    def fill(self, work: Staging, progress: Progress, should_stop: ShouldStop | None) -> None:
        total = self.cache.document_count
        pieces = 0
        work.append("first_piece.bin", np.zeros(1, "<u8"))
        for documents_done, (document, start, length) in self._windows():
            raise_if_stopped(should_stop)
            if self.pack:
                row, rows = pack_best_fit(length, self.max_seq_len)
                order = np.argsort(row, kind="stable")
                document, start, length = document[order], start[order], length[order]
                pieces_per_row = np.bincount(row, minlength=rows)
            else:
                pieces_per_row = np.ones(len(length), dtype=np.int64)
            ends = np.cumsum(pieces_per_row)
            targets = np.add.reduceat(length, ends - pieces_per_row)
            work.append("first_piece.bin", (pieces + ends).astype("<u8"))
            work.append("row_targets.bin", targets.astype("<u4"))
            work.append("piece_document.bin", document.astype("<u4"))
            work.append("piece_start.bin", start.astype("<u4"))
            work.append("piece_length.bin", length.astype("<u4"))
            pieces += len(length)
            self.counts["target_tokens"] += int(length.sum())
            work.expected_bytes = work.written_bytes * total // max(1, documents_done)
            progress(BuildProgress("packing", documents_done, total, self.counts["documents"]))
        if not pieces:
            raise UserError(
                _("{path}: no document to train on has two tokens, so there is nothing to predict.").format(
                    path=self.cache.source
                )
            )
        work.seal({"format": FORMAT, "cache": self.cache.key, "max_seq_len": self.max_seq_len, **self.counts})

    def _windows(self) -> Iterator[tuple[int, tuple[Integers, Integers, Integers]]]:
        """(documents looked at so far, (document, start, length) of up to about a million pieces)."""
        for block in range(0, len(self.mask), _DOCUMENTS_PER_BLOCK):
            document = np.flatnonzero(self.mask[block : block + _DOCUMENTS_PER_BLOCK]) + block
            text = (self.cache.offsets[document + 1] - self.cache.offsets[document]).astype(np.int64)
            kept = text if self.text_limit is None else np.minimum(text, self.text_limit)
            positions = np.where(text > 0, kept + self.specials - 1, 0)
            usable = positions > 0
            self._count(document, text, kept, positions, usable)
            document, positions = document[usable], positions[usable]
            pieces = -(-positions // self.max_seq_len)
            ends = np.cumsum(pieces)
            begin = 0
            while begin < len(document):
                base = int(ends[begin - 1]) if begin else 0
                end = max(begin + 1, int(np.searchsorted(ends, base + _PIECES_PER_WINDOW, side="right")))
                cut = pieces[begin:end]
                start = _ramps(cut) * self.max_seq_len
                length = np.minimum(np.repeat(positions[begin:end], cut) - start, self.max_seq_len)
                yield int(document[end - 1]) + 1, (np.repeat(document[begin:end], cut), start, length)
                begin = end

    def _count(
        self, document: Integers, text: Integers, kept: Integers, positions: Integers, usable: npt.NDArray[np.bool_]
    ) -> None:
        counts = self.counts
        text_bytes = self.cache.text_bytes[document].astype(np.int64)
        shares = np.where(kept < text, text_bytes * kept // np.maximum(text, 1), text_bytes)
        counts["documents"] += int(usable.sum())
        counts["skipped_documents"] += int((~usable).sum())
        counts["split_documents"] += int((positions > self.max_seq_len).sum())
        counts["truncated_documents"] += int((kept < text).sum())
        counts["truncated_tokens"] += int((text - kept).sum())
        counts["text_bytes"] += int(shares[usable].sum())
