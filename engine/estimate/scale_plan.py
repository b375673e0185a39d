"""A plan: what a training costs on devices that need not be here, for text that need not be here. Pure arithmetic."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from engine.errors import UserError
from engine.estimate.band import Band
from engine.estimate.device_pace import (
    UpdatePace,
    context_on,
    dtype_on,
    gradient_bytes,
    position_seconds,
    update_pace,
)
from engine.estimate.disk import disk_needed
from engine.estimate.duration import Pace, saved_bytes
from engine.estimate.links import Link
from engine.estimate.machines import Machine
from engine.estimate.memory import Dtype, MemoryEstimate, memory_estimate, runtime_bytes
from engine.estimate.size import FP32_BYTES, active_parameters, checkpoint_bytes, parameters
from engine.estimate.text_size import TextPlan, cache_bytes
from engine.language import _
from engine.settings.network import shape_from_settings
from engine.settings.onward import bounded_end, updates_left
from engine.settings.settings import Settings
from engine.settings.shape import ModelShape

Bottleneck = Literal["memory", "tokenising", "start", "compute", "reduce", "batches", "saves", "watching"]

MOST_DEVICES = 4096

TOKENISED_PER_CORE = 1.7e6
"""Bytes/s of a core (benchmarks/token_cache.py: 3.41 MB/s on two)."""
TOKENISED_AT_MOST = 28e6
"""Bytes/s however many cores: Python's own part, which threads cannot share (benchmarks/scaling_parts.py)."""
HASHED_PER_S = 1.5e9
"""Bytes/s of SHA-256 on a core with its instructions, measured here."""
PACKED_PER_S = 3.8e6
"""Documents/s put into rows (benchmarks/token_cache.py: 3.6 million in 0.95 s)."""
SAVED_PER_S = 2.7e8
"""Bytes/s of checkpoint and published weights, hashed and synced (benchmarks/checkpoint_cost.py: 35 MB in 0.13 s)."""
READ_PER_S = 1e9
"""Bytes/s of a disk, assumed: what each start reads again is 8 bytes a document."""
RANDOM_READ_SECONDS = 1e-4
"""One read of a solid-state disk that waits for the one before, assumed."""
PROCESS_SECONDS = 4.5
"""From the command to the first update with the cache built (benchmarks/start_up.py)."""
COMPILE_SECONDS = 60.0
"""torch.compile on a GPU, assumed."""
DISPATCH_SECONDS = 5e-4
"""Of the operations of one block for one sampled token, as previews have it."""
BUILDER_BYTES = 10**8
"""Resident at most while a cache is built, whatever its size (benchmarks/token_cache.py: 85 MB)."""

_SAVE_FACTOR = 2.0  # disks differ


@dataclass(frozen=True)
class ScalePlan:
    """What a training will be. Sizes are bytes, durations seconds.

    Bands of time carry the device's spread, the all-reduce hidden entirely or not at all, and those of epochs and run
    how well the tokens are known. `hash`, `tokenise` and
    `pack` happen once for a text, `start` at every start. `run` is all epochs with what lies between updates, without
    what happens before the first. `shares` are what everything from the command to the end is spent on, the text's
    first time included; `bottleneck` is what to look at first, `next` what comes behind it.
    """

    settings: Settings
    machine: Machine
    devices: int
    text: TextPlan
    dtype: Dtype
    parameters: int
    active: int
    rows_per_update: int
    tokens_per_update: int
    updates_per_epoch: int
    updates: int
    pace: UpdatePace
    context: float
    update: Band
    epoch: Band
    run: Band
    save: Band
    hash_seconds: float
    tokenise_seconds: float
    pack_seconds: float
    start_seconds: float
    memory: MemoryEstimate
    memory_needed: int
    host_memory: int
    cache_bytes: int
    cold_row_seconds: float
    run_bytes: int
    checkpoint_bytes: int
    gradient_bytes: int
    tokenising_cores: int
    link: Link
    shares: Mapping[Bottleneck, float]
    bottleneck: Bottleneck
    next: Bottleneck
    problems: tuple[str, ...]

    @property
    def disk_bytes(self) -> int:
        """Text, token cache and run together, on one host."""
        return self.text.bytes + self.cache_bytes + self.run_bytes

    @property
    def before_first(self) -> float:
        """Seconds from the command to the first update, the text's first time."""
        return self.hash_seconds + self.tokenise_seconds + self.pack_seconds + self.start_seconds

    @property
    def tokens_per_s(self) -> Band:
        """Target tokens a second while updates are made."""
        return Band(self.tokens_per_update / self.update.high, self.tokens_per_update / self.update.low, "rough")

    @property
    def fits(self) -> bool:
        """Whether the device's memory suffices."""
        return self.memory_needed <= self.machine.memory


