"""The weights a network starts from."""

import math

import torch
from torch import Tensor, nn

from engine.model.mixture import Experts
from engine.model.norm import RMSNorm
from engine.settings.shape import Initializer

_DEVIATION = 0.02


@torch.no_grad()
def initialise(model: nn.Module, kind: Initializer, generator: torch.Generator | None = None) -> None:
    """Draw every weight of `model`, in the order of its modules, so that a seed fixes them all.

    `linear`: each matrix uniform in +-1/sqrt(fan_in), the embedding sharing the head's values, as torch draws its own
    linear layers. `normal`: mean 0, deviation 0.02. Norm weights are 1.
    """
    drawn: set[int] = set()
    for module in model.modules():
        if isinstance(module, RMSNorm):
            module.weight.fill_(1.0)
        elif isinstance(module, nn.Linear | nn.Embedding) and id(module.weight) not in drawn:
            drawn.add(id(module.weight))
            _draw(module.weight, kind, generator)
        elif isinstance(module, Experts):
            for stack in module.parameters():
                _draw(stack, kind, generator)


def _draw(matrices: Tensor, kind: Initializer, generator: torch.Generator | None) -> None:
    """Fill a matrix, or a stack of them, (..., rows, fan_in)."""
    if kind == "normal":
        matrices.normal_(0.0, _DEVIATION, generator=generator)
    else:
        bound = 1 / math.sqrt(matrices.shape[-1])
        matrices.uniform_(-bound, bound, generator=generator)
