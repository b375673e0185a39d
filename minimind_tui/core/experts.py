"""How a run's experts are used, as its newest log intervals tell: the numbers, the words, the signs to draw."""

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from engine.language import _
from engine.run.expert_load import Starving, entropy, mean_load, recent_loads, starving_experts, unassigned
from engine.run.history import Series
from engine.run.interval_lists import IntervalLists

STEPS = "▁▂▃▄▅▆▇█"
NONE, STARVES = "·", "×"
_FAIR_STEP = 4
"""A fair share is drawn half as high as a cell; twice that, and more, fills it."""

_ROUNDING, _ROUNDING_OF_EACH = 0.005, 5e-6
"""Shares in a file are rounded: what is missing below this, and this for each expert, is none."""

_NAMED = 2
"""Starving experts that are named one by one."""


@dataclass(frozen=True)
class LayerLoad:
    """One layer's experts on the mean of the recent intervals. Layers and experts count from 0, as in the weights."""

    layer: int
    shares: tuple[float, ...]
    entropy: float | None
    starving: frozenset[int]

    @property
    def busiest(self) -> int:
        """The expert with the greatest share."""
        return max(range(len(self.shares)), key=self.shares.__getitem__)


@dataclass(frozen=True)
class ExpertLook:
    """The experts of a run at a moment. `layers` are those whose load is known; there is at least one."""

    step: int
    intervals: int
    """So many newest log intervals the shares are the mean of."""
    layers: tuple[LayerLoad, ...]
    starving: tuple[Starving, ...]
    dropped: float
    """The greatest share of a layer's assignments that reached no expert; 0 when all did."""

    @property
    def entropy(self) -> float | None:
        """The mean of the layers' normalised entropies."""
        known = [layer.entropy for layer in self.layers if layer.entropy is not None]
        return sum(known) / len(known) if known else None

    @property
    def least_even(self) -> LayerLoad | None:
        """The layer of the lowest entropy."""
        known = [layer for layer in self.layers if layer.entropy is not None]
        return min(known, key=lambda layer: layer.entropy or 0.0, default=None)

    @property
    def busiest(self) -> float:
        """How many times its fair share the busiest expert of all layers gets."""
        return max(max(layer.shares) * len(layer.shares) for layer in self.layers)


@dataclass(frozen=True)
class LayerCourse:
    """One layer over the kept intervals, oldest first. `shares` has a row an expert; None where nothing is told."""

    layer: int
    first_step: int
    last_step: int
    shares: tuple[tuple[float | None, ...], ...]
    entropy: tuple[float | None, ...]


def expert_look(history: Sequence[IntervalLists]) -> ExpertLook | None:
    """How the experts are used, from a series' lists; None when none of them tells."""
    told = [lists for lists in history if lists.expert_load]
    if not told:
        return None
    recent = recent_loads([lists.expert_load for lists in told])
    mean = mean_load(recent)
    starving = starving_experts(mean, len(recent))
    layers = tuple(
        LayerLoad(
            number,
            tuple(shares),
            entropy(shares),
            frozenset(one.expert for one in starving if one.layer == number),
        )
        for number, shares in enumerate(mean)
        if shares
    )
    dropped = max(
        missing if (missing := unassigned(layer)) >= _ROUNDING + _ROUNDING_OF_EACH * len(layer) else 0.0
        for layer in told[-1].expert_load
        if layer
    )
    return ExpertLook(told[-1].step, len(recent), layers, tuple(starving), dropped)


class ExpertWatch:
    """The look of a run that is followed, worked out anew when its series goes on; a dense run costs a comparison."""

    def __init__(self) -> None:
        self._seen: tuple[int, int, int] = (0, 0, 0)
        self._look: ExpertLook | None = None

    def look(self, train: Series) -> ExpertLook | None:
        """How the experts are used now."""
        lists = train.lists
        seen = (len(lists), lists[-1].step, train.dropped) if lists else (0, 0, train.dropped)
        if seen != self._seen:
            self._seen = seen
            self._look = expert_look(lists) if lists else None
        return self._look


def layer_course(history: Sequence[IntervalLists], layer: int) -> LayerCourse | None:
    """One layer over the intervals that tell of it with as many experts as the newest; None when it is not told of."""
    told = [lists for lists in history if layer < len(lists.expert_load)]
    if not told or not told[-1].expert_load[layer]:
        return None
    count = len(told[-1].expert_load[layer])
    columns: list[array[float] | None] = [
        lists.expert_load[layer] if len(lists.expert_load[layer]) == count else None for lists in told
    ]
    return LayerCourse(
        layer,
        told[0].step,
        told[-1].step,
        tuple(tuple(None if column is None else column[expert] for column in columns) for expert in range(count)),
        tuple(None if column is None else entropy(column) for column in columns),
    )


def sign(share: float | None, fair: float) -> str:
    """A share as a block: half as high as a cell for a fair one, a dot for none, a blank where nothing is known."""
    if share is None:
        return " "
    if share <= 0:
        return NONE
    return STEPS[max(0, min(len(STEPS), round(_FAIR_STEP * share / fair)) - 1)] if fair > 0 else NONE


def tone(share: float, fair: float) -> str:
    """The kind of colour of a share: cold below half the fair one, hot above one and a half."""
    if share < fair / 2:
        return "cold"
    return "hot" if share > fair * 1.5 else "fair"


def level_sign(value: float | None) -> str:
    """A number from 0 to 1 as a block."""
    return " " if value is None else STEPS[max(0, min(len(STEPS) - 1, math.ceil(value * len(STEPS)) - 1))]


def strip(layer: LayerLoad) -> str:
    """A layer's experts as blocks, an expert that starves as a cross."""
    fair = 1 / len(layer.shares)
    return "".join(
        STARVES if expert in layer.starving else sign(share, fair) for expert, share in enumerate(layer.shares)
    )


def headline(look: ExpertLook, auxiliary: float | None) -> list[str]:
    """What matters of all layers, in a few words each."""
    if look.intervals > 1:
        facts = [_("mean of {n} intervals to step {step}").format(n=look.intervals, step=look.step)]
    else:
        facts = [_("step {step}").format(step=look.step)]
    least = look.least_even
    if look.entropy is not None and least is not None:
        facts.append(
            _("entropy {mean}, lowest {least} in layer {layer}").format(
                mean=f"{look.entropy:.2f}", least=f"{least.entropy:.2f}", layer=least.layer
            )
        )
    facts.append(dropped_words(look))
    if auxiliary is not None:
        facts.append(_("aux. loss {value}").format(value=f"{auxiliary:.3g}"))
    return facts


def dropped_words(look: ExpertLook) -> str:
    """Whether tokens reached no expert."""
    if look.dropped:
        return _("{share} of the tokens reached no expert").format(share=f"{look.dropped:.1%}")
    return _("dropped tokens: 0")


def legend() -> str:
    """What the signs mean."""
    return _("▄ fair share, █ twice and more, · none, × starves")


def starving_line(look: ExpertLook) -> str:
    """The warning: which experts starve. Empty when none does."""
    if not look.starving:
        return ""
    named = [
        _("layer {layer} expert {expert} ({share}, fair: {fair})").format(
            layer=one.layer, expert=one.expert, share=_percent(one.share), fair=_percent(one.fair)
        )
        for one in look.starving[:_NAMED]
    ]
    told = ", ".join(named)
    if len(look.starving) > _NAMED:
        return _("Starving: {experts}, and {n} more.").format(experts=told, n=len(look.starving) - _NAMED)
    return _("Starving: {experts}.").format(experts=told)


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.1 else f"{share:.2%}"
