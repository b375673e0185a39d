"""What happened since the last line of the log, summed so that a half-finished interval survives a resume."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class IntervalSums:
    """Sums over the updates since the last logged one. Plain numbers: saved as they are in a checkpoint.

    loss_sum: nats over `tokens` target tokens, of the updates whose loss was finite.
    seconds and data_wait: this process's active seconds, and those spent waiting for data.
    aux_sum: a mixture's auxiliary loss, times tokens, of the same updates. expert_slots: what each expert of each layer
    got of the tokens' choices; empty for a dense network.
    """

    updates: int = 0
    tokens: int = 0
    loss_sum: float = 0.0
    loss_tokens: int = 0
    seconds: float = 0.0
    data_wait: float = 0.0
    aux_sum: float = 0.0
    expert_slots: list[list[int]] = field(default_factory=list)

    def add(
        self,
        loss_sum: float,
        tokens: int,
        finite: bool,
        seconds: float,
        data_wait: float,
        aux_loss: float | None = None,
        expert_slots: list[list[int]] | None = None,
    ) -> None:
        """Add one update."""
        if expert_slots is not None:
            before = self.expert_slots or [[0] * len(layer) for layer in expert_slots]
            self.expert_slots = [
                [old + new for old, new in zip(*pair, strict=True)] for pair in zip(before, expert_slots, strict=True)
            ]
        self.updates += 1
        self.tokens += tokens
        self.seconds += seconds
        self.data_wait += data_wait
        if finite:
            self.loss_sum += loss_sum
            self.loss_tokens += tokens
            self.aux_sum += (aux_loss or 0.0) * tokens

    @property
    def loss(self) -> float | None:
        """Mean nats per target token, weighted by tokens; None when no update of the interval had a finite loss."""
        return self.loss_sum / self.loss_tokens if self.loss_tokens else None

    @property
    def aux_loss(self) -> float | None:
        """Mean auxiliary loss, weighted by tokens; None for a dense network, and where `loss` is."""
        return self.aux_sum / self.loss_tokens if self.expert_slots and self.loss_tokens else None

    @property
    def expert_load(self) -> list[list[float]] | None:
        """Of each layer each expert's share of the tokens' choices; None for a dense network."""
        if not self.expert_slots:
            return None
        return [[round(slots / max(1, sum(layer)), 5) for slots in layer] for layer in self.expert_slots]

    @property
    def tokens_per_second(self) -> float:
        """Target tokens a second of active time."""
        return self.tokens / self.seconds if self.seconds > 0 else 0.0

    @property
    def data_wait_share(self) -> float:
        """Share of the interval's time spent waiting for data."""
        return min(1.0, self.data_wait / self.seconds) if self.seconds > 0 else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain values for the trainer's state."""
        return asdict(self)
