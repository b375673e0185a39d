"""The lists a log line may carry, as types: numbers of experts by layer, numbers of ranks, finite and bounded."""

import math
from typing import Annotated

from pydantic import BeforeValidator, Field

MOST_LAYERS, MOST_EXPERTS, MOST_RANKS = 1024, 4096, 65_536


def _finite_or_nothing(value: object) -> object:
    """A list with a number in it that is not finite says nothing: null, like such a number by itself."""
    return None if _has_infinite(value) else value


def _has_infinite(value: object) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_has_infinite, value))
    return isinstance(value, float) and not math.isfinite(value)


_Amount = Annotated[float, Field(ge=0)]
_Experts = Annotated[list[_Amount], Field(max_length=MOST_EXPERTS)]
_Layers = Annotated[list[_Experts], Field(max_length=MOST_LAYERS)]
_Ranks = Annotated[list[_Amount], Field(max_length=MOST_RANKS)]

OfLayers = Annotated[_Layers | None, BeforeValidator(_finite_or_nothing)]
OfRanks = Annotated[_Ranks | None, BeforeValidator(_finite_or_nothing)]
