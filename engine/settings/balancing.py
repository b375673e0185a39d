"""How the load of a mixture's experts is balanced."""

from dataclasses import dataclass
from typing import Literal

from engine.settings.settings import Settings


@dataclass(frozen=True, slots=True)
class Balancing:
    """What keeps a router from sending all tokens to few experts, added to the cross-entropy.

    `kind` says over which tokens the load is balanced: those of each row (`sequence`, MiniMind's second generation) or
    of a whole micro-batch (`batch`, the third); `coefficient` and `z_coefficient` weigh it and the router's z-loss.
    """

    kind: Literal["sequence", "batch"]
    coefficient: float
    z_coefficient: float = 0.0


def balancing_of(settings: Settings) -> Balancing | None:
    """How the experts of a run with `settings` are balanced, what is `auto` by architecture; None for a dense one."""
    if not settings.use_moe:
        return None
    third = settings.architecture == "minimind3"
    usual: Literal["sequence", "batch"] = "batch" if third else "sequence"
    return Balancing(
        usual if settings.aux_loss == "auto" else settings.aux_loss,
        (5e-4 if third else 0.01) if settings.aux_loss_coef == "auto" else settings.aux_loss_coef,
        settings.router_z_loss_coef,
    )
