"""Random choices that come out alike on every Python.

Only `random.Random.random()` is used: its sequence for an integer seed is the one thing the standard library promises
to keep between versions; `choice`, `sample` and `shuffle` carry no such promise.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Chance:
    """A seeded source of choices."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def below(self, n: int) -> int:
        """An integer in [0, n)."""
        return int(self._random.random() * n)

    def between(self, low: int, high: int) -> int:
        """An integer in [low, high], both included."""
        return low + self.below(high - low + 1)

    def often(self, share: float) -> bool:
        """True in `share` of the calls."""
        return self._random.random() < share

    def pick(self, items: Sequence[T]) -> T:
        """One item."""
        return items[self.below(len(items))]

    def lean(self, items: Sequence[T]) -> T:
        """The first item in half of the calls, any of the others else: a usual wording and its variations."""
        if len(items) == 1 or self.often(0.5):
            return items[0]
        return items[1 + self.below(len(items) - 1)]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """All items in random order (Fisher-Yates)."""
        mixed = list(items)
        for last in range(len(mixed) - 1, 0, -1):
            other = self.below(last + 1)
            mixed[last], mixed[other] = mixed[other], mixed[last]
        return mixed

    def several(self, items: Sequence[T], n: int) -> list[T]:
        """`n` different items in random order."""
        return self.shuffled(items)[:n]

    def in_order(self, items: Sequence[T], n: int) -> list[T]:
        """`n` different items in the order they have in `items`."""
        kept = sorted(self.several(range(len(items)), n))
        return [items[i] for i in kept]


class Deck(Generic[T]):
    """Deals items without replacement and shuffles anew when empty, so that all of them come equally often."""

    def __init__(self, items: Sequence[T], chance: Chance) -> None:
        self._items = items
        self._chance = chance
        self._left: list[T] = []

    def draw(self) -> T:
        """The next item."""
        if not self._left:
            self._left = self._chance.shuffled(self._items)
        return self._left.pop()
