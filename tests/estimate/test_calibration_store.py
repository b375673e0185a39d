"""Calibrations are found under what decides the speed, and under nothing else; garbage counts as none."""

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from estimate_material import NOON, VOCAB, calibration_of, cpu_facts, gpu_facts, settings_of
from pydantic import ValidationError

from engine.estimate.calibration import Calibration, SpeedKey, load_calibration, save_calibration, speed_key
from engine.settings.settings import Settings


def key_of(settings: Settings, **changes: Any) -> SpeedKey:
    """The key as a run on the machine of `cpu_facts` would make it."""
    values: dict[str, Any] = {
        "device_kind": "cpu", "device_name": "Test CPU", "dtype": "fp32", "threads": 2, "torch_version": "2.13.0",
    }  # fmt: skip
    return speed_key(settings, VOCAB, **(values | changes))


def test_what_a_run_measured_is_found_for_the_next(tmp_path: Path) -> None:
    settings = settings_of()
    assert load_calibration(tmp_path, settings, cpu_facts(), VOCAB) is None
    kept = calibration_of(1.5, seconds_low=1.2, seconds_high=2.0)
    save_calibration(tmp_path, key_of(settings), kept)
    assert load_calibration(tmp_path, settings, cpu_facts(), VOCAB) == kept


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_size": 128}, {"num_hidden_layers": 3}, {"architecture": "minimind3"}, {"intermediate_size": 64},
        {"batch_size": 16}, {"max_seq_len": 64}, {"optimizer": "muon"}, {"compile": True}, {"recompute": True},
        {"deterministic": False}, {"pack": False}, {"num_threads": 1}, {"dtype": "bf16"},
    ],
)  # fmt: skip
def test_what_changes_the_speed_is_another_key(tmp_path: Path, change: dict[str, Any]) -> None:
    save_calibration(tmp_path, key_of(settings_of()), calibration_of())
    assert load_calibration(tmp_path, settings_of(**change), cpu_facts(), VOCAB) is None


@pytest.mark.parametrize("facts", [{"torch_version": "2.12.0"}, {"name": "Other CPU"}, {"threads": 1}])
def test_another_machine_or_torch_is_another_key(tmp_path: Path, facts: dict[str, Any]) -> None:
    save_calibration(tmp_path, key_of(settings_of()), calibration_of())
    assert load_calibration(tmp_path, settings_of(), cpu_facts(**facts), VOCAB) is None
    assert load_calibration(tmp_path, settings_of(), cpu_facts(), VOCAB + 1) is None


@pytest.mark.parametrize(
    "change", [{"learning_rate": 1e-2}, {"epochs": 9}, {"seed": 1}, {"rope_theta": 1e4}, {"save_interval": 7}]
)
def test_what_does_not_change_the_speed_finds_the_same(tmp_path: Path, change: dict[str, Any]) -> None:
    save_calibration(tmp_path, key_of(settings_of()), calibration_of())
    assert load_calibration(tmp_path, settings_of(**change), cpu_facts(), VOCAB) == calibration_of()


def test_threads_do_not_matter_on_a_gpu(tmp_path: Path) -> None:
    settings = settings_of(device="cuda:1")
    key = key_of(settings, device_kind="cuda", device_name="Small GPU", dtype="bf16", threads=7)
    save_calibration(tmp_path, key, calibration_of())
    assert load_calibration(tmp_path, settings, gpu_facts(), VOCAB) == calibration_of()
    assert load_calibration(tmp_path, settings_of(device="cuda:0"), gpu_facts(), VOCAB) is None
    assert load_calibration(tmp_path, settings_of(device="cuda:5"), gpu_facts(), VOCAB) is None


