"""Every figure of a plan with the assumption behind it: a published number, a measurement, a formula."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from engine.estimate.band import Band
from engine.estimate.device_pace import (
    BATCH_POSITIONS_PER_S,
    CPU_EFFICIENCY,
    EFFICIENCY,
    LOGIT_BYTES,
    PUBLISHED_POSITIONS_PER_S,
    STREAM_BYTES,
)
from engine.estimate.links import ring_bytes
from engine.estimate.machines import Machine
from engine.estimate.memory import runtime_bytes
from engine.estimate.scale_plan import (
    COMPILE_SECONDS,
    HASHED_PER_S,
    PACKED_PER_S,
    PROCESS_SECONDS,
    RANDOM_READ_SECONDS,
    READ_PER_S,
    SAVED_PER_S,
    TOKENISED_AT_MOST,
    TOKENISED_PER_CORE,
    ScalePlan,
)
from engine.estimate.text_size import BYTES_PER_DOCUMENT
from engine.language import _

Unit = Literal["number", "count", "bytes", "seconds", "per_second"]
"""Of what a figure is. A `count` is a large one whose last digits say nothing."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of a plan, between `low` and `high` (equal where it is one), and how it is known."""

    name: str
    low: float
    high: float
    unit: Unit
    basis: str


def figures_of(plan: ScalePlan) -> list[Figure]:
    """All figures, in the order in which a training meets them."""
    return [*_sizes(plan), *_before(plan), *_update(plan), *_whole(plan), *_room(plan)]


def _one(name: str, value: float, unit: Unit, basis: str) -> Figure:
    return Figure(name, value, value, unit, basis)


def _band(name: str, band: Band, basis: str) -> Figure:
    return Figure(name, band.low, band.high, "seconds", basis)


def _sizes(plan: ScalePlan) -> Iterator[Figure]:
    text, settings = plan.text, plan.settings
    yield _one("parameters", plan.parameters, "count", _("formula: every trained number of the shape, the head tied"))
    yield _one("active", plan.active, "count", _("formula: those that one token is computed with"))
    yield Figure("tokens", text.tokens_low, text.tokens_high, "count", _of_tokens(plan))
    fill = {
        "assumed": _("assumed: packed rows are {fill:.0%} full; measured: 93 to 99.8 %, benchmarks/scaling_parts.py"),
        "sampled": _("measured: rows made of a sample of the file are {fill:.0%} full"),
        "built": _("counted: the rows of the file are built, {fill:.0%} full"),
    }[text.source]
    if text.source == "assumed" and not settings.pack:
        fill = _("formula: a text alone in a row, padded, leaves it {fill:.0%} full")
    yield _one("rows", text.rows, "count", fill.format(fill=text.fill))
    yield _one(
        "rows_per_update",
        plan.rows_per_update,
        "number",
        _("settings: batch_size {batch} x accumulation_steps {steps} x {processes} processes").format(
            batch=settings.micro_batch, steps=settings.accumulation_steps, processes=plan.devices
        ),
    )
    yield _one("tokens_per_update", plan.tokens_per_update, "count", _("formula: tokens / rows x rows of an update"))
    yield _one(
        "updates_per_epoch", plan.updates_per_epoch, "number", _("formula: rows / rows of an update, rounded up")
    )


def _of_tokens(plan: ScalePlan) -> str:
    text = plan.text
    if text.source == "built":
        return _("counted: the token cache of the file is built")
    if text.source == "sampled":
        return _("measured: tokens of a sample of the file, extended to all of it")
    return _(
        "assumed: {low:.2g} to {high:.2g} bytes a token (measured on texts about software, "
        "benchmarks/scaling_parts.py; MiniMind: 1.5 to 1.7 Chinese characters or 4 to 5 English ones) "
        "and {each:,} bytes a text"
    ).format(
        low=text.kind.low if text.kind is not None else 0.0,
        high=text.kind.high if text.kind is not None else 0.0,
        each=BYTES_PER_DOCUMENT,
    )


