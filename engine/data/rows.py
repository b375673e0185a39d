"""Rows: the pieces of documents that share a fixed number of positions, and the batches made of them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from engine.data.cache_folder import (
    Progress,
    ShouldStop,
    build_lock,
    map_array,
    open_sealed,
    read_intact_meta,
    staging,
)
from engine.data.row_building import FORMAT, RowBuilder, ramps
from engine.data.seal import SealedFiles
from engine.data.token_cache import TokenCache
from engine.errors import UserError
from engine.language import _

IGNORE = -100
"""The label of positions that carry no loss (torch's default ignore_index)."""

SpecialTokens = Literal["both", "none"]
Overlong = Literal["split", "truncate"]
Integers = npt.NDArray[np.int64]


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
    files: SealedFiles | None
    """The table's files, proven by hash; None where they were only looked at (existing_rows)."""
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

    @property
    def mean_context(self) -> float:
        """How many positions a token's attention spans: the mean over tokens of the length of their own piece."""
        lengths = self.piece_length
        return float(np.square(lengths, dtype=np.float64).sum() / lengths.sum(dtype=np.float64))

    def check_untouched(self) -> None:
        """Return if what these rows are read from holds what was written. Costs a look at a dozen files.

        Raises engine.data.seal.DataChangedError.
        """
        for files in (self.files, self.cache.files):
            if files is not None:
                files.check_untouched()

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
        in_row = ramps(pieces_per_row)
        pieces = np.repeat(first, pieces_per_row) + in_row
        length = self.piece_length[pieces].astype(np.int64)
        start = self.piece_start[pieces].astype(np.int64)
        document = self.piece_document[pieces].astype(np.int64)
        text_start = self.cache.offsets[document].astype(np.int64)
        text_length = self.cache.offsets[document + 1].astype(np.int64) - text_start
        if self.text_limit is not None:
            text_length = np.minimum(text_length, self.text_limit)

        within = ramps(length)
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
    plan = _Plan.of(cache, documents, max_seq_len, bos_id, eos_id, pad_id, pack, special_tokens, overlong)
    found = open_sealed(plan.folder, FORMAT, progress, should_stop)
    built = False
    if found is None:
        with build_lock(cache.folder.with_suffix(".build"), progress, should_stop) as tell:
            found = open_sealed(plan.folder, FORMAT, progress, should_stop)
            if found is None:
                with staging(plan.folder) as work:
                    plan.builder.fill(work, tell, should_stop)
                found = open_sealed(plan.folder, FORMAT, progress, should_stop)
                built = True
    if found is None:
        raise UserError(
            _("The rows in {folder} were damaged while they were written: is the disk sound?").format(
                folder=plan.folder
            )
        )
    return plan.open(*found, built)


def existing_rows(
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
) -> RowTable | None:
    """The rows that build_rows would find built already; None when there are none yet. Builds nothing."""
    plan = _Plan.of(cache, documents, max_seq_len, bos_id, eos_id, pad_id, pack, special_tokens, overlong)
    meta = read_intact_meta(plan.folder, FORMAT)
    return None if meta is None else plan.open(meta, None, built=False)


@dataclass(frozen=True)
class _Plan:
    """Where one selection's rows lie, and what builds them."""

    cache: TokenCache
    fingerprint: str
    bos_id: int | None
    eos_id: int | None
    pad_id: int
    builder: RowBuilder

    @classmethod
    def of(
        cls,
        cache: TokenCache,
        documents: npt.NDArray[Any] | None,
        max_seq_len: int,
        bos_id: int | None,
        eos_id: int | None,
        pad_id: int,
        pack: bool,
        special_tokens: SpecialTokens,
        overlong: Overlong,
    ) -> "_Plan":
        mask = _as_mask(documents, cache.document_count)
        if special_tokens == "none":
            bos_id = eos_id = None
        elif bos_id is None or eos_id is None:
            raise ValueError('special_tokens "both" needs bos_id and eos_id')
        fingerprint = _fingerprint(cache, mask, max_seq_len, bos_id, eos_id, pack, overlong)
        builder = RowBuilder(cache, mask, max_seq_len, bos_id is not None, overlong == "truncate", pack)
        return cls(cache, fingerprint, bos_id, eos_id, pad_id, builder)

    @property
    def folder(self) -> Path:
        return self.cache.folder / "rows" / self.fingerprint

    def open(self, meta: dict[str, Any], files: SealedFiles | None, built: bool) -> RowTable:
        names = ("documents", "skipped_documents", "split_documents", "truncated_documents", "truncated_tokens")
        return RowTable(
            cache=self.cache,
            folder=self.folder,
            fingerprint=self.fingerprint,
            max_seq_len=self.builder.max_seq_len,
            bos_id=self.bos_id,
            eos_id=self.eos_id,
            pad_id=self.pad_id,
            text_limit=self.builder.text_limit,
            **{name: meta[name] for name in (*names, "target_tokens", "text_bytes")},
            row_targets=map_array(self.folder / "row_targets.bin", "<u4"),
            built=built,
            files=files,
            first_piece=map_array(self.folder / "first_piece.bin", "<u8"),
            piece_document=map_array(self.folder / "piece_document.bin", "<u4"),
            piece_start=map_array(self.folder / "piece_start.bin", "<u4"),
            piece_length=map_array(self.folder / "piece_length.bin", "<u4"),
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
