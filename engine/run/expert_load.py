"""How evenly a mixture of experts is used, and which experts starve."""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from engine.language import _
from engine.run.interval_lists import mean_of_each

STARVING_SHARE = 0.1
"""An expert starves when it gets less than this part of its fair share, which is 1/E of a layer's E experts ..."""

JUDGED_OVER = 16
"""... on the mean of so many newest log intervals: a single one of few tokens says little."""

JUDGED_FROM = 8
"""No expert is judged over fewer intervals than these."""

Loads = Sequence[Sequence[float]]
"""Shares of the assignments: a layer each, in it one number an expert; an empty layer is unknown or dense."""


@dataclass(frozen=True)
class Starving:
    """An expert that hardly gets tokens. Layer and expert count from 0, as in the weights' keys."""

    layer: int
    expert: int
    share: float
    fair: float


def recent_loads(history: Sequence[Loads], most: int = JUDGED_OVER) -> list[Loads]:
    """The newest loads, oldest first, as far back as all have the same layers and experts, at most `most`."""
    recent: list[Loads] = []
    shape = [len(layer) for layer in history[-1]] if history else []
    for loads in reversed(history):
        if len(recent) == most or [len(layer) for layer in loads] != shape:
            break
        recent.append(loads)
    return recent[::-1]


def mean_load(recent: Sequence[Loads]) -> list[list[float]]:
    """The mean share of each expert over loads of one shape."""
    return [mean_of_each(layer) for layer in zip(*recent, strict=True)]


def starving_experts(mean: Loads, intervals: int) -> list[Starving]:
    """The experts whose share of `mean`, a mean over `intervals`, is below `STARVING_SHARE` of the fair one."""
    if intervals < JUDGED_FROM:
        return []
    return [
        Starving(layer, expert, share, 1 / len(shares))
        for layer, shares in enumerate(mean)
        for expert, share in enumerate(shares)
        if share < STARVING_SHARE / len(shares)
    ]


class StarvingWatch:
    """Says when experts begin to starve; again only after none did for a while."""

    def __init__(self) -> None:
        self._history: deque[Loads] = deque(maxlen=JUDGED_OVER)
        self._told = False

    def take(self, loads: Loads) -> str:
        """Take in a log interval's loads; a warning in words, empty where there is nothing new to warn of."""
        self._history.append(loads)
        recent = recent_loads(list(self._history))
        starving = starving_experts(mean_load(recent), len(recent))
        told, self._told = self._told, bool(starving)
        return starving_words(starving) if starving and not told else ""


def starving_words(starving: Sequence[Starving]) -> str:
    """The warning in one line."""
    one = starving[0]
    if len(starving) == 1:
        return _("Expert {expert} of layer {layer} starves.").format(expert=one.expert, layer=one.layer)
    return _("{n} experts starve, among them expert {expert} of layer {layer}.").format(
        n=len(starving), expert=one.expert, layer=one.layer
    )


def what_to_change() -> str:
    """What helps against starving experts, by the names of the settings."""
    return _("What helps: a larger aux_loss_coef (in a fork), a longer warm-up, or fewer experts (num_experts).")


def entropy(shares: Sequence[float]) -> float | None:
    """-sum(p ln p) / ln E: 1 when all of E experts get the same, 0 when one gets all. None of no tokens at all."""
    total = sum(shares)
    if not (total > 0 and math.isfinite(total)):
        return None
    if len(shares) == 1:
        return 1.0
    nats = -sum(part * math.log(part) for share in shares if (part := share / total) > 0)
    return min(1.0, max(0.0, nats / math.log(len(shares))))


def unassigned(shares: Sequence[float]) -> float:
    """The share of the assignments that reached no expert, 0 but for rounding when nothing is dropped."""
    return max(0.0, 1.0 - sum(shares))
