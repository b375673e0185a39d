"""control.jsonl: requests to a run, and their answers in events.jsonl.

Whoever can write the run's folder can ask; nobody else can. A request names the attempt it is meant for and expires
with it: an old stop must not end a resumed run. Each request is answered once, whatever it holds.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.errors import UserError
from engine.language import _
from engine.run.folder import RunFolder
from engine.run.jsonl_log import Line, LineWriter, Tail, encode_line, line_batches
from engine.run.observe import observe
from engine.run.process import send_signal_safely
from engine.run.schema import ControlAnswer, EventKind, Request, Status

MAX_REQUEST = 64 << 10
"""Bytes of a request's line."""

MOST_AT_ONCE = 64
"""Requests that one look takes; what came with them beyond that is refused together, but for a stop or a pause."""

_MAX_ID = 64
_MOST_SEEN = 10_000
_BREATH = 0.05


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="forbid", defer_build=True)


class NoArguments(_Arguments):
    """For pause and continue."""


class SaveArguments(_Arguments):
    """`keep`: retention leaves this checkpoint alone."""

    keep: bool = False


class StopArguments(_Arguments):
    """`now`: kill without saving; what came after the last checkpoint is lost."""

    now: bool = False


class SampleArguments(_Arguments):
    """What to write; None is the run's own setting."""

    prompt: str | None = Field(None, max_length=20_000)
    max_new_tokens: int | None = Field(None, ge=1, le=4096)
    temperature: float | None = Field(None, ge=0, le=10, allow_inf_nan=False)
    top_k: int | None = Field(None, ge=0)
    top_p: float | None = Field(None, gt=0, le=1)
    seed: int | None = Field(None, ge=0, lt=1 << 63)


class SetArguments(_Arguments):
    """`lr_scale`: a factor on the schedule, from the next update on."""

    lr_scale: float = Field(gt=0, le=100, allow_inf_nan=False)


class ExcludedDocument(_Arguments):
    """One document: its line in the training text, and the 64-bit hash of its text."""

    line: int = Field(ge=1)
    hash: str = Field(pattern=r"^[0-9a-f]{16}$")


class ExcludeArguments(_Arguments):
    """`documents` carry no loss from now on."""

    documents: list[ExcludedDocument] = Field(min_length=1, max_length=500)


OPERATIONS: dict[str, type[_Arguments]] = {
    "save": SaveArguments,
    "stop": StopArguments,
    "pause": NoArguments,
    "continue": NoArguments,
    "sample": SampleArguments,
    "set": SetArguments,
    "exclude": ExcludeArguments,
}
"""What can be asked for, and with which arguments."""


def send_request(folder: RunFolder, op: str, args: Mapping[str, Any] | None = None) -> str:
    """Ask the run's current attempt for `op`; returns the request's id, to wait for the answer with.

    Where the folder cannot be written, on a full disk for one, a stop goes to the supervisor as a signal; it gets no
    answer. Raises UserError when the run is not live, when `op` or its arguments are wrong, or nothing can be asked.
    """
    arguments = dict(args or {})
    problem = _problem_of(op, arguments)
    if problem:
        raise UserError(problem)
    now = observe(folder)
    if not now.is_live or now.status is None:
        raise UserError(
            _("Run {run} is {state}, so nothing can be asked of it. {message}").format(
                run=folder.id, state=now.state, message=now.message
            )
        )
    request = Request(
        attempt=now.status.attempt, step=now.status.step, id=os.urandom(8).hex(), op=op, args=arguments
    ).model_dump()
    if len(encode_line(request)) > MAX_REQUEST:
        raise UserError(_("A request may have {n} bytes at most.").format(n=MAX_REQUEST))
    writer = LineWriter(folder.control)
    try:
        writer.append(request)
    except OSError as error:
        if op == "stop" and _stop_by_signal(now.status, at_once=arguments.get("now") is True):
            return str(request["id"])
        raise UserError(
            _("Cannot write to {path}: {problem}.").format(path=folder.control, problem=error.strerror or str(error))
        ) from error
    finally:
        writer.close()
    return str(request["id"])


