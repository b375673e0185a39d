"""How long a rank's own work on updates takes: from an update's begin until its last gradient is there."""

import time

import torch


class WorkClock:
    """Seconds of work since they were last taken. On cuda events measure them, and an update counts when the next one
    begins: reading its time sooner would wait for the device.
    """

    def __init__(self, device: torch.device | None = None) -> None:
        self._on_cuda = device is not None and device.type == "cuda"
        self._began: float | torch.cuda.Event = 0.0
        self._done: torch.cuda.Event | None = None
        self._seconds = 0.0

    def begin(self) -> None:
        """An update begins."""
        if self._on_cuda:
            self._count()
        self._began = self._now()

    def work_is_done(self) -> None:
        """Its last gradient is computed; the rest is waiting for the others."""
        if self._on_cuda:
            self._done = self._event()
        else:
            self._seconds += time.perf_counter() - float(self._began)  # type: ignore[arg-type]

    def take(self) -> float:
        """Seconds of work since the last call."""
        seconds, self._seconds = self._seconds, 0.0
        return seconds

    def _count(self) -> None:
        began, done, self._done = self._began, self._done, None
        if done is not None and isinstance(began, torch.cuda.Event) and done.query():  # type: ignore[no-untyped-call]
            self._seconds += began.elapsed_time(done) / 1000

    def _now(self) -> "float | torch.cuda.Event":
        return self._event() if self._on_cuda else time.perf_counter()

    def _event(self) -> torch.cuda.Event:
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event
