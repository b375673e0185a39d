"""Rotary position embedding in the rotate-half layout: channel i of a head turns together with channel i + D/2."""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class Rotation(NamedTuple):
    """Cosine and sine of every position's angles, fp32, each (B, T, 1, D/2), shared by all heads and layers."""

    cos: Tensor
    sin: Tensor


def rotation(positions: Tensor, head_dim: int, theta: float) -> Rotation:
    """The angles of `positions` (B, T): channel pair i turns by position * theta ** (-2i / D).

    Computed in fp32 from the positions themselves; there is no table to store, to load or to outgrow.
    """
    exponent = torch.arange(0, head_dim, 2, dtype=torch.float32, device=positions.device) / head_dim
    angles = positions.to(torch.float32)[..., None, None] * (1.0 / theta**exponent)  # (B, T, 1, D/2)
    return Rotation(angles.cos(), angles.sin())


def _turn(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


def _turn_in_two_passes(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    turned = torch.empty_like(x, memory_format=torch.contiguous_format)
    turned_first, turned_second = turned.chunk(2, dim=-1)
    torch.mul(first, cos, out=turned_first).addcmul_(second, sin, value=-1)
    torch.mul(second, cos, out=turned_second).addcmul_(first, sin)
    return turned


class _Rotate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.save_for_backward(cos, sin)
        return _turn_in_two_passes(x, cos, sin)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        cos, sin = ctx.saved_tensors
        return _turn_in_two_passes(grad, cos, -sin), None, None


def rotate(x: Tensor, by: Rotation) -> Tensor:
    """Turn queries or keys `x` (B, T, H, D) by their positions; the result has x's dtype."""
    cos, sin = by.cos.to(x.dtype), by.sin.to(x.dtype)
    if torch.compiler.is_compiling():
        return _turn(x, cos, sin)  # the compiler fuses the plain form
    return _Rotate.apply(x, cos, sin)  # type: ignore[no-any-return,no-untyped-call]
