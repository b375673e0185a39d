"""The learning rate as a function of the update count alone, and the horizon it is planned over.

Update number `step + 1` (steps count from 0) uses `Schedule.lr_at(step, horizon)`:

    lr = learning_rate * warm_up(step) * decay(progress(step))

warm_up(step) = min(1, (step - start + 1) / (warmup_steps + 1)), so the first update never has a learning rate of zero
and the update after the warm-up has exactly `learning_rate`. `start` is 0, or the update at which a fork began its
schedule anew. progress is 0 until then and rises linearly to 1 at the horizon's
end, which is the number of updates in all: the last update has a progress just below 1. The kinds of decay:

    cosine    1 -> min_lr_ratio: r + (1 - r) / 2 * (1 + cos(pi * p)); r = 0.1 is MiniMind's curve
    linear    1 -> 0: 1 - p
    wsd       1 until the last `decay_share` of the updates, then to 0 as 1 - sqrt(q), q being the share of the decay
              that is done (the shape found best by Haegele et al., 2024, arXiv:2405.18392)
    constant  1

Everything is Python floats: the same step gives the same learning rate on every rank, device and attempt.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, Self

from engine.errors import UserError
from engine.language import _

ScheduleKind = Literal["cosine", "linear", "wsd", "constant"]
SCHEDULE_KINDS: tuple[ScheduleKind, ...] = ("cosine", "linear", "wsd", "constant")

_MOST_KNOTS = 256
"""A horizon that was re-planned more often than this forgets its oldest turns; only past updates read those."""

_LEAST_SHARE_TO_GO_ON = 0.01
"""A finished schedule that ended below this share of its learning rate is not worth going on from."""


@dataclass(frozen=True)
class Horizon:
    """How far a run is along its schedule: a piecewise-linear, never falling map from the update count to [0, 1].

    `knots` are (step, progress) pairs with rising steps; progress is level before the first and after the last, whose
    step is the run's number of updates and whose progress is 1.
    """

    knots: tuple[tuple[int, float], ...]

    def __post_init__(self) -> None:
        if len(self.knots) < 2:
            raise ValueError("a horizon needs at least two knots")
        for (step, progress), (next_step, next_progress) in zip(self.knots, self.knots[1:], strict=False):
            if not (step < next_step and progress <= next_progress):
                raise ValueError(f"the knots of a horizon must rise: {self.knots}")
        if not 0.0 <= self.knots[0][1] <= self.knots[-1][1] == 1.0:
            raise ValueError(f"the progress of a horizon starts at 0 or more and ends at 1: {self.knots}")

    @classmethod
    def plan(cls, total: int, *, warmup_steps: int = 0, start: int = 0) -> Self:
        """The horizon of updates `start` to `total`, without a turn.

        Progress starts once the warm-up is over. A warm-up that the run is too short for never ends: progress then
        starts at `start`, so that the schedule still ends where it promises to.
        """
        if total <= start:
            raise ValueError(f"a horizon from update {start} cannot end at {total}")
        begin = start + warmup_steps
        return cls(((begin if begin < total else start, 0.0), (total, 1.0)))

    @property
    def end(self) -> int:
        """The number of updates in all."""
        return self.knots[-1][0]

    def progress(self, step: int) -> float:
        """The share of the schedule that is behind when `step` updates have been made; exact at a knot."""
        before = self.knots[0]
        if step <= before[0]:
            return before[1]
        for after in self.knots[1:]:
            if step == after[0]:
                return after[1]
            if step < after[0]:
                share = (step - before[0]) / (after[0] - before[0])
                return min(before[1] + (after[1] - before[1]) * share, after[1])
            before = after
        return 1.0

    def replan(self, at_step: int, new_end: int, *, flat_until: float = 0.0) -> "Horizon":
        """This horizon with another end, decided when `at_step` updates have been made.

        Progress up to `at_step` stays as it was and goes on from there without a jump, reaching 1 at `new_end`. Where
        the schedule is level up to a progress of `flat_until` and that has not been passed, the learning rate does
        not depend on progress yet, which is then free to move: it is put where a plan that knew the new end from the
        first would be (wsd: the decay starts in time for the new end).
        """
        if new_end <= at_step:
            raise ValueError(f"the new end {new_end} does not lie beyond the {at_step} updates already made")
        if new_end == self.end:
            return self
        start = self.knots[0][0]
        now = self.progress(at_step)
        if at_step < start < new_end and self.knots[0][1] == 0.0:  # still warming up
            return Horizon(((start, 0.0), (new_end, 1.0)))
        if now <= flat_until < 1.0:
            straight = max(0.0, (at_step - start) / (new_end - start)) if new_end > start else 0.0
            now = min(straight, flat_until)
        past = tuple(knot for knot in self.knots if knot[0] < at_step and knot[1] <= now)
        return Horizon((*past[:1], *past[1:][-_MOST_KNOTS:], (at_step, now), (new_end, 1.0)))

    def to_list(self) -> list[list[float]]:
        """The knots as plain lists, for JSON and for the trainer's state."""
        return [[step, progress] for step, progress in self.knots]

    @classmethod
    def from_list(cls, knots: Sequence[Sequence[float]]) -> Self:
        """The inverse of `to_list`. Raises ValueError for knots that make no horizon."""
        return cls(tuple((int(step), float(progress)) for step, progress in knots))


