"""Ending a run in time: a time budget or a deadline becomes a number of updates, with a hard stop behind it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TimeBounds:
    """What time a run may take.

    budget_seconds: active training seconds over all attempts, 0 for no bound.
    deadline: POSIX time by which the run must have ended, None for no bound.
    """

    budget_seconds: float = 0.0
    deadline: float | None = None

    @property
    def bounded(self) -> bool:
        """Whether time bounds the run at all."""
        return self.budget_seconds > 0 or self.deadline is not None

    def seconds_left(self, elapsed: float, now: float) -> float:
        """Seconds that may still be used after `elapsed` active seconds at POSIX time `now`; inf without a bound."""
        left = [float("inf")]
        if self.budget_seconds > 0:
            left.append(self.budget_seconds - elapsed)
        if self.deadline is not None:
            left.append(self.deadline - now)
        return min(left)

    def binding(self, elapsed: float, now: float) -> str:
        """Which of the two ends the run first: `time_budget` or `deadline`."""
        by_deadline = float("inf") if self.deadline is None else self.deadline - now
        by_budget = self.budget_seconds - elapsed if self.budget_seconds > 0 else float("inf")
        return "deadline" if by_deadline < by_budget else "time_budget"


class EndPlanner:
    """Decides, as the speed becomes known, at which update a run bounded by time ends.

    The plan is made after `first_after` updates of this process and again each time a twentieth of what was left has
    passed, while a difference is worth a change. `reserve` holds back the seconds that the end itself takes.
    """

    def __init__(self, bounds: TimeBounds, most_updates: int, first_after: int = 5) -> None:
        self.bounds = bounds
        self._most_updates = most_updates
        self._first_after = first_after
        self._updates_seen = 0
        self._next_plan_left = float("inf")

    def plan(
        self, step: int, end: int, elapsed: float, now: float, seconds_per_update: float | None, reserve: float
    ) -> int | None:
        """The new last update, or None to leave `end` as it is. Called after every update `step`.

        Never more than the epochs and max_steps allow; `step` itself when no further update fits.
        """
        self._updates_seen += 1
        if (
            not self.bounds.bounded
            or step >= end
            or seconds_per_update is None
            or self._updates_seen < self._first_after
        ):
            return None
        left = self.bounds.seconds_left(elapsed, now)
        if left > self._next_plan_left:
            return None
        self._next_plan_left = left * 0.95
        affordable = int(max(0.0, left - reserve) / max(seconds_per_update, 1e-9))
        new_end = min(self._most_updates, step + affordable)
        if new_end == end or (new_end > step + 20 and abs(new_end - end) < 0.02 * (end - step)):
            return None
        return new_end

    def expired(self, elapsed: float, now: float) -> bool:
        """Whether the time is over: the run must stop and save now, wherever its schedule is."""
        return self.bounds.seconds_left(elapsed, now) <= 0
