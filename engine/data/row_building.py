"""Building rows: documents are cut into pieces, and pieces packed into rows of a fixed number of positions."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from engine.data.cache_folder import BuildProgress, Progress, ShouldStop, Staging, raise_if_stopped
from engine.data.packing import pack_best_fit
from engine.data.token_cache import TokenCache
from engine.errors import UserError
from engine.language import _

FORMAT = 1
Integers = npt.NDArray[np.int64]
_PIECES_PER_WINDOW = 2**20
_DOCUMENTS_PER_BLOCK = 2**20


def ramps(lengths: Integers) -> Integers:
    """0..n-1 for each n of `lengths`, one after another."""
    ends = np.cumsum(lengths)
    ramp: Integers = np.arange(int(ends[-1]) if len(ends) else 0) - np.repeat(ends - lengths, lengths)
    return ramp


class RowBuilder:
    """Cuts documents into pieces, packs them and writes one row table into a staging folder.

    `mask` says which documents, `specials` whether each is surrounded by bos and eos, `truncate` whether what is longer
    than a row is cut off instead of split, `pack` whether pieces share rows.
    """

    def __init__(
        self,
        cache: TokenCache,
        mask: npt.NDArray[np.bool_],
        max_seq_len: int,
        specials: bool,
        truncate: bool,
        pack: bool,
    ) -> None:
        self.cache = cache
        self.mask = mask
        self.max_seq_len = max_seq_len
        self.specials = 2 if specials else 0
        self.text_limit = max_seq_len - self.specials if truncate else None
        self.pack = pack
        if max_seq_len <= self.specials:
            raise ValueError(f"max_seq_len {max_seq_len} leaves no room for text")
        names = ("documents", "skipped_documents", "split_documents", "truncated_documents", "truncated_tokens")
        self.counts = dict.fromkeys((*names, "text_bytes", "target_tokens"), 0)

    def fill(self, work: Staging, progress: Progress, should_stop: ShouldStop | None) -> None:
        """Write the table. Raises UserError when there is nothing to train on, BuildStopped."""
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
                start = ramps(cut) * self.max_seq_len
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
