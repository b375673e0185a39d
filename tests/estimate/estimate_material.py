"""A machine, some data and a calibration that are the same for every test."""

from datetime import UTC, datetime
from typing import Any

from engine.estimate.calibration import Calibration
from engine.estimate.data_facts import DataFacts
from engine.estimate.device_probe import DeviceFacts, GpuFacts
from engine.settings.resolve import build_settings
from engine.settings.settings import Settings

GB = 10**9
VOCAB = 6400
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def settings_of(**values: Any) -> Settings:
    small = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "max_seq_len": 128, "save_minutes": 0}
    return build_settings({**small, **values})


def cpu_facts(**changes: Any) -> DeviceFacts:
    values: dict[str, Any] = {
        "torch_version": "2.13.0",
        "accelerator_build": None,
        "driver": None,
        "host": "testhost",
        "device": "cpu",
        "name": "Test CPU",
        "memory": 8 * GB,
        "dtypes": ["fp32"],
        "dtype": "fp32",
        "dtype_why": "",
        "notes": [],
        "gpus": [],
        "cpu_name": "Test CPU",
        "cpu_features": ["avx2"],
        "cores": 2,
        "machine_memory": 8 * GB,
        "threads": 2,
        "threads_why": "",
        "matmul_flops": {"fp32": 1e11},
    }
    return DeviceFacts(**(values | changes))


def gpu_facts() -> DeviceFacts:
    """A machine with two different GPUs, the first of them `auto`'s."""
    first = GpuFacts(name="Big GPU", memory=80 * GB, capability="9.0")
    second = GpuFacts(name="Small GPU", memory=4 * GB, capability="8.6")
    return cpu_facts(
        device="cuda:0",
        name="Big GPU",
        memory=80 * GB,
        dtypes=["fp32", "fp16", "bf16"],
        dtype="bf16",
        gpus=[first, second],
        matmul_flops={"fp32": 5e13, "fp16": 8e14, "bf16": 8e14},
    )


def data_of(rows: int = 1000, tokens: int | None = None, **changes: Any) -> DataFacts:
    return DataFacts(rows, rows * 100 if tokens is None else tokens, exact=True, **changes)


def calibration_of(seconds: float = 1.0, **changes: Any) -> Calibration:
    """A calibration of exactly known speed."""
    values: dict[str, Any] = {
        "seconds": seconds,
        "seconds_low": seconds,
        "seconds_high": seconds,
        "tokens_per_s": 1000.0,
        "updates": 10,
        "when": NOON,
        "source": "calibration",
        "accumulation_steps": 8,
    }
    return Calibration(**(values | changes))
