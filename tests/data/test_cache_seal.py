"""A cache that is not what was written is never trained on: proven when it is opened, looked at while it is used."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from data_material import make_texts, write_jsonl

from engine.data.cache_folder import spot_check
from engine.data.rows import RowTable, build_rows
from engine.data.seal import DataChangedError
from engine.data.token_cache import TokenCache, open_token_cache
from engine.data.tokenizer import Tokenizer

BETWEEN_SPOTS = 4096 + 100
"""A byte that none of the evenly spaced blocks of a file of this size holds."""


@pytest.fixture
def opened(tmp_path: Path, tokenizer: Tokenizer) -> Callable[[], TokenCache]:
    path = write_jsonl(tmp_path / "data.jsonl", make_texts(3000))
    return lambda: open_token_cache(path, tokenizer, cache_dir=tmp_path / "cache", threads=1)


def rows_of(cache: TokenCache) -> RowTable:
    return build_rows(cache, max_seq_len=64, bos_id=1, eos_id=2)


def flip(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1]))


def test_one_flipped_bit_anywhere_in_the_tokens_is_found(opened: Callable[[], TokenCache]) -> None:
    first = opened()
    wanted = first.tokens.tolist()
    path = first.folder / "tokens.bin"
    before = spot_check(path)
    flip(path, BETWEEN_SPOTS)
    assert spot_check(path) == before, "the test needs a byte that a look at a few blocks does not see"
    again = opened()
    assert again.built and again.tokens.tolist() == wanted
    assert not opened().built


@pytest.mark.parametrize("name", ["offsets.bin", "hashes.bin", "bytes.bin", "lines.bin"])
def test_every_file_of_the_cache_is_proven(opened: Callable[[], TokenCache], name: str) -> None:
    flip(opened().folder / name, 5)
    assert opened().built


def test_numbers_of_the_record_are_proven_as_well(opened: Callable[[], TokenCache]) -> None:
    path = opened().folder / "meta.json"
    meta = json.loads(path.read_bytes())
    path.write_text(json.dumps({**meta, "vocab_size": meta["vocab_size"] - 1}), encoding="utf-8")
    assert opened().built


def test_a_cache_of_before_there_were_seals_is_built_once_more(opened: Callable[[], TokenCache]) -> None:
    path = opened().folder / "meta.json"
    meta = json.loads(path.read_bytes())
    del meta["seal"]
    path.write_text(json.dumps(meta), encoding="utf-8")
    assert opened().built and not opened().built


def test_a_flipped_bit_in_the_rows_is_found(opened: Callable[[], TokenCache]) -> None:
    cache = opened()
    first = rows_of(cache)
    wanted = first.batch(np.arange(first.row_count)).ids
    flip(first.folder / "piece_start.bin", (first.folder / "piece_start.bin").stat().st_size // 2)
    again = rows_of(cache)
    assert again.built and np.array_equal(again.batch(np.arange(again.row_count)).ids, wanted)


def test_a_folder_in_the_place_of_a_file_is_built_again(opened: Callable[[], TokenCache]) -> None:
    path = opened().folder / "tokens.bin"
    path.unlink()
    path.mkdir()
    assert opened().built


def test_a_disk_that_cannot_read_it_makes_it_anew(
    opened: Callable[[], TokenCache], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened()
    real, refusals = os.pread, iter([True, True])  # at the first look, and at the second under the lock

    def pread(fd: int, count: int, offset: int) -> bytes:
        if next(refusals, False):
            raise OSError(errno.EIO, "Input/output error")
        return real(fd, count, offset)

    monkeypatch.setattr(os, "pread", pread)
    assert opened().built


class TestWhileItIsUsed:
    def test_untouched_or_only_touched_is_fine(self, opened: Callable[[], TokenCache]) -> None:
        rows = rows_of(opened())
        rows.check_untouched()
        os.utime(rows.cache.folder / "tokens.bin")
        rows.check_untouched()

    @pytest.mark.parametrize("place", ["tokens.bin", "rows"])
    def test_a_byte_written_into_it_is_told(self, opened: Callable[[], TokenCache], place: str) -> None:
        rows = rows_of(opened())
        path = rows.folder / "piece_length.bin" if place == "rows" else rows.cache.folder / place
        flip(path, 10)
        with pytest.raises(DataChangedError, match=path.name):
            rows.check_untouched()
        with pytest.raises(DataChangedError):  # and it stays told
            rows.check_untouched()

    def test_a_truncated_file_is_told_without_being_mapped(self, opened: Callable[[], TokenCache]) -> None:
        rows = rows_of(opened())
        with (rows.cache.folder / "tokens.bin").open("r+b") as file:
            file.truncate(100)
        with pytest.raises(DataChangedError, match=r"tokens\.bin"):
            rows.check_untouched()

    def test_another_process_that_builds_it_anew_disturbs_nobody(self, opened: Callable[[], TokenCache]) -> None:
        rows = rows_of(opened())
        wanted = rows.batch(np.arange(3)).ids
        (rows.cache.folder / "meta.json").unlink()
        assert opened().built
        rows.check_untouched()
        assert np.array_equal(rows.batch(np.arange(3)).ids, wanted)
