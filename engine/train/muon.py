"""Muon: momentum whose direction is orthogonalised, for the hidden matrices of a network.

The update of a matrix W with gradient G, after Keller Jordan ("Muon: an optimizer for hidden layers in neural
networks", 2024):

    M <- momentum * M + (1 - momentum) * G          an average; its scale does not matter, only its direction does
    U <- momentum * M + (1 - momentum) * G          Nesterov's look ahead
    O <- U with all singular values brought near 1   (`orthogonalize`)
    W <- (1 - lr * weight_decay) * W - lr * 0.2 * sqrt(max(rows, columns)) * O

The factor 0.2 * sqrt(max(rows, columns)) gives the update the root mean square that AdamW's has (Liu et al., "Muon is
scalable for LLM training", 2025, arXiv:2502.16982), so AdamW's learning rate and weight decay serve both optimisers.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast, overload

import torch
from torch import Tensor

NEWTON_SCHULZ_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""a, b, c of p(s) = a s + b s^3 + c s^5, Keller Jordan's: steepest at zero, so small singular values rise fastest."""
NEWTON_SCHULZ_STEPS = 5
SINGULAR_BAND = (0.65, 1.25)
"""Where five steps bring every singular value that was at least 1 % of the matrix's Frobenius norm."""

_EPSILON = 1e-7
_CHUNK_BYTES = 64 * 2**20
"""Most bytes of matrices orthogonalised together: bounds the memory of a step, large enough to fill a GPU."""


@torch.no_grad()
def orthogonalize(matrices: Tensor, *, dtype: torch.dtype = torch.float32) -> Tensor:
    """Matrices near U V^T, where U S V^T are the given ones: all singular values end up close to 1.

    `matrices` is (N, rows, columns); the result has its shape and dtype. A quintic Newton-Schulz iteration
    in `dtype`: every step applies p(s) (see NEWTON_SCHULZ_COEFFICIENTS) to all singular values with matrix products
    alone. The iteration does not converge to exactly 1 but into SINGULAR_BAND, which serves as well. A zero matrix
    stays zero.
    """
    a, b, c = NEWTON_SCHULZ_COEFFICIENTS
    tall = matrices.size(-2) > matrices.size(-1)
    x = matrices.mT if tall else matrices
    norm = torch.linalg.vector_norm(x.float(), dim=(-2, -1), keepdim=True).add_(_EPSILON)  # spectral norm <= this
    x = (x / norm).to(dtype).contiguous()
    following = torch.empty_like(x)
    rows = x.size(-2)
    gram, polynomial = (x.new_empty(x.size(0), rows, rows) for _ in range(2))
    for _ in range(NEWTON_SCHULZ_STEPS):
        torch.bmm(x, x.mT, out=gram)
        torch.baddbmm(gram, gram, gram, beta=b, alpha=c, out=polynomial)
        torch.baddbmm(x, polynomial, x, beta=a, out=following)
        x, following = following, x
    return (x.mT if tall else x).to(matrices.dtype)


class Muon(torch.optim.Optimizer):
    """Muon over 2-D parameters, and over 3-D ones as stacks of matrices (N, rows, columns).

    Matrices of one shape, lying or standing, are orthogonalised together, at most _CHUNK_BYTES at a time. The batches
    depend on the parameters and their order alone, so the same state gives the same update bit for bit. `dtype` is what
    the iteration computes in: bfloat16 where the hardware multiplies it natively, else float32 (emulated bfloat16 is
    slower by far and coarser). State: one momentum buffer a parameter. Gradients must be finite: the caller checks.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float,
        *,
        momentum: float = 0.95,
        weight_decay: float = 0.01,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        if lr < 0.0 or weight_decay < 0.0 or not 0.0 <= momentum < 1.0:
            raise ValueError(f"lr {lr}, weight_decay {weight_decay} or momentum {momentum} is out of bounds")
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self.dtype = dtype
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.ndim not in (2, 3):
                    raise ValueError(f"Muon is for matrices, not for a parameter of shape {tuple(parameter.shape)}")

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One update of every parameter that has a gradient."""
        if closure is not None:
            raise ValueError("Muon makes its update from the gradients alone and takes no closure")
        for group in self.param_groups:
            parameters = [p for p in group["params"] if p.grad is not None]
            if parameters:
                self._update(parameters, group["lr"], group["momentum"], group["weight_decay"])
        return None

    def _update(self, parameters: list[Tensor], lr: float, momentum: float, weight_decay: float) -> None:
        gradients = [cast(Tensor, p.grad) for p in parameters]
        averages = [self._average(p) for p in parameters]
        torch._foreach_lerp_(averages, gradients, 1.0 - momentum)
        if weight_decay:
            torch._foreach_mul_(parameters, 1.0 - lr * weight_decay)
        for chunk in _chunks(zip(parameters, gradients, averages, strict=True)):
            weights, grads, means = zip(*chunk, strict=True)
            ahead = torch.stack(grads).lerp_(torch.stack(means), momentum)
            directions = orthogonalize(ahead, dtype=self.dtype)
            scale = 0.2 * max(directions.shape[-2:]) ** 0.5
            torch._foreach_add_(list(weights), list(directions.unbind()), alpha=-lr * scale)

    def _average(self, parameter: Tensor) -> Tensor:
        state = self.state[parameter]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(parameter, memory_format=torch.preserve_format)
        return cast(Tensor, state["momentum_buffer"])


_Matrix = tuple[Tensor, Tensor, Tensor]


def _chunks(triples: Iterable[_Matrix]) -> Iterator[list[_Matrix]]:
    """The matrices of `triples` (weight, gradient, average) as lying views, gathered by shape, in bounded chunks."""
    by_shape: dict[tuple[int, int], list[_Matrix]] = {}
    for triple in triples:
        rows, columns = triple[0].shape[-2:]
        lying = [t.flatten(0, -3).unbind() if t.ndim > 2 else (t,) for t in triple]
        for matrix in zip(*lying, strict=True):
            views = cast(_Matrix, tuple(t.mT if rows > columns else t for t in matrix))
            by_shape.setdefault((min(rows, columns), max(rows, columns)), []).append(views)
    for (rows, columns), members in by_shape.items():
        most = max(1, _CHUNK_BYTES // (4 * rows * columns))
        for start in range(0, len(members), most):
            yield members[start : start + most]
