"""Listing and cleaning the cache: sizes are true, and nothing in use goes."""

import gc
import os
import time
from pathlib import Path

import pytest
from data_material import make_texts, write_jsonl

from engine.data.cache_folder import FileLock, folder_bytes
from engine.data.cache_upkeep import cache_size, clean_cache
from engine.data.rows import build_rows
from engine.data.token_cache import open_token_cache
from engine.data.tokenizer import Tokenizer


@pytest.fixture
def cache_dir(tmp_path: Path, tokenizer: Tokenizer) -> Path:
    """Two caches, the first with rows; nobody uses them."""
    for name, count in (("a", 50), ("b", 80)):
        cache = open_token_cache(
            write_jsonl(tmp_path / f"{name}.jsonl", make_texts(count)), tokenizer, cache_dir=tmp_path / "cache"
        )
        if name == "a":
            build_rows(cache, max_seq_len=32, bos_id=1, eos_id=2)
    del cache
    gc.collect()
    return tmp_path / "cache"


def test_entries_tell_size_source_and_use(cache_dir: Path, tmp_path: Path) -> None:
    entries = {Path(entry.source).name: entry for entry in cache_size(cache_dir)}
    assert set(entries) == {"a.jsonl", "b.jsonl"}
    assert [entries[name].documents for name in sorted(entries)] == [50, 80]
    assert all(entry.complete and not entry.in_use and entry.tokens for entry in entries.values())
    assert all(entry.bytes == folder_bytes(entry.folder) > 0 for entry in entries.values())
    assert abs(entries["a.jsonl"].last_used - time.time()) < 60
    assert cache_size(tmp_path / "nowhere") == []


def test_what_is_in_use_stays(cache_dir: Path, tmp_path: Path, tokenizer: Tokenizer) -> None:
    used = open_token_cache(tmp_path / "a.jsonl", tokenizer, cache_dir=cache_dir)
    cleaning = clean_cache(cache_dir)
    assert [entry.key for entry in cleaning.in_use] == [used.key]
    assert [Path(entry.source).name for entry in cleaning.removed] == ["b.jsonl"]
    assert cleaning.freed_bytes == cleaning.removed[0].bytes
    assert [entry.key for entry in cache_size(cache_dir)] == [used.key]
    assert used.document(0).tolist() == tokenizer.encode(make_texts(50)[0])
    del used
    gc.collect()
    assert len(clean_cache(cache_dir).removed) == 1
    assert cache_size(cache_dir) == []
    assert folder_bytes(cache_dir) == 0


def test_by_age_and_by_key(cache_dir: Path) -> None:
    old, young = cache_size(cache_dir)
    os.utime(cache_dir / "tokens" / f"{old.key}.use", (time.time() - 1000,) * 2)
    assert [entry.key for entry in clean_cache(cache_dir, older_than=500).removed] == [old.key]
    assert clean_cache(cache_dir, key="0" * 32).removed == ()
    assert [entry.key for entry in clean_cache(cache_dir, key=young.key).removed] == [young.key]


def test_an_interrupted_build_is_listed_and_removed(cache_dir: Path) -> None:
    key = "f" * 32
    left = cache_dir / "tokens" / f".building-{key}"
    left.mkdir()
    (left / "tokens.bin").write_bytes(bytes(1000))
    entry = next(entry for entry in cache_size(cache_dir) if entry.key == key)
    assert (entry.bytes, entry.complete) == (1000, False)
    lock = FileLock(cache_dir / "tokens" / f"{key}.build")
    assert lock.acquire(exclusive=True, wait=False)
    assert key in [entry.key for entry in clean_cache(cache_dir, older_than=500).in_use]
    assert left.exists()
    lock.release()
    assert key in [entry.key for entry in clean_cache(cache_dir, older_than=500).removed]
    assert not left.exists()
