"""The torch process that writes text, as the command line and the application start it, ask it and hear it."""

import json
import queue
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

from engine.language import _, current_language
from engine.run.start import module_environment, python_module
from minimind_tui.weight_sources import Source

WORKER = "engine.worker.generate"


def request_for(source: Source, prompt: str, **how: Any) -> dict[str, Any]:
    """A request to the process: `how` as in engine.worker.generation_request, apart from what `source` says."""
    return {
        "weights": str(source.weights),
        "tokenizer": str(source.tokenizer),
        "surrounded": source.surrounded,
        "prompt": prompt.encode("utf-8", "replace").decode("utf-8"),  # half characters of a paste are no text
        "language": current_language(),
        **how,
    }


def start_worker(errors: IO[bytes]) -> "subprocess.Popen[str]":
    """Start the process with pipes to and from it; it writes its complaints into `errors`. Raises OSError."""
    return subprocess.Popen(
        python_module(WORKER),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=module_environment(),
        start_new_session=True,  # the terminal's Ctrl-C and hang-up are for us to answer, not for it
    )


def read_message(line: str) -> dict[str, Any] | None:
    """What a line of the process says; None for what some library prints."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None


def words_of_end(code: int, errors: IO[bytes]) -> str:
    """Why the process ended without being asked to, in words."""
    errors.seek(0)
    last = "".join(errors.read().decode("utf-8", "replace").strip().splitlines()[-1:])
    if code == -signal.SIGKILL:
        return _("The generating process was killed: by hand, or by the system because memory ran out.")
    return _("The generating process ended with code {code}: {last}").format(code=code, last=last)


@dataclass(frozen=True)
class Begun:
    """The model is in memory and writes."""

    number: int
    device: str
    step: int | None
    """The update its weights are of."""
    heads_assumed: int | None
    """So many attention heads are assumed, because nothing tells the number."""
    file_is_gone: bool
    """The weights were deleted since they were loaded; the model in memory writes on."""


@dataclass(frozen=True)
class Piece:
    """Text of an answer, and how many tokens it has by now."""

    number: int
    text: str
    tokens: int


@dataclass(frozen=True)
class Done:
    """The end of an answer. `log_probability` is the mean of its tokens in nats; None without any."""

    number: int
    tokens: int
    tokens_per_s: float | None
    log_probability: float | None
    ended: str
    """`eos`, `length` or `cancelled`."""


@dataclass(frozen=True)
class Failed:
    """An answer that cannot be given, and why. The process lives."""

    number: int
    message: str


@dataclass(frozen=True)
class Died:
    """The process ended by itself, and what it had been asked is not answered; the next request starts another."""

    numbers: frozenset[int]
    message: str


Heard = Begun | Piece | Done | Failed | Died


class GenerationProcess:
    """A process that holds one model and answers request after request; started by the first.

    `hear` is called from a thread with what it says, Died included. All methods return at once and may be called from
    any thread. Nothing outlives `close`, nor this process.
    """

    def __init__(self, hear: Callable[[Heard], None]) -> None:
        self._hear = hear
        self._lock = threading.Lock()
        self._talk: _Talk | None = None
        self._number = 0
        self._cancelled: set[int] = set()
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The process's id while it runs."""
        talk = self._talk
        return talk.process.pid if talk is not None and talk.lives else None

    def next_number(self) -> int:
        """A number for the next request."""
        with self._lock:
            self._number += 1
            return self._number

    def ask(self, number: int, request: dict[str, Any]) -> None:
        """Send a request; its answers carry `number`. Raises OSError when the process cannot be started.

        Nothing is sent once this is closed, nor what was cancelled before.
        """
        with self._lock:
            if self._closed or number in self._cancelled:
                return
            if self._talk is None or not self._talk.lives:
                self._talk = _Talk(self._hear)
            self._talk.say({"id": number, **request})

    def cancel(self, number: int) -> None:
        """End an answer, also one that has not begun or is yet to be asked for."""
        with self._lock:
            self._cancelled.add(number)
            if self._talk is not None and self._talk.lives:
                self._talk.say({"cancel": number})

    def stop(self) -> None:
        """End the process, and free its memory. What was asked is not answered."""
        with self._lock:
            talk, self._talk = self._talk, None
        if talk is not None:
            talk.end()

    def close(self) -> None:
        """`stop`, for good."""
        with self._lock:
            self._closed = True
        self.stop()


class _Talk:
    """One process, and the two threads that talk with it: neither a full pipe nor a silent process can hold us up."""

    def __init__(self, hear: Callable[[Heard], None]) -> None:
        self._hear = hear
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by the reader, with the process
        try:
            self.process = start_worker(self._errors)
        except OSError:
            self._errors.close()
            raise
        self._ending = False
        self._open: set[int] = set()
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, name="generation-reader", daemon=True)
        self._writer = threading.Thread(target=self._write, name="generation-writer", daemon=True)
        self._reader.start()
        self._writer.start()

    @property
    def lives(self) -> bool:
        """Whether the process can be talked to."""
        return not self._ending and self.process.poll() is None

    def say(self, message: dict[str, Any]) -> None:
        """Send one line."""
        if "id" in message:
            self._open.add(message["id"])
        self._lines.put(json.dumps(message) + "\n")

    def end(self) -> None:
        """Kill the process, and return when it is gone."""
        self._ending = True
        self.process.kill()
        self.process.wait()
        for thread in (self._reader, self._writer):
            if thread is not threading.current_thread():
                thread.join()

    def _write(self) -> None:
        assert self.process.stdin is not None
        with suppress(OSError, ValueError):  # it ended: the reader tells
            while (line := self._lines.get()) is not None:
                self.process.stdin.write(line)
                self.process.stdin.flush()
        with suppress(OSError, ValueError):
            self.process.stdin.close()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            message = read_message(line)
            heard = None if message is None else understood(message)
            if heard is None or self._ending:
                continue
            if isinstance(heard, Done | Failed):
                self._open.discard(heard.number)
            self._hear(heard)
        code = self.process.wait()
        self._lines.put(None)
        asked_to = self._ending
        self._ending = True
        if not asked_to:
            self._hear(Died(frozenset(self._open), words_of_end(code, self._errors)))
        self.process.stdout.close()
        self._errors.close()


def understood(message: dict[str, Any]) -> Heard | None:
    """What a message of the process means; None when it means nothing."""
    number = message.get("id")
    tokens = message.get("tokens") or 0
    if not isinstance(number, int) or not isinstance(tokens, int):
        return None
    if "error" in message:
        return Failed(number, str(message["error"]))
    if message.get("begun"):
        return Begun(
            number,
            str(message.get("device")),
            step if isinstance(step := message.get("step"), int) else None,
            heads if isinstance(heads := message.get("heads_assumed"), int) else None,
            bool(message.get("file_is_gone")),
        )
    if message.get("done"):
        return Done(
            number,
            tokens,
            _number(message.get("tokens_per_s")),
            _number(message.get("log_probability")),
            str(message.get("ended")),
        )
    return Piece(number, str(message.get("text", "")), tokens)


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) else None
