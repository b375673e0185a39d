"""A duration that is known to lie between two numbers, and how well it is known."""

from dataclasses import dataclass
from typing import Literal

BandSource = Literal["calibrated", "rough"]


@dataclass(frozen=True, slots=True)
class Band:
    """Seconds, at least `low` and at most `high`.

    `calibrated` rests on updates that were really made on this device, `rough` on the device's rate of matrix products.
    """

    low: float
    high: float
    source: BandSource

    @property
    def middle(self) -> float:
        """The geometric mean: as many times above `low` as below `high`."""
        return float((self.low * self.high) ** 0.5)

    def times(self, factor: float) -> "Band":
        """So many such durations, one after another."""
        return Band(self.low * factor, self.high * factor, self.source)

    def plus(self, other: "Band") -> "Band":
        """Both, one after the other; no better known than the worse known of the two matters enough to say so."""
        return Band(self.low + other.low, self.high + other.high, self.source)

    def at_most(self, limit: float) -> "Band":
        """The same, but ended by something after `limit` seconds."""
        return Band(min(self.low, limit), min(self.high, limit), self.source)