@dataclass(frozen=True)
class Schedule:
    """A kind of decay with its numbers; the module's docstring has the formulas.

    `min_lr_ratio` is the cosine's floor as a share of `learning_rate`; `decay_share` is wsd's decaying share of the
    updates after the warm-up; `start` is the number of updates that were made before this schedule began.
    """

    kind: ScheduleKind
    learning_rate: float
    warmup_steps: int = 0
    min_lr_ratio: float = 0.1
    decay_share: float = 0.2
    start: int = 0

    def __post_init__(self) -> None:
        if self.kind not in SCHEDULE_KINDS:
            raise ValueError(f"schedule {self.kind!r} is not one of {', '.join(SCHEDULE_KINDS)}")
        if not (self.learning_rate >= 0.0 and math.isfinite(self.learning_rate)):
            raise ValueError(f"the learning rate {self.learning_rate} must be a number of at least 0")
        if self.warmup_steps < 0:
            raise ValueError(f"warmup_steps {self.warmup_steps} is negative")
        if self.start < 0:
            raise ValueError(f"a schedule cannot start at update {self.start}")
        if not 0.0 <= self.min_lr_ratio <= 1.0:
            raise ValueError(f"min_lr_ratio {self.min_lr_ratio} is not within 0 to 1")
        if not 0.0 < self.decay_share <= 1.0:
            raise ValueError(f"decay_share {self.decay_share} is not above 0 and at most 1")

    @property
    def flat_until(self) -> float:
        """The progress up to which the decay stays at exactly 1."""
        if self.kind == "constant":
            return 1.0
        return 1.0 - self.decay_share if self.kind == "wsd" else 0.0

    def decay(self, progress: float) -> float:
        """The factor in [0, 1] on the learning rate at a progress in [0, 1]; never rises, exactly 1 at 0."""
        if progress <= self.flat_until:
            return 1.0
        if self.kind == "cosine":
            ratio = self.min_lr_ratio
            return min(1.0, ratio + (1.0 - ratio) * 0.5 * (1.0 + math.cos(math.pi * progress)))
        if self.kind == "linear":
            return 1.0 - progress
        done = (progress - self.flat_until) / self.decay_share
        return max(0.0, 1.0 - math.sqrt(done))

    def warm_up(self, step: int) -> float:
        """The warm-up's factor for update number `step + 1`: above 0, exactly 1 from `warmup_steps` on."""
        made = max(0, step - self.start)
        return 1.0 if made >= self.warmup_steps else (made + 1) / (self.warmup_steps + 1)

    def lr_at(self, step: int, horizon: Horizon) -> float:
        """The learning rate of update number `step + 1`, `step` counting from 0."""
        return self.learning_rate * (self.warm_up(step) * self.decay(horizon.progress(step)))

    def plan(self, total: int) -> Horizon:
        """The horizon of this schedule up to update `total`, all earlier schedules' updates counted."""
        return Horizon.plan(total, warmup_steps=self.warmup_steps, start=self.start)

    def is_warming_up(self, step: int) -> bool:
        """Whether the update after `step` updates still belongs to the warm-up."""
        return step - self.start < self.warmup_steps

    def replan(self, horizon: Horizon, at_step: int, new_end: int) -> Horizon:
        """`horizon` with another end, the learning rate going on from `at_step` without a jump."""
        return horizon.replan(at_step, new_end, flat_until=self.flat_until)

    def extends_in_place(self, horizon: Horizon, at_step: int) -> bool:
        """Whether the horizon may be moved now without changing any update made: the decay has not begun."""
        return horizon.progress(at_step) <= self.flat_until and self.kind in ("constant", "wsd")

    def extended(self, horizon: Horizon, at_step: int, new_end: int) -> tuple["Schedule", Horizon]:
        """The schedule and horizon of a fork that goes on to `new_end`, starting at the current learning rate.

        Before the end of the old horizon the same schedule is stretched. A schedule that had reached its end has
        nothing left to stretch: the same shape starts anew, from the learning rate of the last update made. Raises
        UserError where that is (next to) nothing, so that training on would teach nothing.
        """
        if not self.has_ended(horizon, at_step):
            return self, self.replan(horizon, at_step, new_end)
        onward = replace(self, learning_rate=self.rate_to_go_on(horizon, at_step), warmup_steps=0, start=at_step)
        return onward, onward.plan(new_end)

    def has_ended(self, horizon: Horizon, at_step: int) -> bool:
        """Whether nothing of the schedule's shape is left to stretch after `at_step` updates."""
        return self.kind != "constant" and horizon.progress(at_step) >= 1.0

    def rate_to_go_on(self, horizon: Horizon, at_step: int) -> float:
        """The learning rate of the last update made, for a schedule that begins anew from there.

        Raises UserError where it is (next to) nothing.
        """
        current = self.lr_at(max(self.start, min(at_step, horizon.end) - 1), horizon)
        if current < _LEAST_SHARE_TO_GO_ON * self.learning_rate:
            raise UserError(
                _(
                    "The {kind} schedule of this run had come down to a learning rate of {lr:.1e} after {step} "
                    "updates: to go on from there would change next to nothing. Fork an earlier checkpoint, or give "
                    "the fork its own --learning_rate."
                ).format(kind=self.kind, lr=current, step=min(at_step, horizon.end))
            )
        return current


