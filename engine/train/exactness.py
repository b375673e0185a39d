"""What must stay the same for a resumed run to go on bit for bit, and what to say when it did not."""

import platform
from typing import Any

import torch

from engine.run.surroundings import differences, unrepeatable


def surroundings(
    *,
    device: torch.device,
    dtype: str,
    compiled: bool,
    deterministic: bool,
    recompute: bool,
    batch_size: int,
    accumulation_steps: int,
    world_size: int,
) -> dict[str, Any]:
    """Everything outside of the trainer's state that the bits of an update depend on; plain values."""
    on_cuda = device.type == "cuda"
    return {
        "torch": str(torch.__version__),
        "device": device.type,
        "device_name": torch.cuda.get_device_name(device) if on_cuda else platform.machine(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": 0 if on_cuda else torch.get_num_threads(),
        "dtype": dtype,
        "compiled": compiled,
        "deterministic": deterministic,
        "recompute": recompute,
        "batch_size": batch_size,
        "accumulation_steps": accumulation_steps,
        "world_size": world_size,
    }


def why_inexact(saved: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Reasons why a run saved under `saved` does not go on bit for bit under `now`, in words; none means it does."""
    return [*differences(saved, now), *unrepeatable(now)]
