"""x + down(silu(gate(norm(x))) * up(norm(x))) as one differentiable step, computed in chunks of positions.

As separate operations this half of a block keeps six large tensors for the backward pass and moves each of them through
memory several times. Here only x, gate and up are kept (only x when recomputing), and what lies between two matrix
products stays in the processor's cache.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from engine.model.feed_forward import SwigluWeights
from engine.model.norm import RMSNorm, normalise, normalise_backward
from engine.model.precision import add_product, compute_dtype, without_autocast

_CHUNK_BYTES = 6 * 2**20  # of a chunk's widest value on a cpu; an accelerator takes all positions at once


def _chunks(x: Tensor, width: int) -> list[slice]:
    rows = x.shape[0]
    step = max(64, _CHUNK_BYTES // (4 * width)) if x.device.type == "cpu" else max(1, rows)
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]


class _FusedFeedForward(torch.autograd.Function):
    """N positions, C wide outside and I inside: x (N, C), norm (C,), gate and up weights (I, C), down (C, I)."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, norm: Tensor, gate_weight: Tensor, up_weight: Tensor, down_weight: Tensor, *how: Any
    ) -> Tensor:
        eps, keep = how
        dtype = compute_dtype(x)
        rows, width = x.shape[0], gate_weight.shape[0]
        to_gate, to_up, to_out = (weight.to(dtype).T for weight in (gate_weight, up_weight, down_weight))
        gates, ups = (x.new_empty(rows if keep else 0, width, dtype=dtype) for _ in range(2))
        y = torch.empty_like(x)
        with without_autocast(x):
            for part in _chunks(x, width):
                inner = normalise(x[part], eps)[0].mul_(norm).to(dtype)  # (n, C)
                gate, up = inner @ to_gate, inner @ to_up  # (n, I)
                if keep:
                    gates[part], ups[part] = gate, up
                torch.add(x[part], up.mul_(F.silu(gate)) @ to_out, out=y[part])
        ctx.save_for_backward(x, norm, gate_weight, up_weight, down_weight, gates, ups)
        ctx.eps, ctx.keep, ctx.dtype = eps, keep, dtype
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, norm, gate_weight, up_weight, down_weight, gates, ups = ctx.saved_tensors
        from_gate, from_up, from_out = (weight.to(ctx.dtype) for weight in (gate_weight, up_weight, down_weight))
        grad_x = torch.empty_like(x)
        grad_norm, grad_gate_weight, grad_up_weight, grad_down_weight = (
            torch.zeros_like(weight) for weight in (norm, gate_weight, up_weight, down_weight)
        )
        with without_autocast(x):
            for part in _chunks(x, gate_weight.shape[0]):
                normalised, reciprocal = normalise(x[part], ctx.eps)
                inner = (normalised * norm).to(ctx.dtype)  # (n, C)
                gate, up = (gates[part], ups[part]) if ctx.keep else (inner @ from_gate.T, inner @ from_up.T)
                activated = F.silu(gate)  # (n, I)
                grad_out = grad[part].to(ctx.dtype)
                add_product(grad_down_weight, grad_out.T, activated * up)
                grad_hidden = grad_out @ from_out  # (n, I)
                grad_up = activated.mul_(grad_hidden)
                grad_gate = torch.ops.aten.silu_backward(grad_hidden.mul_(up), gate)
                add_product(grad_gate_weight, grad_gate.T, inner)
                add_product(grad_up_weight, grad_up.T, inner)
                grad_inner = (grad_gate @ from_gate).addmm_(grad_up, from_up).to(x.dtype)  # (n, C)
                through, grad_norm_part = normalise_backward(grad_inner, normalised, reciprocal, norm)
                grad_norm += grad_norm_part
                torch.add(grad[part], through, out=grad_x[part])
        return grad_x, grad_norm, grad_gate_weight, grad_up_weight, grad_down_weight, None, None


def fused_feed_forward(x: Tensor, norm: RMSNorm, weights: SwigluWeights, *, keep: bool) -> Tensor:
    """x + swiglu(norm(x)) for a stream `x` (B, T, C) of the norm's own dtype, fp32 or fp64.

    `keep` holds the gate and up values for the backward pass; without it they are computed a second time there.
    """
    y: Tensor = _FusedFeedForward.apply(x.flatten(0, -2), norm.weight, *weights, norm.eps, keep)  # type: ignore[no-untyped-call]
    return y.view(x.shape)
