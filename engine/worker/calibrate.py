"""A calibration in a process of its own: some real updates are timed, and what they took is remembered.

One JSON request on standard input, JSON lines on standard output. Request: `settings` (by name), `tokenizer` (path),
and optionally `data` (path; its rows are used where they are built already), `context` (the mean length of a token's
document, for made-up rows), `seconds` (about how long to measure where updates are short) and `starter` (the process
that asks, a ProcessIdentity: a calibration ends with it, also when it was gone before this one began). Answer:
`{"phase": ..., "done": s, "total": s}` as it goes on, `{"warning": ...}`, and at the end `{"calibration": {...}}`; a
mistake of the user is `{"error": ...}` and exit code 2. It touches no run's folder.
"""

import os
import sys
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import orjson

from engine.errors import UserError
from engine.language import _
from engine.places import cache_dir
from engine.worker.kept_memory import keep_freed_memory
from engine.worker.waiting_threads import let_waiting_threads_sleep

if TYPE_CHECKING:
    from engine.data.stream import RowSource
    from engine.data.tokenizer import Tokenizer
    from engine.estimate.calibration import Calibration
    from engine.model.transformer import LanguageModel
    from engine.settings.settings import Settings
    from engine.settings.shape import ModelShape
    from engine.train.computing import Computing
    from engine.train.optimizers import ModelOptimizer

_BUSY_PERCENT = 30.0


@dataclass(frozen=True)
class CalibrationRequest:
    """What to measure; the module says what each field is."""

    settings: dict[str, Any]
    tokenizer: str
    data: str | None = None
    context: float | None = None
    seconds: float | None = None
    starter: dict[str, Any] | None = None


def read_request(line: bytes) -> CalibrationRequest:
    """The request in `line`. Raises UserError when it is none."""
    known = {field.name for field in fields(CalibrationRequest)}
    try:
        values = orjson.loads(line)
        return CalibrationRequest(**{name: value for name, value in values.items() if name in known})
    except (orjson.JSONDecodeError, AttributeError, TypeError) as error:
        raise UserError(_("The request for a calibration is not understood: {problem}").format(problem=error)) from None


