"""The optimiser of a run behind one interface, the gate that keeps non-finite gradients out, and fp16's loss scale."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from engine.errors import UserError
from engine.language import _
from engine.train.muon import Muon

OptimizerKind = Literal["adamw", "muon"]
OPTIMIZER_KINDS: tuple[OptimizerKind, ...] = ("adamw", "muon")


class ModelOptimizer:
    """All optimisers of a model as one: they step together or not at all.

    `parts` maps `adamw` and `muon` to torch optimisers over disjoint parameters. The learning rate is a Python float
    that `set_lr` writes before each update. The state is kept by parameter name, so neither the order of the parameters
    nor the grouping by weight decay is part of it; the hyperparameters come from the settings, never from the state.
    """

    def __init__(self, kind: OptimizerKind, parts: dict[str, torch.optim.Optimizer], names: dict[Tensor, str]) -> None:
        self.kind = kind
        self.parts = parts
        self._names = names

    @property
    def parameters(self) -> list[Tensor]:
        """Every parameter that is trained, each once."""
        return [p for part in self.parts.values() for group in part.param_groups for p in group["params"]]

    @property
    def has_state(self) -> bool:
        """Whether a step was made, here or before a checkpoint: its tensors are in memory then."""
        return any(part.state for part in self.parts.values())

    @property
    def lr(self) -> float:
        """The learning rate of the next update."""
        return float(next(iter(self.parts.values())).param_groups[0]["lr"])

    def set_lr(self, lr: float) -> None:
        """Set the learning rate of the next update, for all parts."""
        for part in self.parts.values():
            for group in part.param_groups:
                group["lr"] = lr

    def step(self) -> None:
        """One update from the gradients as they are. Pass them through `clip_grad_norm` first."""
        for part in self.parts.values():
            part.step()

    def zero_grad(self) -> None:
        """Drop all gradients, freeing their memory."""
        for part in self.parts.values():
            part.zero_grad(set_to_none=True)

    def parameter_counts(self) -> dict[str, int]:
        """How many numbers each part trains, for the log."""
        return {
            name: sum(p.numel() for group in part.param_groups for p in group["params"])
            for name, part in self.parts.items()
        }

    def state_dict(self) -> dict[str, Any]:
        """`kind`, the sorted `names` of all trained parameters and their `state` by name; loads with weights_only."""
        state = {self._names[p]: dict(values) for part in self.parts.values() for p, values in part.state.items()}
        return {"kind": self.kind, "names": sorted(self._names.values()), "state": state}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Continue from a state that `state_dict` gave, bit for bit.

        Raises UserError when it belongs to another kind of optimiser or to a model with other parameters.
        """
        if saved["kind"] != self.kind:
            raise UserError(
                _(
                    "The checkpoint was trained with the optimizer {saved}, this run asks for {wanted}. Resume with "
                    "{saved}, or fork the run: a fork may change the optimizer and starts its state anew."
                ).format(saved=saved["kind"], wanted=self.kind)
            )
        odd = sorted(set(saved["names"]) ^ set(self._names.values()))
        if odd:
            raise UserError(
                _(
                    "The optimizer's state in the checkpoint belongs to another model: {count} parameters are only on "
                    "one side, {name} for example. Resume with the settings of the run that saved it."
                ).format(count=len(odd), name=odd[0])
            )
        for part in self.parts.values():
            fresh = part.state_dict()
            ordered = [p for group in part.param_groups for p in group["params"]]
            found = {i: saved["state"].get(self._names[p]) for i, p in enumerate(ordered)}
            self._check_shapes(ordered, found)
            fresh["state"] = {i: values for i, values in found.items() if values is not None}
            part.load_state_dict(fresh)

    def _check_shapes(self, parameters: Sequence[Tensor], states: dict[int, dict[str, Any] | None]) -> None:
        for i, parameter in enumerate(parameters):
            for value in (states[i] or {}).values():
                if isinstance(value, Tensor) and value.ndim and value.shape != parameter.shape:
                    raise UserError(
                        _(
                            "The optimizer's state of {name} in the checkpoint has shape {saved}, the model has "
                            "{wanted}. Resume with the shape of the run that saved it."
                        ).format(name=self._names[parameter], saved=list(value.shape), wanted=list(parameter.shape))
                    )


def build_optimizer(
    model: nn.Module,
    kind: OptimizerKind = "adamw",
    *,
    lr: float,
    weight_decay: float = 0.01,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    decay_matrices_only: bool = False,
    muon_momentum: float = 0.95,
    muon_dtype: torch.dtype = torch.float32,
) -> ModelOptimizer:
    """The optimiser of `model`'s trainable parameters, tied ones once.

    `adamw` trains everything with AdamW; the defaults are MiniMind's, which decays every parameter. `muon` trains the
    hidden matrices with Muon and the rest (embedding, head, router, norms) with AdamW, at the same learning rate and
    weight decay. `decay_matrices_only` spares parameters of fewer than two dimensions (norms) the decay.
    """
    names: dict[Tensor, str] = {p: name for name, p in model.named_parameters() if p.requires_grad}
    hidden = _hidden_matrices(model) if kind == "muon" else set()
    parts: dict[str, torch.optim.Optimizer] = {}
    matrices = [p for p in names if p in hidden]
    if matrices:
        parts["muon"] = Muon(matrices, lr, momentum=muon_momentum, weight_decay=weight_decay, dtype=muon_dtype)
    rest = [p for p in names if p not in hidden]
    decayed = [p for p in rest if p.ndim >= 2 or not decay_matrices_only]
    spared = [p for p in rest if p.ndim < 2 and decay_matrices_only]
    groups = [
        {"params": members, "weight_decay": decay}
        for members, decay in ((decayed, weight_decay), (spared, 0.0))
        if members
    ]
    if groups:
        # The fused kernel is the fastest on cuda and on cpu (8 times the plain loop there, 20 times foreach).
        fused = all(p.device.type in ("cpu", "cuda") for p in rest)
        parts["adamw"] = torch.optim.AdamW(groups, lr=lr, betas=betas, eps=eps, fused=fused or None)
    return ModelOptimizer(kind, parts, names)


