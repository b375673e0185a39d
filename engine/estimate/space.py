"""Whether a machine's memory and disk hold a run, in words where they do not."""

import math
from dataclasses import dataclass
from typing import Any, Literal

from engine.estimate.band import Band
from engine.estimate.device_use import DeviceUse
from engine.estimate.disk import disk_needed
from engine.estimate.memory import MemoryEstimate, memory_estimate, runtime_bytes
from engine.language import _
from engine.settings.settings import Settings
from engine.settings.shape import ModelShape

About = Literal["given", "data", "shape", "device", "time", "memory", "disk"]

_NEARLY = 0.85
"""From this share of what is there on, a person is told that it is close."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A reason why a run is not ready, with the way out, and what it is about (`given`: found elsewhere)."""

    about: About
    text: str


def memory_there(
    settings: Settings, shape: ModelShape, use: DeviceUse | None, troubles: list[Obstacle], notes: list[str]
) -> dict[str, Any]:
    """The memory that a run needs and what there is of it, by the names of RunPreview; what is amiss goes into
    `troubles` or `notes`. The processes of one cpu share its memory.
    """
    kind: Literal["cpu", "accelerator"] = "cpu" if use is None or use.kind == "cpu" else "accelerator"

    def needed(batch_size: int) -> tuple[MemoryEstimate, int]:
        estimate = memory_estimate(
            shape,
            batch_size=batch_size,
            seq_len=settings.max_seq_len,
            optimizer=settings.optimizer,
            dtype="fp32" if use is None else use.dtype,
            recompute=settings.recompute,
            device=kind,
        )
        sharing = settings.processes // settings.nnodes if kind == "cpu" else 1
        return estimate, sharing * (estimate.total + runtime_bytes(kind))

    estimate, asked = needed(settings.micro_batch)
    there = use.memory if use is not None else None
    if there is not None and asked > there:
        fitting = settings.micro_batch // 2
        while fitting and needed(fitting)[1] > _NEARLY * there:
            fitting //= 2
        message = _("It needs about {needed} of memory, {device} has {there}.").format(
            needed=_size(asked), device=use.name if use is not None else "", there=_size(there)
        )
        if fitting:
            factor = math.ceil(settings.micro_batch / fitting)
            message += " " + _("batch_size {batch} with accumulation_steps {steps} would fit.").format(
                batch=fitting, steps=settings.accumulation_steps * factor
            )
        else:
            message += " " + _("Take a smaller network or shorter rows.")
        troubles.append(Obstacle("memory", message))
    elif there is not None and asked > _NEARLY * there:
        notes.append(
            _("The memory may be too little: about {needed} of {there}.").format(
                needed=_size(asked), there=_size(there)
            )
        )
    return {"memory": estimate, "memory_needed": asked, "memory_there": there}


def disk_there(
    settings: Settings,
    shape: ModelShape,
    updates: int | None,
    seconds: Band | None,
    free: int | None,
    troubles: list[Obstacle],
    notes: list[str],
) -> dict[str, Any]:
    """The disk that a run needs, by the name of RunPreview; what is amiss goes into `troubles` or `notes`."""
    needed = disk_needed(settings, shape, updates, seconds.high if seconds is not None else None)
    if free is not None and needed > free:
        message = _("Its checkpoints need {needed} of disk, {free} are free. Make room, or keep fewer checkpoints.")
        troubles.append(Obstacle("disk", message.format(needed=_size(needed), free=_size(free))))
    elif free is not None and needed > _NEARLY * free:
        notes.append(
            _("The disk may be too full: {needed} of {free} free.").format(needed=_size(needed), free=_size(free))
        )
    return {"disk_needed": needed}


def _size(count: float) -> str:
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= unit:
            return f"{count / unit:.3g} {name}"
    return f"{count:.0f} B"