class _Answer:
    """Writes the JSON lines."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def say(self, **message: Any) -> None:
        self._stream.write(orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE))
        self._stream.flush()

    def phase(self, phase: str, done: float = 0.0, total: float = 0.0) -> None:
        self.say(phase=phase, done=round(done, 2), total=round(total, 2))


def main() -> int:
    """Answer the request on standard input; returns the exit code."""
    let_waiting_threads_sleep()
    keep_freed_memory()
    answer = _Answer(os.fdopen(os.dup(1), "wb"))
    os.dup2(2, 1)  # what libraries print goes where it disturbs no line of ours
    try:
        request = read_request(sys.stdin.buffer.readline())
        if request.starter is not None:
            _end_with(request.starter)
        _calibrate(request, answer)
    except UserError as error:
        answer.say(error=str(error))
        return 2
    except BrokenPipeError:  # nobody listens any more
        return 0
    return 0


def _calibrate(request: CalibrationRequest, answer: _Answer) -> None:
    from engine.data.tokenizer import Tokenizer
    from engine.estimate.calibration import save_calibration
    from engine.settings.network import shape_from_settings
    from engine.settings.resolve import build_settings

    settings = build_settings(request.settings)
    tokenizer = Tokenizer.load(Path(request.tokenizer))
    shape = shape_from_settings(settings, tokenizer.vocab_size)  # a mistake is told before torch is waited for
    answer.phase("loading")
    from engine.train.computing import choose_computing
    from engine.train.ranks import Place

    local = 1 if settings.nproc == "auto" else settings.nproc
    computing = choose_computing(settings, lambda note: answer.say(warning=note), Place(local_size=local))
    if settings.processes > 1:
        answer.say(
            warning=_(
                "One process is measured; {n} of them also exchange gradients and share the machine, which makes an "
                "update slower than this."
            ).format(n=settings.processes)
        )
    if computing.info.kind == "cpu":
        _warn_of_others(answer)
    rows = _rows(request, settings, tokenizer)
    settings, calibration = _measure(settings, shape, computing, rows, request.seconds, answer)
    try:
        save_calibration(cache_dir(), computing.speed_key(settings, tokenizer.vocab_size), calibration)
    except OSError as error:
        answer.say(warning=_("The calibration could not be kept: {problem}.").format(problem=error.strerror or error))
    answer.say(calibration=calibration.model_dump(mode="json"))


def _measure(
    settings: "Settings",
    shape: "ModelShape",
    computing: "Computing",
    rows: "RowSource",
    seconds: float | None,
    answer: _Answer,
) -> "tuple[Settings, Calibration]":
    """Make the network and time its updates; the settings with a batch_size that is a number, and what was measured.

    Raises UserError when the memory is too small.
    """
    import numpy as np

    from engine.estimate.calibration import Calibration
    from engine.settings.balancing import balancing_of
    from engine.train.measuring import WANTED_SECONDS, Meter
    from engine.train.optimizers import LossScaler
    from engine.train.out_of_memory import is_out_of_memory
    from engine.train.parts import make_model, make_network, make_optimizer
    from engine.train.rng import seed_everything
    from engine.train.update import Updater

    try:
        seed_everything(settings.seed)
        model = make_model(settings, shape, computing)
        optimizer = make_optimizer(settings, model, computing)
        if settings.batch_size == "auto":
            settings = settings.in_micro_batches(
                _found_rows(settings, shape, computing, rows, model, optimizer, answer)
            )
        if computing.compile.on:
            answer.phase("compiling")
        first = np.arange(min(settings.micro_batch, rows.row_count))
        network, problem = make_network(model, computing, lambda: rows.batch(first))
        if problem is not None:
            answer.say(warning=problem)
        scaler = LossScaler(computing.precision.scaler)
        balancing = balancing_of(settings)
        updater = Updater(model, network, optimizer, scaler, computing.autocast, settings.grad_clip, balancing)
        compiled = network is not model
        meter = Meter(updater, rows, settings, fixed_shape=compiled, wanted_seconds=seconds or WANTED_SECONDS)
        meter.warm_up(lambda: answer.phase("warming up"))
        measured = meter.measure(lambda done, total: answer.phase("measuring", done, total))
        # a compiled network would be compiled once more for it, which takes longer than all the rest
        validation = None if compiled else meter.validation_tokens_per_s()
        sampled = meter.sampled_tokens_per_s()
    except Exception as error:
        if is_out_of_memory(error):
            raise _too_large(settings) from error
        raise
    return settings, Calibration(
        seconds=measured.seconds,
        seconds_low=measured.low,
        seconds_high=measured.high,
        tokens_per_s=measured.tokens_per_s,
        updates=measured.updates,
        when=datetime.now(UTC),
        source="calibration",
        accumulation_steps=settings.accumulation_steps,
        extrapolated=measured.extrapolated,
        validation_tokens_per_s=validation,
        sampled_tokens_per_s=sampled,
    )


def _found_rows(
    settings: "Settings",
    shape: "ModelShape",
    computing: "Computing",
    rows: "RowSource",
    model: "LanguageModel",
    optimizer: "ModelOptimizer",
    answer: _Answer,
) -> int:
    """What a run with `batch_size = auto` computes at a time: found earlier, or found now and remembered."""
    from engine.estimate.micro_batch import load_rows
    from engine.train.micro_batch import remember
    from engine.train.micro_batch_search import search_rows

    key = computing.memory_key(settings, shape.vocab_size)
    known = load_rows(cache_dir(), key)
    if known is not None:
        return known
    found = search_rows(
        settings, shape, rows, model, optimizer, computing, lambda _done, _total: answer.phase("warming up")
    )
    remember(cache_dir(), key, found)
    return found


def _rows(request: CalibrationRequest, settings: "Settings", tokenizer: "Tokenizer") -> "RowSource":
    """The real rows where they are built and there are enough for whole updates, else made-up ones."""
    from engine.data.synthetic_rows import SyntheticRows
    from engine.estimate.data_facts import existing_training_rows

    if request.data is not None:
        found = existing_training_rows(Path(request.data), tokenizer, settings, cache_dir())
        if isinstance(found, tuple) and found[0].row_count >= settings.rows_per_process:
            return found[0]
    context = request.context or settings.max_seq_len / 2
    return SyntheticRows(
        tokenizer.vocab_size,
        settings.max_seq_len,
        piece_length=context,
        pack=settings.pack,
        row_count=max(65536, settings.rows_per_process),
    )


def _warn_of_others(answer: _Answer) -> None:
    """Say when other programs keep the processor busy: what is measured then is true only as long as they do."""
    import psutil

    busy = psutil.cpu_percent(interval=0.3)
    if busy > _BUSY_PERCENT:
        answer.say(
            warning=_(
                "Other programs keep the processor {busy:.0f} % busy: training is slower as long as they do."
            ).format(busy=busy)
        )


def _too_large(settings: "Settings") -> UserError:
    return UserError(
        _(
            "There is not enough memory for batch_size {batch} and max_seq_len {length}: take a smaller batch_size and "
            "more accumulation_steps."
        ).format(batch=settings.micro_batch, length=settings.max_seq_len)
    )


def _end_with(starter: dict[str, Any]) -> None:
    """End this process when the one that asked is gone. Raises UserError when `starter` tells of no process."""
    from pydantic import ValidationError

    from engine.run.parent_watch import ParentWatch
    from engine.run.schema import ProcessIdentity

    try:
        process = ProcessIdentity.model_validate(starter)
    except ValidationError as error:
        raise UserError(_("The request for a calibration is not understood: {problem}").format(problem=error)) from None
    ParentWatch(process, on_lost=lambda: os._exit(0), on_hung=lambda: None).start()


if __name__ == "__main__":
    sys.exit(main())
