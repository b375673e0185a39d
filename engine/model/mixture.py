"""Mixture of experts: each token goes through the few feed-forwards that a router picks for it, and the shared ones."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from engine.model.expert_products import grouped_experts, grouped_pays, sliced_experts
from engine.model.feed_forward import FeedForward, SwigluWeights
from engine.model.precision import compute_dtype
from engine.model.router import Router, Routing, routing_of
from engine.settings.shape import ModelShape


class Experts(nn.Module):
    """E feed-forwards in three stacked parameters, so that their products need no copies: gate and up (E, I, C), down
    (E, C, I).

    In a state dict each is MiniMind's own tensors, `{expert}.gate_proj.weight` (I, C) and so on: views of the stacks.
    """

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        count, wide, narrow = shape.num_experts, shape.expert_size, shape.hidden_size
        self.gate_proj = nn.Parameter(torch.empty(count, wide, narrow))
        self.up_proj = nn.Parameter(torch.empty(count, wide, narrow))
        self.down_proj = nn.Parameter(torch.empty(count, narrow, wide))

    def _named_matrices(self, prefix: str) -> Iterator[tuple[str, Tensor]]:
        """Every expert's matrices under MiniMind's names, in MiniMind's order."""
        stacks = self._parameters.items()
        for expert in range(self.gate_proj.shape[0]):
            for name, stack in stacks:
                if stack is not None:
                    yield f"{prefix}{expert}.{name}.weight", stack[expert]

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        for name, matrix in self._named_matrices(prefix):
            destination[name] = matrix if keep_vars else matrix.detach()

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        own = dict(self._named_matrices(prefix))
        unexpected_keys += [name for name in state_dict if name.startswith(prefix) and name not in own]
        for name, matrix in own.items():
            if name not in state_dict:
                missing_keys.append(name)
            elif state_dict[name].shape != matrix.shape:
                error_msgs.append(
                    f"size mismatch for {name}: {tuple(state_dict[name].shape)} given, {tuple(matrix.shape)} wanted"
                )
            else:
                with torch.no_grad():
                    matrix.copy_(state_dict[name])


class MixtureOfExperts(nn.Module):
    """The feed-forward of a block with experts; `gate` is the router, by MiniMind's name."""

    def __init__(self, shape: ModelShape, recompute: bool) -> None:
        super().__init__()
        self.recompute = recompute
        self.experts = Experts(shape)
        self.gate = Router(shape)
        if shape.num_shared_experts:
            self.shared_experts = nn.ModuleList(
                FeedForward(shape, shape.expert_size) for _ in range(shape.num_shared_experts)
            )

    @property
    def shared_weights(self) -> SwigluWeights | None:
        """The shared experts as one feed-forward, theirs side by side: gate, up, down; None without any."""
        shared = list(getattr(self, "shared_experts", ()))
        if len(shared) < 2:
            return shared[0].weights if shared else None
        gates, ups, downs = zip(*(each.weights for each in shared), strict=True)
        return torch.cat(gates), torch.cat(ups), torch.cat(downs, dim=1)

    def forward(self, x: Tensor, real: Tensor | None = None) -> tuple[Tensor, Routing | None]:
        """What the experts make of `x` (B, T, C), the shared ones left out, and in training what the router did.

        `real` (B, T) is False at padding, which no expert sees: 0 there.
        """
        logits, probabilities = self.gate.rate(x)
        experts, weights = self.gate.choose(probabilities)
        mixed = self._routed(x.flatten(0, 1).to(compute_dtype(x)), experts.flatten(), weights.flatten(), real)
        routing = routing_of(logits, probabilities, experts, real) if self.training else None
        return mixed.view(x.shape), routing

    def _routed(self, x: Tensor, experts: Tensor, weights: Tensor, real: Tensor | None) -> Tensor:
        """`x` (N, C), the `experts` (N * K,) of its slots and their `weights`; (N, C)."""
        count, width = self.experts.gate_proj.shape[:2]
        grouped = grouped_pays(x, width)
        if real is not None:
            unreal = ~real.flatten().repeat_interleave(self.gate.choices)
            # a kernel over all groups wants every slot in one: there padding is computed and weighs nothing
            weights = weights.masked_fill(unreal, 0.0)
            experts = experts if grouped else experts.masked_fill(unreal, count)
        by_expert, order = experts.sort(stable=True)
        ends = torch.searchsorted(by_expert, torch.arange(count, device=x.device), right=True)
        counts = ends.diff(prepend=ends.new_zeros(1))
        stacks = (self.experts.gate_proj, self.experts.up_proj, self.experts.down_proj)
        if not grouped:
            keep = torch.is_grad_enabled() and not self.recompute
            return sliced_experts(x, weights, order, counts, *stacks, keep=keep)
        if self.recompute and torch.is_grad_enabled():
            return checkpoint(  # type: ignore[no-any-return]
                grouped_experts, x, weights, order, counts, *stacks, use_reentrant=False, preserve_rng_state=False
            )
        return grouped_experts(x, weights, order, counts, *stacks)