def _stop_by_signal(status: Status, *, at_once: bool) -> bool:
    """Ask a run's supervisor on this machine to stop it; a second signal kills. Whether it could be asked."""
    supervisor = status.supervisor
    numbers = (signal.SIGTERM, signal.SIGINT) if at_once else (signal.SIGTERM,)  # two of one kind may become one
    try:
        return supervisor is not None and all(send_signal_safely(supervisor, number) for number in numbers)
    except OSError:
        return False


@dataclass(frozen=True)
class Answer:
    """What became of a request."""

    accepted: bool
    reason: str
    step: int


class AnswerWatch:
    """Waits for answers in events.jsonl.

    Made before its request is sent, it reads new events alone; `from_start` also finds answers given before.
    """

    def __init__(self, folder: RunFolder, *, from_start: bool = False) -> None:
        self._folder = folder
        size = 0
        if not from_start:
            with contextlib.suppress(OSError):
                size = folder.events.stat().st_size
        self._tail = Tail(folder.events, offset=size)
        self._answers: dict[str, Answer] = {}

    def poll(self, request_id: str) -> Answer | None:
        """The answer to a request, if there is one by now. Raises OSError."""
        for event in self._tail.poll():
            if event.get("kind") == EventKind.CONTROL and isinstance(event.get("id"), str):
                step = event.get("step")
                self._answers[event["id"]] = Answer(
                    event.get("accepted") is True, str(event.get("reason") or ""), step if isinstance(step, int) else 0
                )
        return self._answers.get(request_id)

    def wait(self, request_id: str, timeout: float) -> Answer | None:
        """The answer, waiting up to `timeout` seconds; None when none came, or the run ended before it did."""
        deadline = time.monotonic() + timeout
        ended = False
        while True:
            answer = self.poll(request_id)
            if answer is not None or ended or time.monotonic() >= deadline:
                return answer
            ended = not observe(self._folder).is_live  # then one more look, for an answer given at the last moment
            if not ended:
                time.sleep(_BREATH)


def wait_for_answer(folder: RunFolder, request_id: str, timeout: float) -> Answer | None:
    """The answer to a request sent before, waiting up to `timeout` seconds; None when none came. Raises OSError."""
    return AnswerWatch(folder, from_start=True).wait(request_id, timeout)


def ask(folder: RunFolder, op: str, args: Mapping[str, Any] | None = None, *, timeout: float = 30.0) -> Answer | None:
    """Send a request and wait for its answer; None when none came in time. Raises UserError as `send_request`."""
    watch = AnswerWatch(folder)
    return watch.wait(send_request(folder, op, args), timeout)


def answered_ids(folder: RunFolder) -> set[str]:
    """The ids of all requests that have their answer. Raises OSError."""
    ids = (
        event.get("id")
        for events in line_batches(folder.events)
        for event in events
        if event.get("kind") == EventKind.CONTROL
    )
    return {request_id for request_id in ids if isinstance(request_id, str) and len(request_id) <= _MAX_ID}


def is_stop_now(request: Request) -> bool:
    """Whether the supervisor answers it, also while a worker lives: a hung worker answers nothing."""
    return request.op == "stop" and request.args.get("now") is True


