"""Rows: every transition of every document once, nothing across documents, nothing lost in silence (traps 19 to 22)."""

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from data_material import make_texts
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.data import cache_folder, row_building, rows
from engine.data.rows import IGNORE, Batch, RowTable, build_rows
from engine.data.token_cache import TokenCache
from engine.errors import UserError

MakeCache = Callable[[Sequence[str]], TokenCache]
BOS, EOS, PAD = 1, 2, 0


def fake_cache(folder: Path, documents: Sequence[Sequence[int]], name: str = "key") -> Any:
    """A token cache made of given ids (each at least 3, so that they differ from the specials)."""
    lengths = [len(document) for document in documents]
    (folder / name).mkdir(parents=True, exist_ok=True)
    return SimpleNamespace(
        folder=folder / name,
        key=f"{name}-{hash(tuple(map(tuple, documents)))}",
        source=Path("data.jsonl"),
        tokens=np.array([token for document in documents for token in document] or [0], dtype=np.uint16),
        offsets=np.cumsum([0, *lengths]).astype(np.uint64),
        text_bytes=np.array(lengths, dtype=np.uint32) * 2,
        lines=np.arange(1, len(documents) + 1, dtype=np.uint64) * 10,
        document_count=len(documents),
    )


def whole_table(table: RowTable) -> Batch:
    return table.batch(np.arange(table.row_count))


def pieces_of(batch: Batch) -> list[list[int]]:
    """The tokens of every piece, one more than its positions."""
    found = []
    for ids, labels, document_ids, positions in zip(
        batch.ids, batch.labels, batch.document_ids, batch.positions, strict=True
    ):
        for number in range(1, document_ids.max(initial=0) + 1):
            where = np.flatnonzero(document_ids == number)
            assert np.array_equal(where, np.arange(where[0], where[-1] + 1)), "a piece lies in one run"
            assert positions[where].tolist() == list(range(len(where)))
            assert ids[where][1:].tolist() == labels[where][:-1].tolist(), "labels are the ids moved by one"
            found.append([*ids[where].tolist(), int(labels[where][-1])])
        padding = document_ids == 0
        assert (labels[padding] == IGNORE).all() and (ids[padding] == PAD).all() and (positions[padding] == 0).all()
        assert (labels[~padding] != IGNORE).all()
        assert (np.diff(padding.astype(int)) >= 0).all(), "padding is at the end only"
    return found


# Every token of a fake document is unique within the whole cache, so a transition names its place.
@st.composite
def documents_of_unique_tokens(draw: st.DrawFn) -> list[list[int]]:
    lengths = draw(st.lists(st.integers(0, 45), min_size=1, max_size=25))
    starts = np.cumsum([3, *lengths])
    return [list(range(start, start + length)) for start, length in zip(starts.tolist(), lengths, strict=False)]


@settings(max_examples=80, deadline=None)
@given(
    documents_of_unique_tokens(),
    st.integers(3, 20),
    st.booleans(),
    st.sampled_from(["both", "none"]),
    st.sampled_from(["split", "truncate"]),
    st.data(),
)
def test_every_transition_exactly_once(
    tmp_path_factory: pytest.TempPathFactory,
    documents: list[list[int]],
    max_seq_len: int,
    pack: bool,
    special_tokens: Any,
    overlong: Any,
    data: st.DataObject,
) -> None:
    cache = fake_cache(tmp_path_factory.mktemp("rows"), documents)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(documents), max_size=len(documents))))
    wanted: Counter[tuple[int, int]] = Counter()
    lost = 0
    for document, chosen in zip(documents, mask, strict=True):
        if not chosen or not document:
            continue
        specials = 2 if special_tokens == "both" else 0
        kept = document if overlong == "split" else document[: max_seq_len - specials]
        lost += len(document) - len(kept)
        full = [BOS, *kept, EOS] if specials else kept
        wanted.update(itertools.pairwise(full))
    options: Any = {"max_seq_len": max_seq_len, "bos_id": BOS, "eos_id": EOS, "pack": pack}
    options |= {"special_tokens": special_tokens, "overlong": overlong}
    if not wanted:
        with pytest.raises(UserError, match="nothing to predict"):
            build_rows(cache, mask, **options)
        return
    table = build_rows(cache, mask, **options)
    batch = whole_table(table)
    pieces = pieces_of(batch)
    assert Counter(pair for piece in pieces for pair in itertools.pairwise(piece)) == wanted
    assert table.target_tokens == batch.target_tokens == sum(wanted.values()) == (batch.labels != IGNORE).sum()
    assert table.truncated_tokens == lost
    assert (table.row_targets >= 1).all()
    assert table.row_targets.tolist() == (batch.labels != IGNORE).sum(axis=1).tolist()
    if not pack:
        assert table.row_count == len(pieces)
    for row in range(table.row_count):
        listed = table.documents_of(row)
        assert len(listed) == batch.document_ids[row].max()
        assert all(mask[document] and line == (document + 1) * 10 for document, line in listed)
        firsts = [int(batch.labels[row][batch.document_ids[row] == n][0]) for n in range(1, len(listed) + 1)]
        for (document, _line), label in zip(listed, firsts, strict=True):
            assert label in documents[document] or label == EOS


