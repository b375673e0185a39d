"""A calibration: a short torch process that makes some real updates, watched from the face."""

import contextlib
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, cast, get_args

import orjson
from pydantic import ValidationError

from engine.errors import UserError
from engine.estimate.calibration import Calibration
from engine.language import _, current_language
from engine.run.process import this_process
from engine.run.start import module_environment, python_module
from engine.settings.settings import Settings

CALIBRATION_MODULE = "engine.worker.calibrate"

CalibrationPhase = Literal["loading", "compiling", "warming up", "measuring", "done"]


class CalibrationCancelled(Exception):  # noqa: N818
    """It was cancelled; nothing was stored."""


@dataclass(frozen=True, slots=True)
class CalibrationProgress:
    """How far it is: `done` of about `total` seconds of measuring; `total` is 0 in phases whose length is not known."""

    phase: CalibrationPhase
    done: float = 0.0
    total: float = 0.0


class CalibrationRun:
    """A process that measures; it writes nothing but the calibration, and ends when this one does.

    Make it with `start`. Everything here is for any thread: `progress` is the newest word from the process, `warnings`
    its sentences so far.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", errors: IO[bytes]) -> None:
        self.progress = CalibrationProgress("loading")
        self.warnings: list[str] = []
        self._process = process
        self._errors = errors
        self._cancelled = False
        self._calibration: Calibration | None = None
        self._mistake = ""
        self._reader = threading.Thread(target=self._read, name="calibration", daemon=True)
        self._reader.start()

    @classmethod
    def start(
        cls,
        settings: Settings,
        data: Path | None,
        tokenizer: Path,
        *,
        context: float | None = None,
        seconds: float | None = None,
        module: str = CALIBRATION_MODULE,
    ) -> "CalibrationRun":
        """Start the process.

        Where `data` is None, or its rows are not built yet, it measures on made-up rows; `context` is then the mean
        length of a token's document (DataFacts has it). `seconds` is how long to measure where updates are short, by
        default long enough for a steady mean. Raises UserError when no process can be started.
        """
        request = {
            "settings": settings.model_dump(mode="json"),
            "data": None if data is None else str(data),
            "tokenizer": str(tokenizer),
            "context": context,
            "seconds": seconds,
            "starter": this_process().model_dump(),
        }
        errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the process has been read to its end
        try:
            process = subprocess.Popen(
                python_module(module),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**module_environment(), "MINIMIND_LANG": current_language()},
            )
        except OSError as error:
            errors.close()
            raise UserError(
                _("The calibration cannot be started: {problem}.").format(problem=error.strerror or error)
            ) from error
        assert process.stdin is not None
        with contextlib.suppress(OSError), process.stdin as stdin:  # one that died at once is told by `wait`
            stdin.write(orjson.dumps(request, option=orjson.OPT_APPEND_NEWLINE))
        return cls(process, errors)

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._reader.is_alive()

    def wait(self, timeout: float | None = None) -> Calibration:
        """Its result, which is stored already.

        Raises UserError in words (a mistake in the settings, too little memory, a process that died),
        CalibrationCancelled, and TimeoutError when it takes longer than `timeout` seconds; it then goes on.
        """
        self._reader.join(timeout)
        if self._reader.is_alive():
            raise TimeoutError
        if self._calibration is not None:
            return self._calibration
        if self._cancelled:
            raise CalibrationCancelled
        raise UserError(self._mistake)

    def cancel(self) -> None:
        """End it now; `wait` then raises CalibrationCancelled. Harmless when it has ended."""
        self._cancelled = True
        self._process.kill()

    def _read(self) -> None:
        """Take the process's lines until it ends, then its status and its last words."""
        assert self._process.stdout is not None
        try:
            for line in self._process.stdout:
                self._take(line)
            code = self._process.wait()
            if self._calibration is None and not self._mistake:
                self._mistake = _died(code, self._last_words())
            elif self._calibration is not None:
                self.progress = CalibrationProgress("done")
        finally:
            self._process.stdout.close()
            self._errors.close()

    def _take(self, line: bytes) -> None:
        try:
            message = orjson.loads(line)
        except orjson.JSONDecodeError:
            return
        if not isinstance(message, dict):
            return
        if message.get("phase") in get_args(CalibrationPhase):
            self.progress = CalibrationProgress(
                cast(CalibrationPhase, message["phase"]), _number(message.get("done")), _number(message.get("total"))
            )
        if "warning" in message:
            self.warnings.append(str(message["warning"]))
        if "error" in message:
            self._mistake = str(message["error"])
        if "calibration" in message:
            with contextlib.suppress(ValidationError):
                self._calibration = Calibration.model_validate(message["calibration"])

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1].strip() if lines else "?"


def _died(code: int, words: str) -> str:
    if code == -9:
        return _("The calibration was ended by the system, as happens when memory runs out. Take a smaller batch_size.")
    return _("The calibration ended with code {code}: {words}").format(code=code, words=words)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
