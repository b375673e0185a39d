"""Made-up rows of the right shape: what a measurement of speed computes on where no text is tokenised yet."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.data.rows import IGNORE, Batch, Integers


class SyntheticRows:
    """`row_count` rows of random tokens, in pieces of about `piece_length` positions that do not see each other.

    Packed, the pieces fill each row but for what is too short for another; otherwise a row holds one piece.
    """

    def __init__(
        self, vocab_size: int, max_seq_len: int, *, piece_length: float, pack: bool = True, row_count: int = 65536
    ) -> None:
        piece = min(max_seq_len, max(1, round(piece_length)))
        pieces = max_seq_len // piece if pack else 1
        used = np.arange(max_seq_len) < pieces * piece
        self._vocab_size = vocab_size
        self._positions = np.where(used, np.arange(max_seq_len) % piece, 0)
        self._documents = np.where(used, np.arange(max_seq_len) // piece + 1, 0)
        self._row_count = row_count
        self.row_targets: npt.NDArray[np.uint32] = np.full(row_count, used.sum(), dtype=np.uint32)
        """(rows,): target tokens of each row."""

    @property
    def row_count(self) -> int:
        """Rows there are."""
        return self._row_count

    def batch(self, row_indices: npt.NDArray[np.integer[Any]] | Sequence[int], *, fill_to: int = 0) -> Batch:
        """These rows, the same each time, with empty ones up to `fill_to`."""
        rows: Integers = np.asarray(row_indices, dtype=np.int64)
        count, width = max(len(rows), fill_to), len(self._positions)
        real = np.arange(count)[:, None] < len(rows)
        seed = int(rows.sum()) if len(rows) else 0
        tokens = np.random.default_rng(seed).integers(0, self._vocab_size, (count, width + 1), dtype=np.int64)
        used = real & (self._documents > 0)
        return Batch(
            ids=np.where(used, tokens[:, :-1], 0),
            labels=np.where(used, tokens[:, 1:], IGNORE),
            positions=np.where(used, self._positions, 0),
            document_ids=np.where(used, self._documents, 0),
            target_tokens=int(self.row_targets[rows].sum(dtype=np.int64)),
            rows=np.concatenate([rows, np.full(count - len(rows), -1, dtype=np.int64)]),
        )
