"""RMSNorm, in both places where MiniMind's generations return to the input's dtype."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from engine.settings.shape import NormCast


def normalise(x: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """`x` (..., C) over its root mean square, and the reciprocal of that (..., 1)."""
    mean_square = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_().div_(x.shape[-1])
    reciprocal = mean_square.add_(eps).rsqrt_()
    return x * reciprocal, reciprocal


def normalise_backward(grad: Tensor, normalised: Tensor, reciprocal: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """From the gradient of normalised * weight, that of the input (..., C) and that of the weight (C,)."""
    scratch = grad * normalised
    grad_weight = scratch.flatten(0, -2).sum(dim=0)
    along = (scratch @ weight)[..., None].div_(-weight.shape[0])  # minus the mean of grad * weight * normalised
    grad_x = torch.mul(grad, weight, out=scratch).addcmul_(normalised, along).mul_(reciprocal)
    return grad_x, grad_weight


class _RmsNorm(torch.autograd.Function):
    """fp32 (or fp64) RMSNorm that keeps its input and one number a row; plain operations keep three copies."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        normalised, reciprocal = normalise(x, eps)
        ctx.save_for_backward(x, weight, reciprocal)
        return normalised.mul_(weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        x, weight, reciprocal = ctx.saved_tensors
        return *normalise_backward(grad, x * reciprocal, reciprocal, weight), None


class RMSNorm(nn.Module):
    """x / sqrt(mean(x^2) + eps) * weight over the last dimension, the mean taken in fp32."""

    def __init__(self, size: int, eps: float, cast: NormCast) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps
        self.cast = cast

    def is_fused_for(self, x: Tensor) -> bool:
        """Whether hand-written gradients apply: full precision, where the cast plays no part, and eager."""
        full_precision = x.dtype == self.weight.dtype and x.dtype in (torch.float32, torch.float64)
        return full_precision and not torch.compiler.is_compiling()

    def forward(self, x: Tensor) -> Tensor:  # (..., C) -> (..., C)
        """The normalised `x`."""
        if self.is_fused_for(x):
            return _RmsNorm.apply(x, self.weight, self.eps)  # type: ignore[no-any-return,no-untyped-call]
        wide = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
        normalised = wide * torch.rsqrt(wide.square().mean(dim=-1, keepdim=True) + self.eps)
        if self.cast == "before_weight":
            return self.weight * normalised.type_as(x)
        return (self.weight * normalised).type_as(x)
