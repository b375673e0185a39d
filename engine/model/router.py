"""Which experts a token goes through, and what the router did, for the losses that balance it."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.model.precision import without_autocast
from engine.settings.shape import ModelShape


class Choice(NamedTuple):
    """The experts (N, K) of N tokens, the likeliest first, and their weights (N, K)."""

    experts: Tensor
    weights: Tensor


class Routing(NamedTuple):
    """Sums over the tokens of each row, padding left out, of one layer: (B, ...), or of all of them: (L, B, ...).

    chosen: slots each expert got, (B, E). probability: the router's softmax, (B, E), and squared_log_sum: the square of
    its logits' log-sum-exp, (B,); these two carry gradients. tokens: (B,).
    """

    chosen: Tensor
    probability: Tensor
    squared_log_sum: Tensor
    tokens: Tensor


class Router(nn.Linear):
    """Rates the experts for each token: a softmax over `num_experts` logits, in fp32 whatever surrounds it."""

    def __init__(self, shape: ModelShape) -> None:
        super().__init__(shape.hidden_size, shape.num_experts, bias=False)
        self.choices = shape.num_experts_per_tok
        self.scale = shape.norm_topk_prob

    def rate(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, T, E) for `x` (B, T, C), and their softmax; at least fp32."""
        wide = torch.promote_types(x.dtype, torch.float32)
        with without_autocast(x):
            logits = F.linear(x.to(wide), self.weight.to(wide))
            return logits, logits.softmax(dim=-1)

    def choose(self, probabilities: Tensor) -> Choice:
        """The experts of each token by `probabilities` (B, T, E)."""
        weights, experts = probabilities.flatten(0, 1).topk(self.choices, dim=-1)
        if self.scale:
            weights = weights / weights.sum(dim=-1, keepdim=True)
        return Choice(experts, weights)


def routing_of(logits: Tensor, probabilities: Tensor, experts: Tensor, real: Tensor | None) -> Routing:
    """What a router did with (B, T) tokens, given its output (B, T, E), the chosen `experts` (N, K), and which are
    `real` (B, T), None meaning all.
    """
    rows, width, count = logits.shape
    if real is None:
        real = torch.ones(rows, width, dtype=torch.bool, device=logits.device)
    each = torch.arange(count, device=logits.device)
    chosen = logits.new_zeros(rows, width, count, dtype=torch.int32)
    for choice in experts.view(rows, width, -1).unbind(-1):  # K is small; (B, T, K, E) at once may be large
        chosen = chosen + (choice[..., None] == each)
    weight = real[..., None].to(logits.dtype)  # (B, T, 1)
    return Routing(
        chosen=(chosen * real[..., None]).sum(dim=1),
        probability=(probabilities * weight).sum(dim=1),
        squared_log_sum=(logits.logsumexp(dim=-1).square() * weight[..., 0]).sum(dim=1),
        tokens=real.sum(dim=1),
    )
