"""The largest micro-batch that fits: searched for over divisors, remembered by device and shape, expected."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import UserError
from engine.estimate.micro_batch import (
    SPARED,
    bytes_needed,
    divisors,
    expected_rows,
    largest_fitting,
    load_rows,
    memory_key,
    save_rows,
)
from engine.settings.network import shape_from_settings
from engine.settings.on_resume import check_resume
from engine.settings.resolve import build_settings
from engine.settings.settings import Settings

GB = 2**30
ON: dict[str, Any] = {
    "device_name": "NVIDIA GeForce RTX 3090",
    "memory": 24 * GB,
    "torch_version": "2.13.0",
    "dtype": "bf16",
    "compiled": False,
}


def auto(**values: Any) -> Settings:
    return build_settings({"batch_size": "auto", **values})


@given(st.integers(1, 5000))
def test_divisors_are_all_that_divide(number: int) -> None:
    assert divisors(number) == [one for one in range(1, number + 1) if number % one == 0]


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 4096), st.integers(0, 5000))
def test_the_search_finds_the_largest_that_fits_in_few_tries(rows: int, room: int) -> None:
    tried: list[int] = []

    def fits(size: int) -> bool:
        tried.append(size)
        return size <= room

    sizes = divisors(rows)
    found = largest_fitting(sizes, fits)
    assert found == max((size for size in sizes if size <= room), default=None)
    assert len(tried) == len(set(tried)) <= 2 * len(sizes).bit_length() + rows.bit_length()
    assert tried[0] == 1, "the smallest first: what cannot fit at all is known at once"
    for size, before in zip(tried[1:], tried, strict=False):
        assert size < before or size < 2 * before or size == min(one for one in sizes if one >= 2 * before)


def test_auto_keeps_the_rows_of_an_update_whatever_fits() -> None:
    plain = build_settings({})
    asked = auto()
    assert asked.rows_per_update == plain.rows_per_update == 256
    assert auto(accumulation_steps=3).rows_per_update == 96
    settled = asked.in_micro_batches(64)
    assert (settled.batch_size, settled.accumulation_steps, settled.rows_per_update) == (64, 4, 256)
    with pytest.raises(ValueError, match="do not divide"):
        asked.in_micro_batches(48)
    assert check_resume(plain, asked).why_inexact  # the same update: it may change on resume, inexactly
    with pytest.raises(UserError, match="batch_size"):
        check_resume(plain, auto(accumulation_steps=4))


@pytest.mark.parametrize("value", ["Auto", "0", "-1", "65537", "many", 0])
def test_only_auto_and_whole_numbers_are_batch_sizes(value: object) -> None:
    with pytest.raises(UserError, match="batch_size"):
        build_settings({"batch_size": value})


def test_what_was_found_is_found_again_for_the_same_alone(tmp_path: Path) -> None:
    asked = auto()
    key = memory_key(asked, 6400, **ON)
    assert load_rows(tmp_path, key) is None
    save_rows(tmp_path, key, 64)
    assert load_rows(tmp_path, memory_key(asked, 6400, **ON)) == 64
    others = [
        memory_key(asked, 6400, **{**ON, **changed})
        for changed in (
            {"device_name": "NVIDIA A100"},
            {"memory": 12 * GB},
            {"torch_version": "2.14.0"},
            {"dtype": "fp32"},
            {"compiled": True},
        )
    ]
    others += [
        memory_key(auto(**changed), 6400, **ON)
        for changed in (
            {"hidden_size": 256},
            {"max_seq_len": 256},
            {"recompute": True},
            {"optimizer": "muon"},
            {"accumulation_steps": 4},
        )
    ]
    others += [memory_key(build_settings({}), 6400, **ON), memory_key(asked, 300, **ON)]
    assert len({other.digest for other in others} | {key.digest}) == len(others) + 1
    assert all(load_rows(tmp_path, other) is None for other in others)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\x00", b'{"format": 1, "key": {}, "rows": 8}'])
def test_a_damaged_file_counts_as_nothing_found(tmp_path: Path, content: bytes) -> None:
    key = memory_key(auto(), 6400, **ON)
    save_rows(tmp_path, key, 64)
    key.path(tmp_path).write_bytes(content)
    assert load_rows(tmp_path, key) is None


@pytest.mark.parametrize("rows", [0, 48, 512])
def test_a_number_that_divides_no_update_counts_as_nothing_found(tmp_path: Path, rows: int) -> None:
    key = memory_key(auto(), 6400, **ON)
    save_rows(tmp_path, key, rows)
    assert load_rows(tmp_path, key) is None


def test_more_memory_is_expected_to_hold_more_rows_with_room_to_spare() -> None:
    asked = auto()
    shape = shape_from_settings(asked, 6400)
    options: dict[str, Any] = {"dtype": "bf16", "device": "accelerator"}
    found = [expected_rows(asked, shape, gigabytes * GB, **options) for gigabytes in (1, 2, 4, 8, 24, 80)]
    assert found == sorted(found) and found[0] < found[3] <= found[-1] == 256
    for gigabytes, rows in zip((1, 2, 4, 8, 24, 80), found, strict=True):
        if rows > 1:
            assert bytes_needed(asked, shape, rows, **options) <= (1 - SPARED) * gigabytes * GB
        larger = [size for size in divisors(256) if size > rows]
        if larger:
            assert bytes_needed(asked, shape, larger[0], **options) > (1 - SPARED) * gigabytes * GB


def test_a_cpu_takes_no_more_than_the_guide_s_rows_and_less_where_memory_is_short() -> None:
    asked = auto()
    shape = shape_from_settings(asked, 6400)
    of = {gb: expected_rows(asked, shape, int(gb * GB), dtype="fp32", device="cpu") for gb in (1.2, 2, 64, 512)}
    assert of[64] == of[512] == 32 and of[1.2] < of[2] <= 32
    assert expected_rows(asked, shape, None, dtype="fp32", device="cpu") == 32
    assert expected_rows(asked, shape, 1, dtype="fp32", device="cpu") == 1  # told as a problem elsewhere
    odd = auto(accumulation_steps=3)
    assert expected_rows(odd, shape, 64 * GB, dtype="fp32", device="cpu") == 32


def test_a_key_names_what_was_asked() -> None:
    key = memory_key(build_settings({"batch_size": 16, "accumulation_steps": 16}), 6400, **ON)
    assert (key.asked, key.rows) == (16, 256) and replace(key, asked="auto").digest != key.digest
