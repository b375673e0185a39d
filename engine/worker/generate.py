"""Generation in a process of its own: JSON requests on standard input, the answers as JSON lines while they come.

A request is an object as `GenerationRequest` describes it. Without an `id` it is the only one: the answer is
`{"text": ...}` for each piece, then `{"done": true, "tokens": n, "tokens_per_s": x, "log_probability": mean, "ended":
"eos" | "length"}`; a mistake of the user is `{"error": ...}` and exit code 2.

With an `id` the process stays, holds the model in memory, and answers one request a line, each answer with the
request's `id`: `{"begun": true, "device": ..., "step": ..., "heads_assumed": n or null, "file_is_gone": ...}`, then
pieces that count the `tokens` so far, then `done` or `error`. `{"cancel": id}` ends an answer, also one not yet begun,
with `done` and `"ended": "cancelled"`. The process ends when its input is closed, so also with its parent.
"""

import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import orjson

from engine.errors import UserError
from engine.language import _
from engine.worker.generation_request import GenerationRequest, read_request
from engine.worker.waiting_threads import let_waiting_threads_sleep

if TYPE_CHECKING:
    from engine.worker.loaded_model import ModelKeeper

_NICENESS = 10  # whatever else computes here goes first: a training above all


def main() -> int:
    """Answer what standard input asks; returns the exit code."""
    let_waiting_threads_sleep()
    with suppress(OSError):
        os.nice(_NICENESS)
    try:
        first = sys.stdin.buffer.readline()
        if _field(first, "id") is None:
            return _answer_once(first + sys.stdin.buffer.read())
        _answer_many(first)
    except BrokenPipeError:  # nobody listens any more
        _forget_output()
    return 0


def _answer_once(data: bytes) -> int:
    try:
        request = read_request(data)
        from engine.worker.loaded_model import ModelKeeper

        _write(request, ModelKeeper(), _say, cancelled=lambda: False)
    except UserError as error:
        _say({"error": str(error)})
        return 2
    return 0


class _Inbox:
    """Requests as they come in, read by a thread from the start, so that a cancel is seen while the model writes."""

    def __init__(self, first: bytes) -> None:
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._cancelled: set[int] = set()
        self._lines.put(first)
        threading.Thread(target=self._read, name="requests", daemon=True).start()

    def take(self) -> bytes:
        """The next request; waits for it."""
        return self._lines.get()

    def is_cancelled(self, number: int) -> bool:
        """Whether this request is not wanted any more."""
        return number in self._cancelled

    def _read(self) -> None:
        for line in sys.stdin.buffer:
            if (number := _field(line, "cancel")) is not None:
                self._cancelled.add(number)
            elif line.strip():
                self._lines.put(line)
        os._exit(0)  # whoever asked is gone: no answer is worth finishing


def _answer_many(first: bytes) -> None:
    """Answer request after request; ends with the process, or with BrokenPipeError."""
    inbox = _Inbox(first)
    from engine.worker.loaded_model import ModelKeeper  # torch comes with it; the inbox is read meanwhile

    keeper = ModelKeeper()
    while True:
        _answer(inbox.take(), inbox, keeper)


def _answer(line: bytes, inbox: _Inbox, keeper: "ModelKeeper") -> None:
    number = _field(line, "id")

    def say(answer: dict[str, Any]) -> None:
        _say({"id": number, **answer})

    try:
        request = read_request(line)
        _write(request, keeper, say, lambda: number is not None and inbox.is_cancelled(number))
    except UserError as error:
        say({"error": str(error)})
    except BrokenPipeError:
        raise
    except Exception as error:
        traceback.print_exc()
        keeper.drop()
        say({"error": _words(error)})


def _write(
    request: GenerationRequest,
    keeper: "ModelKeeper",
    say: Callable[[dict[str, Any]], None],
    cancelled: Callable[[], bool],
) -> None:
    """Write one answer. Raises UserError."""
    if cancelled():
        say({"done": True, "tokens": 0, "tokens_per_s": None, "log_probability": None, "ended": "cancelled"})
        return
    from engine.model.generation import generate_scored

    keeper.use_threads(request.threads)
    loaded = keeper.get(request)
    tokenizer = loaded.tokenizer
    stays = request.id is not None
    if stays:
        say(
            {
                "begun": True,
                "device": str(loaded.device),
                "step": loaded.step,
                "heads_assumed": loaded.model.shape.num_attention_heads if loaded.heads_assumed else None,
                "file_is_gone": keeper.file_is_gone,
            }
        )
    begin = [tokenizer.bos_id] if request.surrounded else []
    decoder = tokenizer.stream_decoder()
    started = time.perf_counter()
    count, total = 0, 0.0
    ended = "eos"
    for token in generate_scored(
        loaded.model,
        [*begin, *tokenizer.encode(request.prompt)] or [tokenizer.pad_id],
        max_tokens=request.max_tokens,
        eos_id=tokenizer.eos_id if request.surrounded else None,
        temperature=request.temperature,
        top_k=request.top_k,
        top_p=request.top_p,
        seed=request.seed,
        use_cache=request.use_cache,
    ):
        if cancelled():
            ended = "cancelled"
            break
        count += 1
        total += token.log_probability
        if piece := decoder.push(token.id):
            say({"text": piece, "tokens": count} if stays else {"text": piece})
    else:
        ended = "length" if count >= request.max_tokens else "eos"
    if rest := decoder.finish():
        say({"text": rest, "tokens": count} if stays else {"text": rest})
    seconds = time.perf_counter() - started
    say(
        {
            "done": True,
            "tokens": count,
            "tokens_per_s": round(count / seconds, 1) if seconds else None,
            "log_probability": round(total / count, 4) if count else None,
            "ended": ended,
        }
    )


def _words(error: Exception) -> str:
    """An unexpected error in a sentence; want of memory by its name."""
    text = next(iter(str(error).splitlines()), "")
    if (
        isinstance(error, MemoryError)
        or "out of memory" in text
        or "allocate memory" in text
        or "enough memory" in text
    ):
        return _("There is not enough memory for this model and so long a text ({problem}).").format(
            problem=text or type(error).__name__
        )
    return f"{type(error).__name__}: {text}"


def _field(line: bytes, name: str) -> int | None:
    """A whole number of an object on a line; None where there is none."""
    try:
        value = orjson.loads(line)[name]
    except (orjson.JSONDecodeError, KeyError, TypeError, IndexError):
        return None
    return value if isinstance(value, int) else None


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.buffer.write(orjson.dumps(answer, option=orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()


def _forget_output() -> None:
    """Let the interpreter end without complaint over a pipe that nobody reads."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
