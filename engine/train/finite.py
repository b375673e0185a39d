"""Whether a model and its optimiser still hold numbers: what is not finite must never be saved or published as good."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from engine.model.transformer import LanguageModel
from engine.train.optimizers import ModelOptimizer


class NotFiniteError(Exception):
    """Weights or optimiser state hold NaN or infinity; `names` are the tensors."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(", ".join(names))
        self.names = names


def not_finite(model: LanguageModel, optimizer: ModelOptimizer | None = None) -> list[str]:
    """The names of weights, and of tensors of the optimiser's state, that hold NaN or infinity.

    The largest magnitude of each is read, which neither overflows nor hides a NaN; one device synchronisation in all.
    """
    tensors: dict[str, Tensor] = dict(model.named_parameters())
    if optimizer is not None:
        for name, values in optimizer.state_dict()["state"].items():
            tensors |= {f"{name} ({kind})": value for kind, value in values.items() if torch.is_tensor(value)}
    return names_not_finite(tensors)


@torch.no_grad()
def names_not_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    """The names of those that hold NaN or infinity."""
    names = [name for name, tensor in tensors.items() if tensor.is_floating_point() and tensor.numel()]
    finite = are_finite(tensors[name] for name in names)
    return [name for name, holds in zip(names, finite, strict=True) if not holds]


@torch.no_grad()
def are_finite(tensors: Iterable[Tensor]) -> list[bool]:
    """Whether each holds finite numbers alone."""
    listed = [tensor.detach() for tensor in tensors]
    if not listed:
        return []
    device = listed[0].device
    largest = torch._foreach_norm(listed, float("inf"))
    return torch.stack([value.float().to(device) for value in largest]).isfinite().tolist()