def _before(plan: ScalePlan) -> Iterator[Figure]:
    yield _one(
        "hash",
        plan.hash_seconds,
        "seconds",
        _("measured: SHA-256 of the file at {rate:.1f} GB/s; remembered while the file stays as it is").format(
            rate=HASHED_PER_S / 1e9
        ),
    )
    yield _one(
        "tokenise",
        plan.tokenise_seconds,
        "seconds",
        _(
            "measured: {each:.1f} MB/s a core (benchmarks/token_cache.py), {cores} cores assumed on the host, at most "
            "{most:.0f} MB/s on any (Python's own part, benchmarks/scaling_parts.py); once for a text"
        ).format(each=TOKENISED_PER_CORE / 1e6, cores=plan.tokenising_cores, most=TOKENISED_AT_MOST / 1e6),
    )
    yield _one(
        "pack",
        plan.pack_seconds,
        "seconds",
        _("measured: {rate:.1f} million texts/s (benchmarks/token_cache.py); once for a text and row length").format(
            rate=PACKED_PER_S / 1e6
        ),
    )
    compiling = plan.start_seconds > PROCESS_SECONDS + COMPILE_SECONDS
    basis = _("measured: {seconds:.1f} s of a process (benchmarks/start_up.py)").format(seconds=PROCESS_SECONDS)
    if compiling:
        basis += "; " + _("assumed: {seconds:.0f} s of torch.compile").format(seconds=COMPILE_SECONDS)
    basis += "; " + _("assumed: 8 bytes a text read at {rate:.0f} GB/s").format(rate=READ_PER_S / 1e9)
    yield _one("start", plan.start_seconds, "seconds", basis)


def _update(plan: ScalePlan) -> Iterator[Figure]:
    pace, machine = plan.pace, plan.machine
    yield _one("products", pace.products, "seconds", _of_products(plan))
    yield _one("traffic", pace.traffic, "seconds", _of_traffic(plan))
    yield _one(
        "step",
        pace.step,
        "seconds",
        _("formula: 32 bytes a parameter, and 14 more a micro-batch, at the memory's rate; Muon's products as well"),
    )
    yield _one("gradients", plan.gradient_bytes, "bytes", _("formula: 4 bytes a parameter, fp32"))
    if plan.devices > 1:
        yield from _all_reduce(plan)
    yield _one("batches", pace.batches, "seconds", _of_batches(plan))
    yield _band(
        "update",
        plan.update,
        _("formula: products + traffic + step, within a factor of {spread} ({why}), and the all-reduce").format(
            spread=machine.spread, why=_of_spread(machine)
        ),
    )
    speed = plan.tokens_per_s
    yield Figure("tokens_per_s", speed.low, speed.high, "per_second", _("formula: tokens of an update / its seconds"))


def _of_batches(plan: ScalePlan) -> str:
    basis = _(
        "measured: {rate:.0f} million positions/s by one thread of each process, ahead of the update "
        "(benchmarks/scaling_parts.py)"
    ).format(rate=BATCH_POSITIONS_PER_S / 1e6)
    if plan.cold_row_seconds:
        basis += "; " + _(
            "assumed: what of the token cache the host's {ram:.0f} GB cannot hold is read at random, {each:.0f} us each"
        ).format(ram=plan.machine.host_ram(plan.devices) / 1e9, each=RANDOM_READ_SECONDS * 1e6)
    return basis


def _all_reduce(plan: ScalePlan) -> Iterator[Figure]:
    sent = ring_bytes(plan.gradient_bytes, plan.devices)
    yield _one(
        "sent", sent, "bytes", _("formula: a ring moves 2 (N - 1) / N of the gradients through each, once an update")
    )
    rate = _("{link}, {rate:.3g} GB/s in one direction, of which {share:.0%} are reached").format(
        link=plan.link.title, rate=plan.link.rate / 1e9, share=plan.link.share
    )
    hosts = plan.machine.hosts(plan.devices)
    place = _("between {n} hosts").format(n=hosts) if hosts > 1 else _("within one host")
    yield _one("reduce", plan.pace.reduce, "seconds", f"{rate}, {place}. {plan.link.source}")
    yield Figure(
        "exposed",
        plan.pace.exposed_low,
        plan.pace.exposed_high,
        "seconds",
        _("formula: hidden behind the last backward pass but for the last bucket of 25 MiB, or not hidden at all"),
    )


