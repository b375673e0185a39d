"""A calibration as the wizard watches it: one at a time, in a process that ends with the screen."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from textual.timer import Timer
from textual.widget import Widget

from engine.errors import UserError
from engine.estimate.calibration_run import (
    CALIBRATION_MODULE,
    CalibrationCancelled,
    CalibrationProgress,
    CalibrationRun,
)
from engine.settings.material import find_data, find_tokenizer
from engine.settings.settings import Settings

MODULE = CALIBRATION_MODULE
"""Who measures; a test has another."""

_LOOK_SECONDS = 0.5


class Calibrator:
    """`on_progress` hears how far it is, None when it has ended; `on_end` then why it failed, if it did, and what
    it wants to be known, in words."""

    def __init__(
        self,
        node: Widget,
        on_progress: Callable[[CalibrationProgress | None], None],
        on_end: Callable[[str, list[str]], None],
    ) -> None:
        self._node, self._on_progress, self._on_end = node, on_progress, on_end
        self._run: CalibrationRun | None = None
        self._timer: Timer | None = None

    @property
    def running(self) -> bool:
        """Whether it measures now."""
        return self._run is not None

    def start(self, settings: Settings, context: float | None) -> None:
        """Begin to measure. Raises UserError when there is no tokenizer, or no process can be started."""
        data: Path | None = None
        with suppress(UserError):  # made-up rows take as long
            data = find_data(settings.data_path).path
        self._run = CalibrationRun.start(
            settings, data, find_tokenizer(settings.tokenizer), context=context, module=MODULE
        )
        self._on_progress(self._run.progress)
        self._timer = self._node.set_interval(_LOOK_SECONDS, self._look, name="calibration")

    def cancel(self) -> None:
        """End it; nothing is kept."""
        if self._run is not None:
            self._run.cancel()

    def close(self) -> None:
        """End it without a word: the screen goes."""
        if self._timer is not None:
            self._timer.stop()
        self.cancel()
        self._run = None

    def _look(self) -> None:
        run = self._run
        if run is None:
            return
        if run.running:
            self._on_progress(run.progress)
            return
        if self._timer is not None:
            self._timer.stop()
        self._run = None
        try:
            run.wait(0)
            problem = ""
        except CalibrationCancelled:
            problem = ""
        except (UserError, TimeoutError) as error:
            problem = str(error)
        self._on_progress(None)
        self._on_end(problem, run.warnings)
