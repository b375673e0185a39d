"""Time as a run counts it: UTC moments for people, and a clock that stands still while the machine sleeps."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], float]


def now_utc_iso() -> str:
    """This moment as UTC ISO 8601 with milliseconds: `2026-11-24T03:15:00.123Z`."""
    return utc_iso(time.time())


def utc_iso(seconds: float) -> str:
    """A POSIX time in seconds as UTC ISO 8601 with milliseconds."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def parse_utc(text: str) -> float:
    """POSIX seconds of a moment written by `now_utc_iso`. Raises ValueError when `text` is no moment."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp()


def seconds_since(text: str | None) -> float | None:
    """Seconds of wall-clock time from the moment `text` until now; None when `text` is missing or no moment."""
    if not text:
        return None
    try:
        return time.time() - parse_utc(text)
    except ValueError:
        return None


def _awake_clock_id() -> int:
    # Linux: CLOCK_MONOTONIC stops in suspend (CLOCK_BOOTTIME goes on). macOS: CLOCK_MONOTONIC counts sleep there,
    # CLOCK_UPTIME_RAW does not.
    return getattr(time, "CLOCK_UPTIME_RAW", time.CLOCK_MONOTONIC)


_AWAKE = _awake_clock_id()


def awake_seconds() -> float:
    """Seconds the machine has been awake since it started.

    A laptop's sleep does not count, a changed wall clock does not matter, and every process of one boot reads the same
    clock: two processes of a machine can compare their readings.
    """
    return time.clock_gettime(_AWAKE)


class ActiveClock:
    """How long a run has worked: awake seconds since it was made, on top of those of earlier attempts.

    `already` is the reading an earlier attempt stored in its checkpoint; `source` reads the awake clock.
    """

    def __init__(self, already: float = 0.0, source: Clock = awake_seconds) -> None:
        self._source = source
        self._already = already
        self._started = source()

    @property
    def seconds(self) -> float:
        """Active seconds over all attempts."""
        return self._already + self.here

    @property
    def here(self) -> float:
        """Active seconds of this process alone."""
        return self._source() - self._started