Bound = Literal["epochs", "max_steps", "time"]


class TotalPlan(NamedTuple):
    """How many updates a run will have made at its end, and which bound says so."""

    total: int
    bound: Bound


def plan_total(
    updates_by_epochs: int,
    max_steps: int | None = None,
    seconds_left: float | None = None,
    seconds_per_update: float | None = None,
    *,
    steps_done: int = 0,
) -> TotalPlan:
    """The number of updates in all, the tightest of the bounds; on a tie epochs win, then max_steps.

    `seconds_left` is what the time budget or the deadline leaves from now on, with `steps_done` updates behind; it
    needs `seconds_per_update`. The plan never lies before the updates already made, and holds at least one.
    """
    plans = [TotalPlan(updates_by_epochs, "epochs")]
    if max_steps is not None:
        plans.append(TotalPlan(max_steps, "max_steps"))
    if seconds_left is not None and seconds_per_update is not None and seconds_per_update > 0.0:
        affordable = max(0.0, seconds_left) / seconds_per_update
        if affordable < updates_by_epochs:  # also keeps an infinite quotient away from int()
            plans.append(TotalPlan(steps_done + int(affordable), "time"))
    total, bound = min(plans, key=lambda plan: plan.total)
    return TotalPlan(max(total, steps_done, 1), bound)
