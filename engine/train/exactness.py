"""What must stay the same for a resumed run to go on bit for bit, and what to say when it did not."""

import platform
from typing import Any

import torch

from engine.language import _


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


_COUNTS = {"rollbacks": 0, "excluded": 0}
"""What checkpoints of runs without a guard do not say."""


def why_inexact(saved: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Reasons why a run saved under `saved` does not go on bit for bit under `now`, in words; none means it does."""
    words = {
        "torch": _("the torch version"),
        "device": _("the device"),
        "device_name": _("the device's model"),
        "cpu_capability": _("the cpu's instruction set"),
        "threads": _("the number of threads"),
        "dtype": _("the precision"),
        "compiled": _("compilation"),
        "deterministic": _("determinism"),
        "recompute": _("recomputation"),
        "batch_size": _("the micro-batch"),
        "accumulation_steps": _("the accumulation"),
        "world_size": _("the number of processes"),
        "rollbacks": _("the number of rollbacks"),
        "excluded": _("the number of excluded documents"),
    }
    saved, now = _COUNTS | saved, _COUNTS | now
    reasons = [
        _("{what} changed from {before} to {after}").format(what=words[name], before=saved.get(name), after=now[name])
        for name in words
        if saved.get(name) != now[name]
    ]
    if now["compiled"]:
        reasons.append(_("compiled code is not promised to repeat itself bit for bit"))
    if not now["deterministic"]:
        reasons.append(_("deterministic kernels are off"))
    return reasons