def test_a_long_document_is_split_with_one_token_in_common(tmp_path: Path) -> None:
    cache = fake_cache(tmp_path, [list(range(10, 32))])
    table = build_rows(cache, max_seq_len=8, bos_id=BOS, eos_id=EOS, pack=False)
    assert pieces_of(whole_table(table)) == [
        [BOS, 10, 11, 12, 13, 14, 15, 16, 17],
        [17, 18, 19, 20, 21, 22, 23, 24, 25],
        [25, 26, 27, 28, 29, 30, 31, EOS],
    ]
    assert (table.split_documents, table.truncated_tokens, table.text_bytes) == (1, 0, 44)


def test_truncation_keeps_minimind_s_length_and_is_counted(tmp_path: Path) -> None:
    cache = fake_cache(tmp_path, [list(range(10, 32)), [40, 41]])
    none = build_rows(
        cache, max_seq_len=8, bos_id=None, eos_id=None, pack=False, special_tokens="none", overlong="truncate"
    )
    assert pieces_of(whole_table(none)) == [list(range(10, 18)), [40, 41]]
    both = build_rows(cache, max_seq_len=8, bos_id=BOS, eos_id=EOS, pack=False, overlong="truncate")
    assert pieces_of(whole_table(both)) == [[BOS, *range(10, 16), EOS], [BOS, 40, 41, EOS]]
    assert (both.truncated_documents, both.truncated_tokens) == (1, 16)
    assert both.text_bytes == 44 * 6 // 22 + 4


def test_documents_without_a_target_are_counted(tmp_path: Path) -> None:
    cache = fake_cache(tmp_path, [[5], [], [6, 7], [8]])
    table = build_rows(cache, max_seq_len=8, bos_id=None, eos_id=None, special_tokens="none")
    assert (table.documents, table.skipped_documents, table.text_bytes) == (1, 3, 4)
    with_specials = build_rows(cache, max_seq_len=8, bos_id=BOS, eos_id=EOS)
    assert (with_specials.documents, with_specials.skipped_documents) == (3, 1)


def test_real_texts_come_back_and_packing_fills_the_rows(make_cache: MakeCache, tokenizer: Any) -> None:
    texts = make_texts(1500)
    cache = make_cache(texts)
    packed = build_rows(cache, max_seq_len=128, bos_id=BOS, eos_id=EOS)
    padded = build_rows(cache, max_seq_len=128, bos_id=BOS, eos_id=EOS, pack=False)
    assert packed.target_tokens == padded.target_tokens == cache.token_count + cache.document_count
    assert packed.fill > 0.97 > 0.8 > padded.fill
    assert packed.text_bytes == sum(len(text.encode()) for text in texts)
    pieces = pieces_of(whole_table(padded))
    whole = [tokenizer.decode(piece, skip_special=True) for piece in pieces if piece[0] == BOS and piece[-1] == EOS]
    assert len(whole) > 1000 and set(whole) <= set(texts)


def test_batches_are_int64_contiguous_and_independent_of_their_company(make_cache: MakeCache) -> None:
    table = build_rows(make_cache(make_texts(300)), max_seq_len=64, bos_id=BOS, eos_id=EOS)
    everything = whole_table(table)
    some = table.batch(np.array([5, 0, 5, table.row_count - 1]))
    for name in ("ids", "labels", "positions", "document_ids"):
        array = getattr(some, name)
        assert (array.dtype, array.shape, array.flags.c_contiguous) == (np.int64, (4, 64), True)
        assert np.array_equal(array, getattr(everything, name)[[5, 0, 5, -1]])
    assert some.rows.tolist() == [5, 0, 5, table.row_count - 1]