def test_another_accumulation_is_converted_and_less_certain(tmp_path: Path) -> None:
    save_calibration(tmp_path, key_of(settings_of()), calibration_of(8.0, accumulation_steps=8))
    more = load_calibration(tmp_path, settings_of(accumulation_steps=16), cpu_facts(), VOCAB)
    one = load_calibration(tmp_path, settings_of(accumulation_steps=1), cpu_facts(), VOCAB)
    assert more is not None and one is not None and more.extrapolated and one.extrapolated
    assert more.seconds_low < more.seconds <= more.seconds_high == pytest.approx(16.0)
    # Were it all micro-batches, one would take 1 s; what the optimiser takes of the update does not shrink.
    assert one.seconds_low == pytest.approx(1.0) and one.seconds_high == pytest.approx(1.0 + 0.3 / 8 * 7)
    save_calibration(tmp_path, key_of(settings_of()), calibration_of(1.1, accumulation_steps=1))
    exact = load_calibration(tmp_path, settings_of(accumulation_steps=1), cpu_facts(), VOCAB)
    assert exact is not None and exact.seconds == 1.1 and not exact.extrapolated
    kept = load_calibration(tmp_path, settings_of(accumulation_steps=8), cpu_facts(), VOCAB)
    assert kept is not None and kept.seconds == 8.0


def test_the_newest_replaces_but_forgets_nothing_it_did_not_measure(tmp_path: Path) -> None:
    key = key_of(settings_of())
    save_calibration(tmp_path, key, calibration_of(1.0, saved_bytes_per_s=5.0, sampled_tokens_per_s=3.0))
    save_calibration(tmp_path, key, calibration_of(2.0, sampled_tokens_per_s=4.0))
    found = load_calibration(tmp_path, settings_of(), cpu_facts(), VOCAB)
    assert found is not None
    assert (found.seconds, found.saved_bytes_per_s, found.sampled_tokens_per_s) == (2.0, 5.0, 4.0)


def _spoil(content: dict[str, Any], how: str) -> bytes:
    match how:
        case "format":
            content["format"] = 99
        case "key":
            content["key"]["device"] = "somebody else's"
        case "negative":
            content["measured"][0]["seconds"] = -1
        case "no measurements":
            del content["measured"]
        case "not a list":
            content["measured"] = 7
        case "a list":
            return json.dumps([content]).encode()
        case "torn":
            return json.dumps(content).encode()[:-20]
        case "binary":
            return os.urandom(500)
        case "empty":
            return b""
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    "how",
    ["format", "key", "negative", "no measurements", "not a list", "a list", "torn", "binary", "empty"],
)
def test_garbage_is_no_calibration_and_is_written_over(tmp_path: Path, how: str) -> None:
    key = key_of(settings_of())
    save_calibration(tmp_path, key, calibration_of())
    path = key.path(tmp_path)
    path.write_bytes(_spoil(json.loads(path.read_bytes()), how))
    assert load_calibration(tmp_path, settings_of(), cpu_facts(), VOCAB) is None
    save_calibration(tmp_path, key, calibration_of(3.0))
    found = load_calibration(tmp_path, settings_of(), cpu_facts(), VOCAB)
    assert found is not None and found.seconds == 3.0
    assert [one.name for one in path.parent.iterdir()] == [path.name]  # nothing is left beside it


def test_readers_never_see_half_a_file(tmp_path: Path) -> None:
    key = key_of(settings_of())
    save_calibration(tmp_path, key, calibration_of())
    done = threading.Event()

    def write() -> None:
        for number in range(200):
            save_calibration(tmp_path, key, calibration_of(1.0 + number))
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not done.is_set():
        assert load_calibration(tmp_path, settings_of(), cpu_facts(), VOCAB) is not None
    writer.join()


@pytest.mark.parametrize(
    "change", [{"seconds": 0.0}, {"seconds_high": float("inf")}, {"updates": 0}, {"when": "later"}]
)
def test_a_calibration_that_says_nothing_cannot_be_made(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Calibration.model_validate({**calibration_of().model_dump(), **change})
    assert calibration_of().when == NOON
