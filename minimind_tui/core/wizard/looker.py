"""Takes looks into training text, one process at a time, the one that is waited for first."""

import subprocess
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress

import orjson
from pydantic import TypeAdapter, ValidationError

from engine.language import _
from engine.run.start import module_environment, python_module
from minimind_tui.core.wizard.data_look import DataLook, LookRequest

MODULE = "minimind_tui.core.wizard.look_process"
_LOOK = TypeAdapter(DataLook)


class DataLooker:
    """Looks in other processes. `on_look` hears, in a thread of its own, what each request found.

    A request that is wanted `first` interrupts another, which is taken up again afterwards. `close` ends everything;
    nobody waits for it.
    """

    def __init__(self, on_look: Callable[[LookRequest, DataLook], None], module: str = MODULE) -> None:
        self._on_look, self._module = on_look, module
        self._waiting: deque[LookRequest] = deque()
        self._current: LookRequest | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    @property
    def current(self) -> LookRequest | None:
        """The look that is being taken."""
        return self._current

    def want(self, request: LookRequest, *, first: bool = False) -> None:
        """Take this look, at once with `first`, else when those before it are taken."""
        with self._lock:
            if request == self._current:
                return
            if request in self._waiting:
                if not first:
                    return
                self._waiting.remove(request)
            if not first:
                self._waiting.append(request)
            else:
                self._waiting.appendleft(request)
                if self._current is not None:
                    self._waiting.append(self._current)
                    self._interrupt()
            if self._thread is None:
                self._thread = threading.Thread(target=self._take_all, name="data looks", daemon=True)
                self._thread.start()

    def forget(self, request: LookRequest) -> None:
        """Take this look no more: something else was chosen."""
        with self._lock:
            if request in self._waiting:
                self._waiting.remove(request)
            if request == self._current:
                self._interrupt()

    def close(self) -> None:
        """Take no more looks."""
        with self._lock:
            self._waiting.clear()
            self._interrupt()

    def _interrupt(self) -> None:
        self._current = None
        if self._process is not None:
            self._process.kill()

    def _take_all(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                request = self._current = self._waiting.popleft()
                self._process = None
            look = self._take(request)
            with self._lock:
                interrupted = self._current is not request
                self._current = self._process = None
            if not interrupted:
                self._on_look(request, look)

    def _take(self, request: LookRequest) -> DataLook:
        try:
            process = subprocess.Popen(
                python_module(self._module),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**module_environment(), "MINIMIND_LANG": request.language},
            )
        except OSError as error:
            return _failed(error.strerror or str(error))
        with self._lock:
            self._process = process
            if self._current is not request:
                process.kill()
        answer = errors = b""
        with suppress(OSError, ValueError):  # it was ended before it read
            answer, errors = process.communicate(orjson.dumps(request.asked()))
        process.wait()
        try:
            return _LOOK.validate_json(answer)
        except ValidationError:
            last = errors.decode("utf-8", "replace").strip().splitlines()[-1:]
            return _failed(last[0] if last else f"exit code {process.returncode}")


def _failed(problem: str) -> DataLook:
    return DataLook(problem=_("The look into the text failed: {problem}").format(problem=problem))
