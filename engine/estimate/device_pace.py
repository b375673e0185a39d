"""How long a position takes on a device nobody has here: its matrix products, and the traffic of everything between.

A position costs FLOPs / (efficiency x peak) + bytes / bandwidth: the first term is what more arithmetic makes faster,
the second what only a faster memory does, and a small network on a fast device is mostly the second. One number of it
is fitted, the bytes, to one published training; docs/SCALING.md says how far off another one is then.
"""

from dataclasses import dataclass
from typing import Literal

from engine.estimate.links import Link, ring_seconds
from engine.estimate.machines import Machine
from engine.estimate.memory import Dtype
from engine.estimate.size import FP32_BYTES, flops_per_token, optimizer_bytes, parameters
from engine.settings.settings import Settings
from engine.settings.shape import ModelShape

EFFICIENCY = 0.7
"""Share of a GPU's peak that matrix products of this size are assumed to reach."""
CPU_EFFICIENCY = 0.9
"""Share of the rate of large products that those of a training reach on a cpu."""
STREAM_BYTES = 385
"""Bytes that pass through the memory for each unit of the residual stream and layer, forward and backward: norms,
rotary positions, activations, residual sums and casts. Fitted to PUBLISHED_POSITIONS_PER_S."""
LOGIT_BYTES = 24
"""The same for each entry of the vocabulary: logits written and read, softmax, its gradient written and read twice."""
BATCH_POSITIONS_PER_S = 37e6
"""What one thread assembles for its process (benchmarks/scaling_parts.py)."""
BUCKET_BYTES = 25 * 2**20
"""Gradients that DDP reduces at a time; the last bucket has no backward pass left to hide behind."""

_STEP_BYTES = 32  # AdamW reads weight, gradient and moments and writes three; the norm reads the gradient once more
_MICRO_BATCH_BYTES = 14  # a micro-batch adds to the gradient, and autocast copies the weight
_BACKWARD_SHARE = 2 / 3
_MUON_FLOPS = 22.5  # five iterations of Newton-Schulz: 5 (4 a + 2 a^2 / b) a weight of an a x b matrix, b about 2 a

PUBLISHED_POSITIONS_PER_S = 183_000
"""MiniMind's own figure for minimind2-small on an RTX 3090, rows of 512, bf16."""


@dataclass(frozen=True, slots=True)
class UpdatePace:
    """Seconds of one update on one device, by what takes them: `products` and `traffic` make up the micro-batches,
    `step` is the optimiser's. `reduce` is the whole all-reduce, of which between `exposed_low` and `exposed_high` is
    waited for; `batches` what the prefetching thread works, of which `data_wait` is waited for.
    """

    products: float
    traffic: float
    step: float
    reduce: float
    exposed_low: float
    exposed_high: float
    batches: float
    data_wait: float

    @property
    def compute(self) -> float:
        """What the device itself works."""
        return self.products + self.traffic + self.step

    @property
    def exposed(self) -> float:
        """The middle of what is waited for the all-reduce."""
        return (self.exposed_low + self.exposed_high) / 2


def dtype_on(settings: Settings, machine: Machine) -> Dtype:
    """The precision that `auto` takes there: bf16 on every GPU that plans know, fp32 on a cpu."""
    if settings.dtype == "auto":
        return "fp32" if machine.is_cpu else "bf16"
    return settings.dtype


def position_seconds(
    machine: Machine, shape: ModelShape, dtype: Dtype, context: float, *, devices: int = 1, recompute: bool = False
) -> tuple[float, float]:
    """Seconds that one position takes in (matrix products, traffic between them), forward and backward.

    `devices` processes share a cpu, none shares a GPU. Recomputing goes forward a second time.
    """
    sharing = devices if machine.is_cpu else 1
    again = 4 / 3 if recompute else 1.0
    efficiency = CPU_EFFICIENCY if machine.is_cpu else EFFICIENCY
    products = flops_per_token(shape, context) / (efficiency * machine.peak(dtype))
    moved = STREAM_BYTES * shape.num_hidden_layers * shape.hidden_size + LOGIT_BYTES * shape.vocab_size
    return products * again * sharing, moved / machine.bandwidth * again * sharing


def context_on(machine: Machine, settings: Settings, context: float | None) -> float:
    """Positions that a token's attention computes: on a GPU the masked row, on a cpu its own document."""
    if machine.is_cpu and settings.pack:
        return context or settings.max_seq_len / 2
    return float(settings.max_seq_len)


def update_pace(
    machine: Machine,
    shape: ModelShape,
    settings: Settings,
    devices: int,
    context: float | None,
    link: Link,
    cold: float = 0.0,
) -> UpdatePace:
    """An update of `accumulation_steps` micro-batches on each of `devices`, its gradients reduced once over `link`.

    `cold` are the seconds that the disk takes for a row.
    """
    dtype = dtype_on(settings, machine)
    rows = settings.micro_batch * settings.accumulation_steps
    positions = rows * settings.max_seq_len
    products, traffic = position_seconds(
        machine,
        shape,
        dtype,
        context_on(machine, settings, context),
        devices=devices,
        recompute=settings.recompute,
    )
    products, traffic = products * positions, traffic * positions
    step = _step_seconds(machine, shape, settings, dtype, devices)
    reduce = ring_seconds(gradient_bytes(shape), devices, link)
    window = _BACKWARD_SHARE * (products + traffic) / settings.accumulation_steps
    last = reduce * min(1.0, BUCKET_BYTES / gradient_bytes(shape))
    batches = positions / BATCH_POSITIONS_PER_S + rows * cold
    return UpdatePace(
        products=products,
        traffic=traffic,
        step=step,
        reduce=reduce,
        exposed_low=max(last, reduce - window),
        exposed_high=reduce,
        batches=batches,
        data_wait=max(0.0, batches - products - traffic),
    )


def gradient_bytes(shape: ModelShape) -> int:
    """What an all-reduce moves: every gradient, fp32."""
    return FP32_BYTES * parameters(shape)


def utilisation(machine: Machine, shape: ModelShape, dtype: Dtype, positions_per_s: float, context: float) -> float:
    """MFU: the FLOPs of so many positions a second as a share of the device's peak."""
    return positions_per_s * flops_per_token(shape, context) / machine.peak(dtype)


def _step_seconds(machine: Machine, shape: ModelShape, settings: Settings, dtype: Dtype, devices: int) -> float:
    """Clipping and the optimiser, and what micro-batches do to each weight rather than to each position."""
    sharing = devices if machine.is_cpu else 1
    count = parameters(shape)
    moved = (_STEP_BYTES + _MICRO_BATCH_BYTES * settings.accumulation_steps) * count
    seconds = moved / machine.bandwidth
    if settings.optimizer == "muon":
        matrices = (optimizer_bytes(shape) - optimizer_bytes(shape, "muon")) / FP32_BYTES
        efficiency = CPU_EFFICIENCY if machine.is_cpu else EFFICIENCY
        seconds += _MUON_FLOPS * shape.hidden_size * matrices / (efficiency * machine.peak(dtype))
    return seconds * sharing


Bound = Literal["products", "traffic"]


def bound_of(pace: UpdatePace) -> Bound:
    """Whether arithmetic or memory bounds the device."""
    return "products" if pace.products >= pace.traffic else "traffic"
