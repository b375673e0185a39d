"""A calibration: a short torch process that makes some real updates, watched from the face."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from engine.estimate.calibration import Calibration
from engine.settings.settings import Settings

CALIBRATION_MODULE = "engine.worker.calibrate"

CalibrationPhase = Literal["loading", "compiling", "warming up", "measuring", "done"]


class CalibrationCancelled(Exception):  # noqa: N818
    """It was cancelled; nothing was stored."""


@dataclass(frozen=True, slots=True)
class CalibrationProgress:
    """How far it is: seconds (measuring) or steps `done` of about `total`; `total` 0 where that is not known."""

    phase: CalibrationPhase
    done: float = 0.0
    total: float = 0.0


class CalibrationRun:
    """A process that measures; it writes nothing but the calibration, and ends with this one.

    All methods are for any thread. `progress` is the newest word from it, `lines` all words so far, for a log.
    """

    def __init__(self) -> None:
        self.progress = CalibrationProgress("loading")
        self.lines: list[str] = []

    @classmethod
    def start(cls, settings: Settings, data: Path | None, tokenizer: Path) -> "CalibrationRun":
        """Start the process. `data` None, or text whose tokens are not cached, measures on made-up rows.

        Raises UserError when no process can be started.
        """
        raise NotImplementedError

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        raise NotImplementedError

    def wait(self, timeout: float | None = None) -> Calibration:
        """Its result, which is stored already.

        Raises UserError in words (a mistake in the settings, too little memory, a process that died),
        CalibrationCancelled, and TimeoutError when it takes longer than `timeout` seconds.
        """
        raise NotImplementedError

    def cancel(self) -> None:
        """End it now; `wait` then raises CalibrationCancelled. Harmless when it has ended."""
        raise NotImplementedError
