"""What a run learns of this machine's speed, kept for the previews of later runs."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from engine.estimate.calibration import Calibration, SpeedKey, save_calibration
from engine.estimate.timing import TimedUpdates

WARM_UP_UPDATES = 2
"""The first updates of a process find caches cold; they are not counted."""

LEAST_UPDATES = 5
LEAST_SECONDS = 5.0
_FIRST_AFTER = 30.0
_EVERY = 300.0


def rate(amount: float, seconds: float) -> float | None:
    """`amount` a second; None where nothing was done yet."""
    return amount / seconds if amount > 0 and seconds > 0 else None


class SpeedRecorder:
    """Times the whole updates of a run and keeps what it found: early on, now and then, and at the end.

    `rows_per_update` are those of a whole update. `between` gives, as far as they happened yet, validation tokens and
    sampled tokens and saved bytes a second. Nothing that goes wrong with keeping it reaches the run.
    """

    def __init__(
        self,
        cache_dir: Path,
        key: SpeedKey,
        *,
        rows_per_update: int,
        accumulation_steps: int,
        between: Callable[[], dict[str, float | None]],
    ) -> None:
        self._cache_dir = cache_dir
        self._key = key
        self._rows_per_update = rows_per_update
        self._accumulation_steps = accumulation_steps
        self._between = between
        self._can_be_asked_for = True
        self._timed = TimedUpdates()
        self._left_to_warm_up = WARM_UP_UPDATES
        self._keep_after = _FIRST_AFTER

    def measure_other(self, batch_size: int, accumulation_steps: int) -> None:
        """From now on micro-batches of `batch_size` rows are made: what was timed is kept, and timing begins anew."""
        self.keep()
        self._key = replace(self._key, batch_size=batch_size)
        self._accumulation_steps = accumulation_steps
        # an odd micro-batch's half leaves a smaller last one: no settings ask for such an update
        self._can_be_asked_for = batch_size * accumulation_steps == self._rows_per_update
        self._timed = TimedUpdates()
        self._left_to_warm_up = WARM_UP_UPDATES
        self._keep_after = _FIRST_AFTER

    def add(self, rows: int, tokens: int, seconds: float) -> None:
        """Count an update of `rows` rows and `tokens` target tokens; a smaller one tells nothing."""
        if rows != self._rows_per_update:
            return
        if self._left_to_warm_up:
            self._left_to_warm_up -= 1
            return
        self._timed.add(seconds, tokens)
        if self._timed.seconds >= self._keep_after:
            self._keep_after = self._timed.seconds + _EVERY
            self.keep()

    def keep(self) -> None:
        """Store what is known, if that is enough to say something."""
        timed = self._timed
        if not self._can_be_asked_for or timed.updates < LEAST_UPDATES or timed.seconds < LEAST_SECONDS:
            return
        try:
            calibration = Calibration(
                seconds=timed.mean,
                seconds_low=timed.low,
                seconds_high=timed.high,
                tokens_per_s=timed.tokens_per_second,
                updates=timed.updates,
                when=datetime.now(UTC),
                source="run",
                accumulation_steps=self._accumulation_steps,
                **self._between(),
            )
            save_calibration(self._cache_dir, self._key, calibration)
        except Exception:  # a full disk, a clock that stands still: the run is worth more than its speed's memory
            return
