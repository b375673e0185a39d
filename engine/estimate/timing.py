"""Durations of updates, summed so that their mean and its unsteadiness can be told of any number of them."""

from dataclasses import dataclass, field

MARGIN = 0.05
"""Widens what was seen either way: a minute's measurement says only so much of the next hours."""

_MOST_BLOCKS = 16


@dataclass
class TimedUpdates:
    """The mean of all updates, and the lowest and highest mean of 8 to 15 equal parts of them, in their order.

    A single update tells of noise, a part of them of what a run sums up to. Memory is bounded: when there are 16 parts,
    neighbours are joined. With fewer than 8 updates each is a part of its own.
    """

    updates: int = 0
    seconds: float = 0.0
    tokens: int = 0
    _blocks: list[float] = field(default_factory=list)
    _size: int = 1
    _open: float = 0.0
    _in_open: int = 0

    def add(self, seconds: float, tokens: int) -> None:
        """Count one whole update of `tokens` target tokens."""
        self.updates += 1
        self.seconds += seconds
        self.tokens += tokens
        self._open += seconds
        self._in_open += 1
        if self._in_open < self._size:
            return
        self._blocks.append(self._open)
        self._open, self._in_open = 0.0, 0
        if len(self._blocks) == _MOST_BLOCKS:
            self._blocks = [sum(self._blocks[start : start + 2]) for start in range(0, _MOST_BLOCKS, 2)]
            self._size *= 2

    @property
    def mean(self) -> float:
        """Seconds an update. There must be one."""
        return self.seconds / self.updates

    @property
    def low(self) -> float:
        """Seconds an update in the fastest part, less the margin."""
        return min(self._blocks) / self._size * (1 - MARGIN)

    @property
    def high(self) -> float:
        """Seconds an update in the slowest part, and the margin."""
        return max(self._blocks) / self._size * (1 + MARGIN)

    @property
    def tokens_per_second(self) -> float:
        """Target tokens a second."""
        return self.tokens / self.seconds
