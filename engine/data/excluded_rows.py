"""Rows in which chosen documents carry no loss any more; the table, its order and every cursor into it stay.

A piece of such a document keeps its positions; its labels become IGNORE, and the target tokens count without it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.data.rows import IGNORE, Batch, RowTable


@dataclass(frozen=True)
class ExcludedRows(RowTable):
    """`table` without the loss of some documents. row_targets may be 0 here."""

    table: RowTable
    silent: npt.NDArray[np.int64]
    """Sorted: the pieces that carry no loss."""

    def batch(self, row_indices: npt.NDArray[np.integer[Any]] | Sequence[int], *, fill_to: int = 0) -> Batch:
        """The table's batch, with IGNORE as the labels of what is excluded."""
        batch = self.table.batch(row_indices, fill_to=fill_to)
        for place, row in enumerate(batch.rows.tolist()):
            if row < 0:
                continue
            first, end = int(self.first_piece[row]), int(self.first_piece[row + 1])
            low, high = np.searchsorted(self.silent, (first, end))
            for piece in self.silent[low:high].tolist():
                batch.labels[place, batch.document_ids[place] == piece - first + 1] = IGNORE
                batch.target_tokens -= int(self.piece_length[piece])
        return batch


def without_documents(table: RowTable, text_hashes: Collection[int]) -> tuple[RowTable, int]:
    """`table` without the loss of the documents whose text has one of these hashes, copies included, and how many
    documents that are. The table itself when there are none.
    """
    if not text_hashes:
        return table, 0
    documents = np.flatnonzero(np.isin(table.cache.text_hashes, np.array(sorted(text_hashes), dtype=np.uint64)))
    silent = np.flatnonzero(np.isin(table.piece_document, documents)).astype(np.int64)
    if not len(silent):
        return table, 0
    rows = np.searchsorted(table.first_piece, silent.astype(np.uint64), side="right") - 1
    lost = np.bincount(rows, weights=table.piece_length[silent], minlength=table.row_count).astype(np.uint32)
    values = {item.name: getattr(table, item.name) for item in fields(RowTable)}
    values["row_targets"] = table.row_targets - lost
    values["target_tokens"] = table.target_tokens - int(lost.sum(dtype=np.int64))
    found = len(np.unique(table.piece_document[silent]))
    return ExcludedRows(**values, table=table, silent=silent), found
