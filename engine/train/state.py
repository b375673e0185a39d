"""Where a training run is: everything but the tensors that a later process needs to go on exactly."""

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from engine.train.interval import IntervalSums
from engine.train.spikes import SpikeState


@dataclass
class TrainerState:
    """Plain values, saved in every checkpoint and never derived from anything else on resume.

    step: updates made (a skipped one counts). epoch, row: the data cursor, `row` rows of this epoch being consumed.
    tokens: target tokens consumed. elapsed: active seconds of all attempts. skipped: updates that were not
    made (not finite, spiking or passed over); skipped_in_a_row: the last ones of them. lr_scale: factor on the schedule
    that a person asked for, or rollbacks left. horizon:
    the schedule's knots, begun at update schedule_start (0, or where a fork began it anew). end_reason: what set its
    end. tokens_before, time_before: what a fork's epochs, or its time budget, do not count of tokens and elapsed.
    best_loss, best_step: lowest validation loss and its update. pending: what an update's end still owes (`validate`,
    `sample`) because the run stopped before it. interval: sums since the last logged line; since_validation: sums
    since the last validation. history: the last validations' (loss, training loss before it). rows_at_once and
    validation_rows_at_once: what is computed at a time under memory_key (engine.estimate.micro_batch), which may be
    less than batch_size since memory ran out. rollbacks: how many of those in guard.json lr_scale holds already;
    spikes: which losses and gradients are usual (engine.train.spikes).
    """

    step: int = 0
    epoch: int = 0
    row: int = 0
    tokens: int = 0
    elapsed: float = 0.0
    skipped: int = 0
    skipped_in_a_row: int = 0
    lr_scale: float = 1.0
    horizon: list[list[float]] = field(default_factory=list)
    schedule_start: int = 0
    end_reason: str = "complete"
    tokens_before: int = 0
    time_before: float = 0.0
    best_loss: float | None = None
    best_step: int | None = None
    pending: list[str] = field(default_factory=list)
    interval: IntervalSums = field(default_factory=IntervalSums)
    since_validation: IntervalSums = field(default_factory=IntervalSums)
    history: list[list[float]] = field(default_factory=list)
    memory_key: str = ""
    rows_at_once: int = 0
    validation_rows_at_once: int = 0
    rollbacks: int = 0
    spikes: SpikeState = field(default_factory=SpikeState)

    def to_dict(self) -> dict[str, Any]:
        """Plain containers and numbers, loadable under torch's `weights_only`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "TrainerState":
        """The inverse of `to_dict`. Raises ValueError naming fields that this version does not know."""
        known = {item.name for item in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise ValueError(f"the trainer's state has fields of another version: {', '.join(unknown)}")
        sums: dict[str, Any] = {
            name: IntervalSums(**values[name]) for name in ("interval", "since_validation") if name in values
        }
        if "spikes" in values:
            sums["spikes"] = SpikeState(**values["spikes"])
        return cls(**{**values, **sums})