def test_filling_up_adds_rows_without_weight(make_cache: MakeCache) -> None:
    table = build_rows(make_cache(make_texts(300)), max_seq_len=64, bos_id=BOS, eos_id=EOS)
    filled = table.batch([3], fill_to=4)
    alone = table.batch([3])
    assert filled.ids.shape == (4, 64)
    assert filled.target_tokens == alone.target_tokens
    assert np.array_equal(filled.labels[:1], alone.labels) and (filled.labels[1:] == IGNORE).all()
    assert filled.rows.tolist() == [3, -1, -1, -1]
    nothing = table.batch(np.array([], dtype=np.int64), fill_to=1)
    assert nothing.target_tokens == 0 and (nothing.labels == IGNORE).all() and nothing.ids.shape == (1, 64)


def test_rows_are_built_once_and_the_fingerprint_names_what_they_are(make_cache: MakeCache) -> None:
    texts = make_texts(200)
    cache = make_cache(texts)
    base: dict[str, Any] = {"max_seq_len": 64, "bos_id": BOS, "eos_id": EOS}
    first = build_rows(cache, **base)
    again = build_rows(cache, **base)
    assert (first.built, again.built, again.fingerprint) == (True, False, first.fingerprint)
    assert np.array_equal(whole_table(first).ids, whole_table(again).ids)
    mask = np.ones(200, dtype=bool)
    assert build_rows(cache, mask, **base).fingerprint == first.fingerprint
    assert build_rows(cache, np.arange(200), **base).fingerprint == first.fingerprint
    mask[7] = False
    others = [
        build_rows(cache, mask, **base),
        build_rows(cache, **{**base, "max_seq_len": 65}),
        build_rows(cache, **base, pack=False),
        build_rows(cache, **base, special_tokens="none"),
        build_rows(cache, **base, overlong="truncate"),
        build_rows(cache, **{**base, "eos_id": 0}),
        build_rows(make_cache([*texts[1:], texts[0]]), **base),
    ]
    assert len({first.fingerprint, *(other.fingerprint for other in others)}) == 8


def test_damaged_rows_are_built_again(make_cache: MakeCache) -> None:
    cache = make_cache(make_texts(200))
    first = build_rows(cache, max_seq_len=64, bos_id=BOS, eos_id=EOS)
    wanted = whole_table(first).ids
    with (first.folder / "piece_start.bin").open("r+b") as file:
        file.truncate(8)
    again = build_rows(cache, max_seq_len=64, bos_id=BOS, eos_id=EOS)
    assert again.built and np.array_equal(whole_table(again).ids, wanted)
    assert [path.name for path in first.folder.parent.iterdir()] == [again.fingerprint]


def test_small_windows_lose_nothing(make_cache: MakeCache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = make_cache(make_texts(500))
    whole = build_rows(cache, max_seq_len=32, bos_id=BOS, eos_id=EOS)
    monkeypatch.setattr(row_building, "_PIECES_PER_WINDOW", 50)
    monkeypatch.setattr(row_building, "_DOCUMENTS_PER_BLOCK", 70)
    for module in (rows, row_building):
        monkeypatch.setattr(module, "FORMAT", 999)
    windowed = build_rows(cache, max_seq_len=32, bos_id=BOS, eos_id=EOS)
    assert windowed.row_count > whole.row_count
    assert sorted(pieces_of(whole_table(windowed))) == sorted(pieces_of(whole_table(whole)))
    names = ("target_tokens", "documents", "split_documents", "text_bytes")
    assert [getattr(windowed, name) for name in names] == [getattr(whole, name) for name in names]


def test_progress_and_stop(make_cache: MakeCache) -> None:
    cache = make_cache(make_texts(200))
    seen: list[cache_folder.BuildProgress] = []
    with pytest.raises(cache_folder.BuildStopped):
        build_rows(cache, max_seq_len=64, bos_id=BOS, eos_id=EOS, should_stop=lambda: True)
    assert list((cache.folder / "rows").iterdir()) == []
    build_rows(cache, max_seq_len=64, bos_id=BOS, eos_id=EOS, progress=seen.append)
    packing = [state for state in seen if state.phase == "packing"]
    assert (packing[-1].done, packing[-1].total) == (200, 200)
    assert seen[-1].phase == "verifying" and seen[-1].done == seen[-1].total > 0


def test_both_needs_its_ids(make_cache: MakeCache) -> None:
    with pytest.raises(ValueError, match="bos_id"):
        build_rows(make_cache(make_texts(20)), max_seq_len=64, bos_id=None, eos_id=None)