def plan_scale(
    settings: Settings, machine: Machine, devices: int, text: TextPlan, *, vocab_size: int, link: Link | None = None
) -> ScalePlan:
    """The plan. `link` replaces what the ring's slowest connection would be.

    Raises UserError: a number of devices that cannot be, a shape that makes no network, a text without tokens.
    """
    if not 1 <= devices <= MOST_DEVICES:
        raise UserError(
            _("{n} processes cannot be planned: from 1 to {most} can.").format(n=devices, most=f"{MOST_DEVICES:,}")
        )
    if text.rows < 1 or text.tokens < 1:
        raise UserError(_("The text holds nothing to train on."))
    shape = shape_from_settings(settings, vocab_size)
    dtype = dtype_on(settings, machine)
    slowest = link or machine.slowest_link(devices)
    cache = cache_bytes(text, settings, vocab_size)
    cold = _cold_row_seconds(text, settings, cache, machine.host_ram(devices))
    pace = update_pace(machine, shape, settings, devices, text.context, slowest, cold)
    update = Band(
        (pace.compute + pace.data_wait) / machine.spread + pace.exposed_low,
        (pace.compute + pace.data_wait) * machine.spread + pace.exposed_high,
        "rough",
    )
    rows = settings.micro_batch * settings.accumulation_steps * devices
    per_epoch = updates_left(0, 0, epochs=1, row_count=text.rows, rows_per_update=rows)
    all_updates = updates_left(0, 0, epochs=settings.epochs, row_count=text.rows, rows_per_update=rows)
    updates = bounded_end(0, all_updates, settings.max_steps)
    context = context_on(machine, settings, text.context)
    whole_pace = _whole_pace(settings, machine, devices, shape, dtype, update, context)
    whole = min(text.rows / rows, per_epoch)  # an epoch's last update is smaller
    epoch = _as_sure_as(text, whole_pace.run(settings, per_epoch, whole))
    run = _as_sure_as(text, whole_pace.run(settings, updates, whole * updates / per_epoch))
    memory = memory_estimate(
        shape,
        batch_size=settings.micro_batch,
        seq_len=settings.max_seq_len,
        optimizer=settings.optimizer,
        dtype=dtype,
        recompute=settings.recompute,
        device="cpu" if machine.is_cpu else "accelerator",
    )
    needed = memory.total + runtime_bytes("cpu" if machine.is_cpu else "accelerator")
    needed *= devices if machine.is_cpu else 1
    cores = machine.host_cores(devices)
    if settings.num_workers != "auto":
        cores = min(cores, settings.num_workers)
    tokenise = text.bytes_to_tokenise / min(TOKENISED_PER_CORE * cores, TOKENISED_AT_MOST)
    unbuilt = text.bytes_to_tokenise > 0
    start = PROCESS_SECONDS + 8 * text.documents / READ_PER_S
    start += 0.0 if machine.is_cpu or settings.compile is False else COMPILE_SECONDS
    shares = _shares(settings, pace, whole_pace, updates, whole * updates / per_epoch, tokenise, start, text)
    order: list[Bottleneck] = sorted(shares, key=lambda name: -shares[name])
    fits = needed <= machine.memory
    return ScalePlan(
        settings=settings,
        machine=machine,
        devices=devices,
        text=text,
        dtype=dtype,
        parameters=parameters(shape),
        active=active_parameters(shape),
        rows_per_update=rows,
        tokens_per_update=round(text.tokens * min(1.0, rows / text.rows)),
        updates_per_epoch=per_epoch,
        updates=updates,
        pace=pace,
        context=context,
        update=update,
        epoch=epoch,
        run=run,
        save=whole_pace.save,
        hash_seconds=text.bytes / HASHED_PER_S if unbuilt else 0.0,
        tokenise_seconds=tokenise,
        pack_seconds=text.documents / PACKED_PER_S if unbuilt else 0.0,
        start_seconds=start,
        memory=memory,
        memory_needed=needed,
        host_memory=BUILDER_BYTES + text.documents,
        cache_bytes=cache,
        cold_row_seconds=cold,
        run_bytes=disk_needed(settings, shape, updates, run.high),
        checkpoint_bytes=checkpoint_bytes(shape, settings.optimizer),
        gradient_bytes=gradient_bytes(shape),
        tokenising_cores=cores,
        link=slowest,
        shares=shares,
        bottleneck=order[0] if fits else "memory",
        next=order[1] if fits else order[0],
        problems=() if fits else (_unfit(settings, machine, shape, dtype, needed, devices),),
    )


