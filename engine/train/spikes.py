"""Whether an update's loss or gradient stands out from those before it: a robust z-score over a window of them.

    z = (x - median) / max(1.4826 * MAD, floor)

MAD is the median absolute deviation from the median, and 1.4826 makes it the standard deviation where the values are
normally distributed (Rousseeuw and Croux, 1993). x is the loss in nats a target token, or the logarithm of the
gradient's norm before clipping. One-sided: only what rises stands out, so a loss that falls never does. What stood out
is not taken into the window: the measure of what is usual does not drift with what is not.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Literal, NamedTuple

WINDOW = 64
"""Updates that say what is usual."""

LEAST = 24
"""Updates before a z-score means anything. Until then a loss stands out when it is above twice the largest so far plus
one nat: a learning rate far too high shows in its first updates."""

PATIENCE = 50
"""So many updates in a row that stand out are no spike, but how it is now."""

BACK = 1.1
"""The loss has come back from a spike when it is at most this times what was usual before."""

LOSS_SHARE, LOSS_LEAST = 0.0125, 0.025
"""The loss's spread is taken for this share of its median, and for so many nats, at least: a curve without noise makes
nothing of a ripple."""

NORM_LEAST = 0.15
"""The same of the norm's logarithm."""

_CONSISTENT = 1.4826


@dataclass
class SpikeState:
    """What is usual so far; plain numbers, saved in every checkpoint.

    losses, log_norms: of the last updates that did not stand out, oldest first. in_a_row: updates since one stood out
    and the loss has not come back.
    usual: the median loss before them. told_at: the update of which a person was last told.
    lost_at, lost_usual: the update from which on what stood out became usual, and the loss before.
    """

    losses: list[float] = field(default_factory=list)
    log_norms: list[float] = field(default_factory=list)
    in_a_row: int = 0
    usual: float = 0.0
    told_at: int = 0
    lost_at: int = 0
    lost_usual: float = 0.0


class Spike(NamedTuple):
    """What stands out: the value, what is usual (medians; of the gradient its norm), and by how many deviations.

    z is infinite where there were too few updates for a z-score.
    """

    what: Literal["loss", "gradient"]
    value: float
    usual: float
    z: float


class SpikeDetector:
    """Looks at each update once, in order; `threshold` is the z from which one stands out.

    A function of what it was shown alone: ranks that see the same sums decide alike, and so does a resumed run.
    """

    def __init__(self, state: SpikeState, threshold: float) -> None:
        self.state = state
        self.threshold = threshold

    def observe(self, loss: float, norm: float, share: float = 1.0) -> Spike | None:
        """Look at an update of finite loss and gradient norm, and take it into the window unless it stands out.

        `share`: its rows as a share of a whole update's. A smaller one is expected to scatter more, with the root of
        that, and says nothing of what is usual.
        """
        state, log_norm = self.state, math.log(max(norm, 1e-30))
        spike = self._loss(loss, share) or self._gradient(norm, log_norm, share)
        if spike is None and state.in_a_row and loss > min(BACK * state.usual, self.limit(share)):
            state.in_a_row += 1  # on its way back at best
            return None
        if spike is None:
            state.in_a_row = 0
            if share >= 1.0:
                state.losses = [*state.losses, loss][-WINDOW:]
                state.log_norms = [*state.log_norms, log_norm][-WINDOW:]
            return None
        if state.in_a_row == 0:
            state.usual = median(state.losses)
        state.in_a_row += 1
        return spike

    def accept(self, step: int) -> None:
        """Forget what was usual: what has stood out up to update `step` is how it is now."""
        state = self.state
        state.lost_at, state.lost_usual = step - state.in_a_row + 1, state.usual
        state.losses, state.log_norms, state.in_a_row = [], [], 0

    def limit(self, share: float = 1.0) -> float:
        """The loss from which the next update would stand out; infinite while nothing is known."""
        losses = self.state.losses
        if not losses:
            return math.inf
        if len(losses) < LEAST:
            return 2.0 * max(losses) + 1.0
        usual, spread = _usual(losses)
        spread = max(spread, LOSS_SHARE * abs(usual), LOSS_LEAST)
        return usual + self.threshold * spread / math.sqrt(share)

    def _loss(self, loss: float, share: float) -> Spike | None:
        losses = self.state.losses
        limit = self.limit(share)
        if loss <= limit:
            return None
        usual = median(losses)
        z = self.threshold * (loss - usual) / (limit - usual) if len(losses) >= LEAST else math.inf
        return Spike("loss", loss, usual, z)

    def _gradient(self, norm: float, log_norm: float, share: float) -> Spike | None:
        log_norms = self.state.log_norms
        if len(log_norms) < LEAST:
            return None
        usual, spread = _usual(log_norms)
        # the norm of noise grows with the root of what its mean lacks in rows
        z = (log_norm + 0.5 * math.log(share) - usual) / max(spread, NORM_LEAST)
        return Spike("gradient", norm, math.exp(usual), z) if z > self.threshold else None


def _usual(values: Sequence[float]) -> tuple[float, float]:
    """Median and robust standard deviation."""
    middle = median(values)
    return middle, _CONSISTENT * median(abs(value - middle) for value in values)