def _of_products(plan: ScalePlan) -> str:
    machine = plan.machine
    efficiency = CPU_EFFICIENCY if machine.is_cpu else EFFICIENCY
    where = (
        _("measured on this cpu or on that of docs/PERFORMANCE.md, shared by all processes")
        if machine.is_cpu
        else _("NVIDIA's data sheet, dense")
    )
    return _(
        "formula: 6 FLOPs a weight and 12 x layers x width x {context:.0f} for attention, forward and backward; "
        "{share:.0%} (assumed) of {peak:.4g} TFLOP/s in {dtype} ({where})"
    ).format(
        context=plan.context,
        share=efficiency,
        peak=machine.peak(plan.dtype) / 1e12,
        dtype=plan.dtype,
        where=where,
    )


def _of_traffic(plan: ScalePlan) -> str:
    if plan.machine.is_cpu:
        return _(
            "{stream} bytes a layer and unit of width, {logit} an entry of the vocabulary, at {rate:.3g} GB/s: fitted "
            "to the training step of docs/PERFORMANCE.md"
        ).format(stream=STREAM_BYTES, logit=LOGIT_BYTES, rate=plan.machine.bandwidth / 1e9)
    return _(
        "{stream} bytes a layer and unit of width, {logit} an entry of the vocabulary: fitted to the {anchor:,} "
        "positions/s that MiniMind published for minimind2-small on an RTX 3090; memory of {rate:,.0f} GB/s (NVIDIA's "
        "data sheet)"
    ).format(
        stream=STREAM_BYTES,
        logit=LOGIT_BYTES,
        anchor=PUBLISHED_POSITIONS_PER_S,
        rate=plan.machine.bandwidth / 1e9,
    )


def _of_spread(machine: Machine) -> str:
    if machine.name == "rtx3090":
        return _("both of MiniMind's published trainings on it lie within")
    if machine.is_cpu:
        return _("the full and mini presets, measured, lie within")
    return _("assumed: nothing was measured on such a device")


def _whole(plan: ScalePlan) -> Iterator[Figure]:
    yield _band(
        "save",
        plan.save,
        _(
            "measured: {rate:.0f} MB/s of checkpoint and published weights on one disk "
            "(benchmarks/checkpoint_cost.py), within a factor of 2; one process writes, the others wait"
        ).format(rate=SAVED_PER_S / 1e6),
    )
    yield _band("epoch", plan.epoch, _("formula: updates, and the validations, samples and saves between them"))
    if plan.updates != plan.updates_per_epoch:
        yield _band("run", plan.run, _("formula: the same for {n} updates").format(n=f"{plan.updates:,}"))


def _room(plan: ScalePlan) -> Iterator[Figure]:
    kind: Literal["cpu", "accelerator"] = "cpu" if plan.machine.is_cpu else "accelerator"
    yield _one(
        "memory",
        plan.memory_needed,
        "bytes",
        _(
            "formula: weights, gradients, optimiser, activations of batch_size {batch} (engine.estimate.memory, within "
            "a quarter of what is measured on a cpu), and {runtime} MB of runtime"
        ).format(batch=plan.settings.micro_batch, runtime=round(runtime_bytes(kind) / 1e6)),
    )
    there = _("measured on this machine") if plan.machine.is_cpu else _("NVIDIA's data sheet")
    yield _one("memory_there", plan.machine.memory, "bytes", there)
    yield _one(
        "host_memory",
        plan.host_memory,
        "bytes",
        _("measured: 85 MB while a cache is built, whatever its size (benchmarks/token_cache.py); a byte a text"),
    )
    yield _one("text", plan.text.bytes, "bytes", _("given"))
    yield _one(
        "cache",
        plan.cache_bytes,
        "bytes",
        _("formula: 2 bytes a token (4 from 65,537 entries on), 28 a text, 12 a piece of one, 12 a row; on each host "
          "that does not share its cache folder"),
    )  # fmt: skip
    yield _one(
        "checkpoint",
        plan.checkpoint_bytes,
        "bytes",
        _("formula: 4 bytes a parameter, and 8 for AdamW's moments (4 for a matrix under Muon)"),
    )
    yield _one(
        "run_bytes",
        plan.run_bytes,
        "bytes",
        _("formula: the newest {n} checkpoints, the best, one being written; weights; log").format(
            n=plan.settings.keep_checkpoints
        ),
    )
