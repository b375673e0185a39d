"""Time left, from the updates this process has made itself."""

from collections import deque


class EtaEstimator:
    """Seconds left, from a sliding window of (active time, step) marks of this process alone.

    The first update (start-up, compilation) is no part of the rate; validation, samples and saves are, as they happen.
    Nothing that an earlier attempt did counts, so the figure is right after a resume.
    """

    def __init__(self, window_seconds: float = 600.0, least_updates: int = 50) -> None:
        self._window_seconds = window_seconds
        self._least_updates = least_updates
        self._marks: deque[tuple[float, int]] = deque()

    def mark(self, active_seconds: float, step: int) -> None:
        """Note that update number `step` ended at `active_seconds` of a clock that leaves sleep out."""
        self._marks.append((active_seconds, step))
        while (
            len(self._marks) > 2
            and active_seconds - self._marks[1][0] > self._window_seconds
            and step - self._marks[1][1] >= self._least_updates
        ):
            self._marks.popleft()

    @property
    def seconds_per_update(self) -> float | None:
        """Mean seconds an update over the window, None before two marks."""
        if len(self._marks) < 2:
            return None
        (start, first), (end, last) = self._marks[0], self._marks[-1]
        return (end - start) / (last - first) if last > first else None

    def seconds_left(self, total_steps: int) -> float | None:
        """Seconds until `total_steps`, over all epochs; None while the rate is unknown."""
        rate = self.seconds_per_update
        return None if rate is None else max(0, total_steps - self._marks[-1][1]) * rate
