"""What happened since the last line of the log, summed so that a half-finished interval survives a resume."""

from dataclasses import asdict, dataclass


@dataclass
class IntervalSums:
    """Sums over the updates since the last logged one. Plain numbers: saved as they are in a checkpoint.

    loss_sum: nats over `tokens` target tokens, of the updates whose loss was finite.
    seconds and data_wait: this process's active seconds, and those spent waiting for data.
    """

    updates: int = 0
    tokens: int = 0
    loss_sum: float = 0.0
    loss_tokens: int = 0
    seconds: float = 0.0
    data_wait: float = 0.0

    def add(self, loss_sum: float, tokens: int, finite: bool, seconds: float, data_wait: float) -> None:
        """Add one update."""
        self.updates += 1
        self.tokens += tokens
        self.seconds += seconds
        self.data_wait += data_wait
        if finite:
            self.loss_sum += loss_sum
            self.loss_tokens += tokens

    @property
    def loss(self) -> float | None:
        """Mean nats per target token, weighted by tokens; None when no update of the interval had a finite loss."""
        return self.loss_sum / self.loss_tokens if self.loss_tokens else None

    @property
    def tokens_per_second(self) -> float:
        """Target tokens a second of active time."""
        return self.tokens / self.seconds if self.seconds > 0 else 0.0

    @property
    def data_wait_share(self) -> float:
        """Share of the interval's time spent waiting for data."""
        return min(1.0, self.data_wait / self.seconds) if self.seconds > 0 else 0.0

    def to_dict(self) -> dict[str, int | float]:
        """Plain values for the trainer's state."""
        return asdict(self)