def _cold_row_seconds(text: TextPlan, settings: Settings, cache: int, ram: int) -> float:
    """What the disk takes for a row of a cache larger than the host's memory: the order of rows is random.

    A row's own entries are two reads, each of its pieces two more: where its document lies, and its tokens.
    """
    absent = max(0.0, 1 - ram / cache)
    reads = 2 + 2 * text.pieces(settings.max_seq_len) / text.rows
    return absent * reads * RANDOM_READ_SECONDS


def _whole_pace(
    settings: Settings, machine: Machine, devices: int, shape: ModelShape, dtype: Dtype, update: Band, context: float
) -> Pace:
    """The update, and what lies between updates: all validate, one samples and saves while the others wait."""
    forward = sum(position_seconds(machine, shape, dtype, context)) / 3 / (1 if machine.is_cpu else devices)
    validating = settings.validation_tokens * forward if settings.validation else 0.0
    token = shape.num_hidden_layers * DISPATCH_SECONDS + FP32_BYTES * parameters(shape) / machine.bandwidth
    sampling = settings.sample_tokens * len(settings.sample_prompts) * token
    saving = saved_bytes(settings, shape) / SAVED_PER_S
    return Pace(
        update=update,
        validation=_about(validating, machine.spread),
        samples=_about(sampling, machine.spread),
        save=_about(saving, _SAVE_FACTOR),
    )


def _shares(
    settings: Settings,
    pace: UpdatePace,
    whole_pace: Pace,
    updates: int,
    whole: float,
    tokenise: float,
    start: float,
    text: TextPlan,
) -> dict[Bottleneck, float]:
    """What the time from the command to the end is spent on; the shares sum to 1."""
    updating = (pace.compute + pace.exposed + pace.data_wait) * whole
    saves = math.ceil(updates / settings.save_interval) if settings.save_interval else 1
    if settings.save_minutes:
        saves = max(saves, int(updating / 60 / settings.save_minutes))
    evaluations = 1 + (updates - 1) // settings.eval_interval if settings.eval_interval else 1
    rounds = 1 + (updates - 1) // settings.sample_interval if settings.sample_interval else 1
    unbuilt = text.bytes_to_tokenise > 0
    seconds: dict[Bottleneck, float] = {
        "compute": pace.compute * whole,
        "reduce": pace.exposed * whole,
        "batches": pace.data_wait * whole,
        "saves": saves * whole_pace.save.middle,
        "watching": evaluations * whole_pace.validation.middle + rounds * whole_pace.samples.middle,
        "tokenising": tokenise + (text.bytes / HASHED_PER_S + text.documents / PACKED_PER_S if unbuilt else 0.0),
        "start": start,
    }
    total = sum(seconds.values())
    return {name: each / total for name, each in seconds.items()}


def _unfit(settings: Settings, machine: Machine, shape: ModelShape, dtype: Dtype, needed: int, devices: int) -> str:
    """Why it does not fit, and the largest micro-batch that does."""
    message = _("It needs about {needed} of memory, {device} has {there}.").format(
        needed=f"{needed / 1e9:.1f} GB", device=machine.title, there=f"{machine.memory / 1e9:.1f} GB"
    )
    fixed = runtime_bytes("cpu" if machine.is_cpu else "accelerator")
    sharing = devices if machine.is_cpu else 1
    fitting = settings.micro_batch // 2
    while fitting:
        estimate = memory_estimate(
            shape,
            batch_size=fitting,
            seq_len=settings.max_seq_len,
            optimizer=settings.optimizer,
            dtype=dtype,
            recompute=settings.recompute,
            device="cpu" if machine.is_cpu else "accelerator",
        )
        if (estimate.total + fixed) * sharing <= machine.memory:
            steps = settings.accumulation_steps * math.ceil(settings.micro_batch / fitting)
            return f"{message} " + _("batch_size {batch} with accumulation_steps {steps} would fit.").format(
                batch=fitting, steps=steps
            )
        fitting //= 2
    return f"{message} " + _("Take a smaller network or shorter rows.")


def _as_sure_as(text: TextPlan, seconds: Band) -> Band:
    """A time that grows with the tokens, widened by how well their number is known."""
    return Band(seconds.low * text.tokens_low / text.tokens, seconds.high * text.tokens_high / text.tokens, "rough")


def _about(seconds: float, factor: float) -> Band:
    return Band(seconds / factor, seconds * factor, "rough")
