"""How much memory a training step will take, from the tensors that its eager form keeps."""

from dataclasses import dataclass, fields
from typing import Literal

from engine.estimate.size import (
    FP16_BYTES,
    FP32_BYTES,
    Optimizer,
    expert_parameters,
    optimizer_bytes,
    parameters,
)
from engine.settings.shape import ModelShape

Dtype = Literal["fp32", "fp16", "bf16"]

LOGITS_SLICE_BYTES = 32 * 2**20
"""The loss head holds this much of logits in fp32 at a time; engine.train.loss keeps to it."""

_RUNTIME_BYTES = {"cpu": 400 * 10**6, "accelerator": 500 * 10**6}


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """Bytes at the peak of an update, between the passes of a micro-batch, by what takes them.

    `activations` wait for the backward pass; `passing` is the larger of what the head and one block hold on the way.

    The runtime itself comes on top: `runtime_bytes`.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int
    passing: int

    @property
    def total(self) -> int:
        """The sum of all parts."""
        return sum(int(getattr(self, field.name)) for field in fields(self))


def memory_estimate(
    shape: ModelShape,
    *,
    batch_size: int,
    seq_len: int,
    optimizer: Optimizer = "adamw",
    dtype: Dtype = "fp32",
    recompute: bool = False,
    device: Literal["cpu", "accelerator"] = "cpu",
) -> MemoryEstimate:
    """What one micro-batch of `batch_size` rows of `seq_len` positions takes.

    `dtype` is autocast's; weights, gradients, the optimiser and the stream between blocks stay fp32. On a cpu packed
    rows need no mask; an accelerator holds one (B, 1, T, T). A compiled network keeps about as much.
    """
    positions = batch_size * seq_len
    low = FP32_BYTES if dtype == "fp32" else FP16_BYTES
    count, experts = parameters(shape), expert_parameters(shape)
    cached = (
        count - shape.num_hidden_layers * experts
    )  # autocast keeps copies of these; experts' are made layer by layer
    mask = 0 if device == "cpu" else positions * seq_len * (1 + low)
    return MemoryEstimate(
        weights=FP32_BYTES * count + (low * cached if dtype != "fp32" else 0),
        gradients=FP32_BYTES * count,
        optimizer=optimizer_bytes(shape, optimizer),
        activations=positions * _kept_per_position(shape, low, recompute) + mask,
        passing=max(_head(shape, positions), positions * _passing_per_position(shape, low) + FP32_BYTES * experts),
    )


def runtime_bytes(device: Literal["cpu", "accelerator"]) -> int:
    """What a training takes before it has a model: Python, torch and the tokenizer on a cpu, a context on a GPU."""
    return _RUNTIME_BYTES[device]


def _kept_per_position(shape: ModelShape, low: int, recompute: bool) -> int:
    """What the backward pass needs of a position."""
    stream = FP32_BYTES * shape.hidden_size
    heads = shape.query_size + 2 * shape.key_value_size
    attention = stream + low * (shape.hidden_size + heads + shape.query_size) + FP32_BYTES * shape.num_attention_heads
    if shape.qk_norm:
        attention += FP32_BYTES * (shape.query_size + shape.key_value_size)
    width = shape.intermediate_size
    if shape.num_experts:
        width = shape.expert_size * (shape.num_experts_per_tok + shape.num_shared_experts)
    feed_forward = stream + (0 if recompute else 2 * low * width)
    if shape.num_experts:  # the router's input and the experts', its ratings, and where each token goes
        feed_forward += stream + (low * shape.hidden_size if low < FP32_BYTES else 0)
        feed_forward += 4 * FP32_BYTES * shape.num_experts + 32 * shape.num_experts_per_tok
    ends = 3 * stream  # the last norm's input and output, and the head's gradient
    return shape.num_hidden_layers * (attention + feed_forward) + ends


def _passing_per_position(shape: ModelShape, low: int) -> int:
    """The gradients on their way through one block, at one position."""
    mixture = FP32_BYTES * shape.hidden_size * (1 + shape.num_experts_per_tok) if shape.num_experts else 0
    return mixture + 2 * FP32_BYTES * shape.hidden_size + low * 3 * shape.query_size + low * 2 * shape.key_value_size


def _head(shape: ModelShape, positions: int) -> int:
    """Two slices of logits, and the gradient of the head's weight."""
    slices = 2 * min(LOGITS_SLICE_BYTES, FP32_BYTES * positions * shape.vocab_size)
    return slices + FP32_BYTES * shape.vocab_size * shape.hidden_size