class ControlInbox:
    """The run's side: reads requests, refuses what is broken or not meant for it, hands on the rest.

    `answers` writes events.jsonl. `offset` is where the attempt's requests begin in control.jsonl; `answered` are ids
    that another process of the run answered before.
    """

    def __init__(
        self, folder: RunFolder, attempt: int, answers: LineWriter, *, offset: int = 0, answered: Iterable[str] = ()
    ) -> None:
        self._attempt = attempt
        self._answers = answers
        self._tail = Tail(folder.control, offset=offset, max_line=MAX_REQUEST)
        self._seen = dict.fromkeys(answered)
        self._bad_lines = 0
        self._open: dict[str, str] = {}

    def poll(
        self, step: int, *, only: Callable[[Request], bool] | None = None, answer_broken: bool = True
    ) -> list[Request]:
        """Well-formed requests to this attempt that came since the last poll. Never raises for what the file holds.

        Without `only`, everything else is answered here. With it, only the requests it picks are returned, and nothing
        is answered: another process does. `answer_broken` = False is for lines an earlier process saw as well: those
        without an id were answered then. Costs one look at a file's size when nothing came. However much came, a look
        reads a megabyte at most, takes MOST_AT_ONCE requests and writes one line about all the others; the last stop
        and the last pause among those are taken, too, so that nobody's flood keeps a run from being stopped.
        """
        try:
            lines = self._tail.poll(seconds=0.0)
        except OSError:
            return []
        fresh: list[Request] = []
        broken, self._bad_lines = max(0, self._tail.bad_lines - self._bad_lines), self._tail.bad_lines
        named = [line for line in lines if isinstance(line.get("id"), str) and 0 < len(line["id"]) <= _MAX_ID]
        broken += len(lines) - len(named)
        taken, refused = _within_rate(named)
        for line in taken:
            request_id = line["id"]
            if request_id in self._seen:
                continue
            request, problem = self._read(line)
            if only is None or (request is not None and only(request)):
                self._remember(request_id)
                if request is not None:
                    self._open[request_id] = request.op
                    fresh.append(request)
                else:
                    self._refuse(request_id, line.get("op"), problem, step)
        if broken and only is None and answer_broken:
            self._refuse(None, None, _("{n} lines of control.jsonl are not requests.").format(n=broken), step)
        if refused and only is None and answer_broken:
            reason = _("{n} requests came at once with others and were refused: a look takes {most}.")
            self._refuse(None, None, reason.format(n=refused, most=MOST_AT_ONCE), step)
        return fresh

    def _remember(self, request_id: str) -> None:
        self._seen[request_id] = None
        if len(self._seen) > _MOST_SEEN:  # reading only goes on from here: the oldest cannot come again
            del self._seen[next(iter(self._seen))]

    def answer(self, request_id: str, accepted: bool, reason: str | None, step: int) -> None:
        """Write the answer to a request that `poll` returned; a full disk delays it."""
        answer = ControlAnswer(
            attempt=self._attempt,
            step=step,
            id=request_id,
            op=self._open.pop(request_id, None),
            accepted=accepted,
            reason=reason,
        )
        self._answers.append_or_keep(answer.model_dump(exclude_none=True))

    @property
    def unanswered(self) -> list[str]:
        """The ids of the requests that `poll` returned and nobody has answered yet."""
        return list(self._open)

    def _read(self, line: Line) -> tuple[Request | None, str]:
        try:
            request = Request.model_validate(line)
        except ValidationError as error:
            return None, _words(error)
        problem = _problem_of(request.op, request.args)
        if problem:
            return None, problem
        if request.attempt != self._attempt:
            return None, _("It was meant for attempt {theirs}; this is attempt {ours}.").format(
                theirs=request.attempt, ours=self._attempt
            )
        return request, ""

    def _refuse(self, request_id: str | None, op: Any, reason: str, step: int) -> None:
        answer = ControlAnswer(
            attempt=self._attempt,
            step=step,
            id=request_id,
            op=op[:_MAX_ID] if isinstance(op, str) else None,
            accepted=False,
            reason=reason,
        )
        self._answers.append_or_keep(answer.model_dump())


def _within_rate(lines: list[Line]) -> tuple[list[Line], int]:
    """The lines of a look that are taken, and how many are not."""
    taken, rest = lines[:MOST_AT_ONCE], lines[MOST_AT_ONCE:]
    urgent: dict[tuple[str, bool], Line] = {}
    for line in rest:
        op, args = line.get("op"), line.get("args")
        if op in ("stop", "pause"):
            urgent[str(op), isinstance(args, dict) and args.get("now") is True] = line
    return [*taken, *urgent.values()], len(rest) - len(urgent)


def _problem_of(op: str, args: dict[str, Any]) -> str:
    arguments = OPERATIONS.get(op)
    if arguments is None:
        return _("{op} is none of the requests a run knows: {known}.").format(
            op=op[:_MAX_ID], known=", ".join(OPERATIONS)
        )
    try:
        arguments.model_validate(args, strict=True)
    except ValidationError as error:
        return f"{op}: {_words(error)}"
    return ""


def _words(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else str(first["msg"])