def _hidden_matrices(model: nn.Module) -> set[Tensor]:
    """The parameters Muon is made for: matrices, or stacks of them, between the embedding and the head.

    A router (`mlp.gate`) is a small classifier, not a hidden layer: its rows are experts and are best left to AdamW.
    """
    ends = {p for m in model.modules() if isinstance(m, nn.Embedding) for p in m.parameters(recurse=False)}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if "lm_head" in name.split(".") or name.endswith(("mlp.gate.weight", "router.weight")):
            ends.add(parameter)
    return {p for p in model.parameters() if p.requires_grad and p.ndim in (2, 3) and p not in ends}


class GradNorm(NamedTuple):
    """What `clip_grad_norm` found: the norm before clipping, whether all was finite, the extra scalars as floats."""

    norm: float
    finite: bool
    extra: tuple[float, ...]


@torch.no_grad()
def clip_grad_norm(
    parameters: Iterable[Tensor], max_norm: float, *, loss_scale: float = 1.0, extra: Sequence[Tensor] = ()
) -> GradNorm:
    """Scale all gradients together so that their 2-norm is at most `max_norm` (0: no clipping), and gate the update.

    When anything is not finite the gradients are left as they are and `finite` is False: no optimiser may step then.
    `loss_scale` is what the loss was multiplied with; gradients come out divided by it, and the norm is the true one.
    `extra` are scalar tensors to read in the same transfer (the loss); they must be finite as well. One device
    synchronisation in all. Across ranks, gradients and `extra` must be the reduced ones, so that all ranks agree.
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    norms = torch._foreach_norm(gradients, 2.0) if gradients else [torch.zeros(())]
    total = torch.linalg.vector_norm(torch.stack([norm.float() for norm in norms]))
    scaled, *values = torch.stack([total, *(value.detach().float().to(total.device) for value in extra)]).tolist()
    norm = scaled / loss_scale
    finite = all(map(math.isfinite, (norm, *values)))
    if finite and gradients:
        factor = min(1.0, max_norm / (norm + 1e-6)) if max_norm > 0.0 else 1.0
        factor /= loss_scale
        if factor != 1.0:
            torch._foreach_mul_(gradients, factor)
    return GradNorm(norm, finite, tuple(values))


class LossScaler:
    """The factor on the loss that keeps small gradients above fp16's smallest number; 1 and idle when disabled.

    The rule is the usual one for mixed precision (Micikevicius et al., 2018, arXiv:1710.03740): halve the scale when an
    update was not finite, double it after `growth_interval` good ones. The scale is a Python float: deciding costs no
    synchronisation beyond that of `clip_grad_norm`, and one decision holds for all optimisers.
    """

    def __init__(self, enabled: bool, *, initial: float = 2.0**16, growth_interval: int = 2000) -> None:
        self.enabled = enabled
        self.scale = initial if enabled else 1.0
        self.growth_interval = growth_interval
        self._good_updates = 0

    @property
    def shown(self) -> float | None:
        """The scale for a log; None when there is none."""
        return self.scale if self.enabled else None

    @property
    def is_searching(self) -> bool:
        """Whether an update that is not finite now is the scale's doing: half of it is still above 1."""
        return self.enabled and max(self.scale / 2.0, _SMALLEST_SCALE) > 1.0

    def scale_loss(self, loss: Tensor) -> Tensor:
        """The loss to call backward on."""
        return loss * self.scale if self.enabled else loss

    def update(self, finite: bool) -> None:
        """Adapt the scale after an update was made (`finite`) or skipped."""
        if not self.enabled:
            return
        if not finite:
            self.scale = max(self.scale / 2.0, _SMALLEST_SCALE)
            self._good_updates = 0
            return
        self._good_updates += 1
        if self._good_updates >= self.growth_interval:
            self.scale *= 2.0
            self._good_updates = 0

    def state_dict(self) -> dict[str, Any]:
        """The state, plain numbers; the same keys whether enabled or not."""
        return {"enabled": self.enabled, "scale": self.scale, "good_updates": self._good_updates}

    def load_state_dict(self, saved: dict[str, Any]) -> str | None:
        """Continue from `saved`; a sentence for the log when the two do not fit, which makes the resume inexact."""
        if self.enabled and saved["enabled"]:
            self.scale = float(saved["scale"])
            self._good_updates = int(saved["good_updates"])
            return None
        if self.enabled:
            return _(
                "The checkpoint was trained without loss scaling, this run is in fp16 and needs it: the scale starts "
                "at {scale:g}, and the first updates may be skipped until it fits."
            ).format(scale=self.scale)
        if saved["enabled"]:
            return _(
                "The checkpoint was trained in fp16 with a loss scale of {scale:g}, this run needs none: it is dropped."
            ).format(scale=float(saved["scale"]))
        return None


_SMALLEST_SCALE = 2.0**-14
"""Below this the loss itself is lost in fp16; gradients that still overflow are the model's, not the scale's."""
