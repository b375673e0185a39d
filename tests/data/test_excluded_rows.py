"""Documents without loss: labels and counts change; rows, order and fingerprints do not."""

import numpy as np
import pytest
from data_material import make_texts

from engine.data.excluded_rows import without_documents
from engine.data.rows import IGNORE, build_rows

BOS, EOS = 1, 2


@pytest.fixture
def table(make_cache):
    texts = make_texts(60)
    texts[7] = texts[3]  # a copy
    return build_rows(make_cache(texts), max_seq_len=32, bos_id=BOS, eos_id=EOS)


def hashes(table, *documents):
    return {int(table.cache.text_hashes[document]) for document in documents}


def test_only_the_labels_of_the_excluded_documents_change(table):
    excluded, count = without_documents(table, hashes(table, 3, 20))
    assert count == 3  # the copy as well
    before, after = table.batch(np.arange(table.row_count)), excluded.batch(np.arange(table.row_count))
    for name in ("ids", "positions", "document_ids", "rows"):
        assert np.array_equal(getattr(before, name), getattr(after, name))
    silent = np.zeros_like(before.labels, dtype=bool)
    for row in range(table.row_count):
        for number, (document, _line) in enumerate(table.documents_of(row), start=1):
            silent[row, (before.document_ids[row] == number) & (document in (3, 7, 20))] = True
    assert silent.any() and (after.labels[silent] == IGNORE).all()
    assert np.array_equal(after.labels[~silent], before.labels[~silent])


def test_every_count_agrees_with_the_labels(table):
    excluded, _count = without_documents(table, hashes(table, *range(40)))
    labelled = (excluded.batch(np.arange(table.row_count)).labels != IGNORE).sum(axis=1)
    assert np.array_equal(labelled, excluded.row_targets) and excluded.target_tokens == labelled.sum()
    assert (labelled == 0).any()  # rows that hold nothing else stay in the order
    for rows in ([0], [5, 1, 3], range(table.row_count)):
        batch = excluded.batch(list(rows), fill_to=8)
        assert batch.target_tokens == (batch.labels != IGNORE).sum()
    assert (excluded.row_count, excluded.fingerprint) == (table.row_count, table.fingerprint)


def test_nothing_excluded_and_nothing_found_is_the_table_itself(table):
    assert without_documents(table, set()) == (table, 0)
    assert without_documents(table, {12345}) == (table, 0)
