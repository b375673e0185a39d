"""How many parameters a network has, how much they weigh, and what a token costs to compute."""

from typing import Literal

from engine.settings.shape import ModelShape

Optimizer = Literal["adamw", "muon"]

FP32_BYTES = 4
FP16_BYTES = 2


def parameters(shape: ModelShape) -> int:
    """Every trained number, the tied head counted once."""
    return _embedding(shape) + _matrices(shape) + _routers(shape) + _norms(shape)


def active_parameters(shape: ModelShape) -> int:
    """Those that one token is computed with: as `parameters`, of the routed experts the chosen ones alone."""
    return _embedding(shape) + _matrices(shape, shape.num_experts_per_tok) + _routers(shape) + _norms(shape)


def expert_parameters(shape: ModelShape) -> int:
    """The routed experts' numbers in one layer; 0 in a dense network."""
    return 3 * shape.num_experts * shape.expert_size * shape.hidden_size


def _embedding(shape: ModelShape) -> int:
    return shape.vocab_size * shape.hidden_size


def _matrices(shape: ModelShape, routed: int | None = None) -> int:
    """The matrices between embedding and head, routers left out; `routed` experts of each layer, by default all."""
    attention = shape.hidden_size * 2 * (shape.query_size + shape.key_value_size)
    width = shape.intermediate_size
    if shape.num_experts:
        width = shape.expert_size * (shape.num_shared_experts + (shape.num_experts if routed is None else routed))
    return shape.num_hidden_layers * (attention + 3 * shape.hidden_size * width)


def _routers(shape: ModelShape) -> int:
    return shape.num_hidden_layers * shape.num_experts * shape.hidden_size


def _norms(shape: ModelShape) -> int:
    per_layer = 2 * shape.hidden_size + (2 * shape.head_dim if shape.qk_norm else 0)
    return shape.num_hidden_layers * per_layer + shape.hidden_size


def optimizer_bytes(shape: ModelShape, optimizer: Optimizer = "adamw") -> int:
    """What the optimiser remembers, fp32: AdamW two numbers a parameter, Muon one for each matrix inside."""
    return FP32_BYTES * (2 * parameters(shape) - (_matrices(shape) if optimizer == "muon" else 0))


def checkpoint_bytes(shape: ModelShape, optimizer: Optimizer = "adamw") -> int:
    """A checkpoint on disk, to within some kilobytes: fp32 weights without the tied head, and the optimiser's state."""
    return FP32_BYTES * parameters(shape) + optimizer_bytes(shape, optimizer)


def published_bytes(shape: ModelShape) -> int:
    """One published file, .pth or .safetensors, to within some kilobytes: fp16, the head written out as well."""
    return FP16_BYTES * (parameters(shape) + _embedding(shape))


def flops_per_token(shape: ModelShape, context: float) -> float:
    """Floating-point operations that training spends on one token: forward, and backward at twice that.

    6 for each weight that multiplies the token (the head and the chosen experts counted, the embedding's lookup, the
    other experts and the norms not), plus
    12 * layers * heads * head_dim * context for the scores and their use, after appendix B of PaLM (Chowdhery et al.
    2022, arXiv:2204.02311). `context` is how many positions a token's attention spans, masked ones included: there the
    row's length, for packed rows the mean length of a token's own document.
    """
    weights = _embedding(shape) + _matrices(shape, shape.num_experts_per_tok) + _routers(shape)
    return 6.0 * weights + 12.0 * shape.num_hidden_layers * shape.query_size * context
