"""The auxiliary loss of a mixture of experts, and what the routers of an update did."""

import torch
from torch import Tensor

from engine.model.router import Routing
from engine.settings.balancing import Balancing


def auxiliary_loss(routing: Routing, balancing: Balancing) -> Tensor:
    """The loss of one micro-batch's routers, summed over layers; a scalar, fp32.

    For tokens whose K choices fall on expert e with share f_e (summing to 1) and to which the router gives e the mean
    probability p_e, a layer costs coefficient * E * sum_e f_e p_e: the coefficient itself when the load is even, up to
    E times that when it is not (Switch Transformer, Fedus et al. 2021, arXiv:2101.03961, where K is 1; as f sums to 1
    the loss does not grow with K). `batch` takes all tokens together; `sequence` takes those of each row, and the mean
    over the rows that have any (DeepSeek-V2, arXiv:2405.04434). The z-loss adds z_coefficient * the mean square of the
    logits' log-sum-exp (ST-MoE, Zoph et al. 2022, arXiv:2202.08906). Padding does not count.
    """
    if balancing.kind == "batch":
        routing = Routing(*(each.sum(dim=1, keepdim=True) for each in routing))  # as one row of all tokens
    chosen, probability, squared_log_sum, tokens = routing  # (L, B, E), (L, B, E), (L, B), (L, B)
    experts = chosen.shape[-1]
    share = chosen / chosen.sum(dim=-1, keepdim=True).clamp(min=1)
    mean = probability / tokens[..., None].clamp(min=1)
    rows = (tokens > 0).sum(dim=1).clamp(min=1)  # (L,)
    balance = (share * mean).sum(dim=(1, 2)) * experts / rows
    spread = squared_log_sum.sum(dim=1) / tokens.sum(dim=1).clamp(min=1)
    return (balancing.coefficient * balance + balancing.z_coefficient * spread).sum()


class RouterTally:
    """Sums over the micro-batches of an update. Across ranks both are to be added up.

    auxiliary: the auxiliary loss, each micro-batch weighted by its share of the update's target tokens; a scalar.
    slots: how many slots (a token and one of its choices) each expert got, (L, E).
    """

    def __init__(self, balancing: Balancing, layers: int, experts: int, device: torch.device) -> None:
        self._balancing = balancing
        self.auxiliary = torch.zeros((), device=device)
        self.slots = torch.zeros(layers, experts, dtype=torch.int64, device=device)

    def add(self, routing: Routing, share: float) -> Tensor:
        """Count a micro-batch; returns its part of the update's auxiliary loss, to call backward on."""
        loss = auxiliary_loss(routing, self._balancing) * share
        self.auxiliary += loss.detach()
        self.slots += routing.chosen.sum(dim=1)
        return loss
