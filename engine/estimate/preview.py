"""What a run will be, before it starts: size, updates, memory, time, disk, and whether anything stands in its way.

Pure arithmetic on what is already known; nothing is read, started or written.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from engine.errors import UserError
from engine.estimate.band import Band, BandSource
from engine.estimate.calibration import Calibration
from engine.estimate.data_facts import DataFacts
from engine.estimate.device_probe import DeviceFacts
from engine.estimate.device_use import DeviceUse, device_use
from engine.estimate.duration import Pace, pace_of
from engine.estimate.memory import MemoryEstimate
from engine.estimate.micro_batch import expected_rows
from engine.estimate.mixture_notes import mixture_notes
from engine.estimate.size import active_parameters, checkpoint_bytes, parameters
from engine.estimate.space import About, Obstacle, disk_there, memory_there
from engine.language import _
from engine.settings.moments import deadline_at, format_duration
from engine.settings.network import shape_from_settings
from engine.settings.onward import bounded_end, schedule_of, updates_left
from engine.settings.schedule import plan_total
from engine.settings.settings import Settings
from engine.settings.shape import ModelShape

__all__ = ["About", "Band", "BandSource", "DataFacts", "EndedBy", "Obstacle", "RunPreview", "preview_run"]

EndedBy = Literal["epochs", "max_steps", "time_budget", "deadline"]

START_UP_SECONDS = 6.0
"""What a process takes before its first update, when the text is tokenised already: a deadline counts it."""

CURVE_POINTS = 200
_TOKENISED_BYTES_PER_S = 1.7e6
"""By one core; measured with the shipped tokenizer."""
_WORTH_TELLING = 60.0


@dataclass(frozen=True)
class RunPreview:
    """What a run will be. None is what is not known (yet); sizes are bytes, durations seconds.

    `active_parameters` are those that one token is computed with: fewer than all in a mixture of experts.
    `parameters`, `memory` and the disk are None only for a shape that makes no network, which is then among the
    `obstacles`: each is a reason why the run is not ready, no sentence twice. `notes` are what a person should know and
    decide for himself.

    An update takes `rows_per_update` rows on all `processes` together. `most_updates` is what epochs and max_steps
    allow; `updates` is what the run will make, less where time ends it first (`ended_by`); then it lies between
    `updates_low` and `updates_high`, as the speed is known only so well. `seconds` is the training's own time, with
    validations, samples and saves, without start-up and tokenising. `learning_rates` are (number of the update from 1,
    learning rate) at up to `CURVE_POINTS` places, for drawing.
    """

    batch_size: int
    accumulation_steps: int
    processes: int
    rows_per_update: int
    positions_per_update: int
    epochs: int
    parameters: int | None = None
    active_parameters: int | None = None
    tokens_per_update: int | None = None
    updates_per_epoch: int | None = None
    most_updates: int | None = None
    updates: int | None = None
    updates_low: int | None = None
    updates_high: int | None = None
    ended_by: EndedBy = "epochs"
    total_tokens: int | None = None
    data_exact: bool = False
    device: DeviceUse | None = None
    memory: MemoryEstimate | None = None
    memory_needed: int | None = None
    memory_there: int | None = None
    seconds: Band | None = None
    seconds_per_update: Band | None = None
    checkpoint_bytes: int | None = None
    disk_needed: int | None = None
    disk_free: int | None = None
    learning_rates: list[tuple[int, float]] = field(default_factory=list)
    obstacles: list[Obstacle] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        """The obstacles in words."""
        return [obstacle.text for obstacle in self.obstacles]

    @property
    def ready(self) -> bool:
        """Whether nothing known stands in the way."""
        return not self.obstacles


def preview_run(
    settings: Settings,
    *,
    vocab_size: int,
    data: DataFacts | None,
    device: DeviceFacts | None,
    calibration: Calibration | None = None,
    disk_free: int | None = None,
    now: datetime | None = None,
    problems: Sequence[str] = (),
    auto_rows: int | None = None,
) -> RunPreview:
    """What a run with `settings` will be, as far as it follows from what is given. Takes milliseconds.

    `problems` are reasons found elsewhere why it is not ready (a file that is missing, another run's weights); with
    none of them, `data` that is None counts as a problem. `now` is the moment the run would start. `auto_rows`: what
    `batch_size = auto` was found to come to here.
    """
    start = now or datetime.now(UTC)
    use = device_use(settings, device) if device is not None else None
    found: dict[str, Any] = {}
    troubles = [Obstacle("given", problem) for problem in problems]
    troubles += [Obstacle("data", problem) for problem in _data_problems(data, quiet=bool(problems))]
    notes: list[str] = []
    if device is not None and data is not None:
        notes += _tokenising(settings, data, device.cores)
    shape: ModelShape | None = None
    try:
        shape = shape_from_settings(settings, vocab_size)
    except UserError as error:
        troubles.append(Obstacle("shape", str(error)))
    if use is not None:
        troubles += [Obstacle("device", use.problem)] if use.problem else []
        notes += use.notes
    if settings.batch_size == "auto":
        settings = _settled(settings, shape, use, auto_rows, notes)
    pace = pace_of(settings, shape, use, calibration, data) if shape is not None else None
    bound = _TimeBound.of(settings, start)
    if bound is not None and bound.left <= 0:
        troubles.append(Obstacle("time", _over(settings, start)))
    if data is not None and data.rows_per_epoch > 0:
        found |= _course(settings, data, pace, bound, notes)
    elif bound is not None:
        found["ended_by"] = bound.by
    elif settings.max_steps:
        found["ended_by"] = "max_steps"
    if shape is not None:
        found |= {"parameters": parameters(shape), "checkpoint_bytes": checkpoint_bytes(shape, settings.optimizer)}
        found["active_parameters"] = active_parameters(shape)
        notes += mixture_notes(settings, shape)
        found |= memory_there(settings, shape, use, troubles, notes)
        found |= disk_there(settings, shape, found.get("updates"), found.get("seconds"), disk_free, troubles, notes)
    if (updates := found.get("updates")) is not None:
        found["learning_rates"] = learning_rate_curve(settings, updates)
    rows = settings.rows_per_update
    return RunPreview(
        batch_size=settings.micro_batch,
        accumulation_steps=settings.accumulation_steps,
        processes=settings.processes,
        rows_per_update=rows,
        positions_per_update=rows * settings.max_seq_len,
        epochs=settings.epochs,
        device=use,
        seconds_per_update=pace.update if pace is not None else None,
        disk_free=disk_free,
        obstacles=_each_once(troubles),
        notes=notes,
        **found,
    )


def _settled(
    settings: Settings, shape: ModelShape | None, use: DeviceUse | None, found: int | None, notes: list[str]
) -> Settings:
    """The settings with the micro-batch that `auto` was found, or is expected, to come to; a note says so."""
    on_cpu = use is None or use.kind == "cpu"
    if found is None and shape is not None:
        found = expected_rows(
            settings,
            shape,
            use.memory if use is not None else None,
            dtype=use.dtype if use is not None else "fp32",
            device="cpu" if on_cpu else "accelerator",
        )
        sure = use is not None and on_cpu
    else:
        sure = found is not None
    settled = settings.in_micro_batches(found or math.gcd(settings.micro_batch, settings.rows_per_process))
    note = _("batch_size = auto: {rows} rows at a time, {count} micro-batches an update.").format(
        rows=settled.micro_batch, count=settled.accumulation_steps
    )
    if not sure:
        note += " " + _("That is expected; the run tries what fits when it starts.")
    notes.append(note)
    return settled


def _each_once(obstacles: Sequence[Obstacle]) -> list[Obstacle]:
    found: dict[str, Obstacle] = {}
    for obstacle in obstacles:
        found.setdefault(obstacle.text, obstacle)
    return list(found.values())


def learning_rate_curve(settings: Settings, updates: int) -> list[tuple[int, float]]:
    """(number of the update from 1, its learning rate) of a run of `updates`, at up to `CURVE_POINTS` places."""
    schedule = schedule_of(settings)
    horizon = schedule.plan(updates)
    last = updates - 1
    steps = {round(last * place / max(1, CURVE_POINTS - 2)) for place in range(CURVE_POINTS - 1)}
    steps.add(min(settings.warmup_steps, last))
    return [(step + 1, schedule.lr_at(step, horizon)) for step in sorted(steps)]


@dataclass(frozen=True, slots=True)
class _TimeBound:
    """Seconds that time leaves the training, and whether the budget or the deadline says so."""

    left: float
    by: Literal["time_budget", "deadline"]

    @classmethod
    def of(cls, settings: Settings, start: datetime) -> "_TimeBound | None":
        """None when time bounds nothing. A budget counts training alone, a deadline the start-up as well."""
        bounds = []
        if settings.time_budget > 0:
            bounds.append(cls(settings.time_budget, "time_budget"))
        if settings.deadline != "none":
            until = deadline_at(settings.deadline, start)
            left = (until - start).total_seconds()
            bounds.append(cls(left - START_UP_SECONDS if left > 0 else left, "deadline"))
        return min(bounds, key=lambda bound: bound.left, default=None)


def _course(
    settings: Settings,
    data: DataFacts,
    pace: Pace | None,
    bound: _TimeBound | None,
    notes: list[str],
) -> dict[str, Any]:
    """How many updates, over how many tokens, in how much time, and what ends them."""
    rows = settings.rows_per_update

    def updates_of(epochs: int) -> int:
        return updates_left(0, 0, epochs=epochs, row_count=data.rows_per_epoch, rows_per_update=rows)

    per_epoch = updates_of(1)
    most = bounded_end(0, updates_of(settings.epochs), settings.max_steps)
    ended_by: EndedBy = "max_steps" if settings.max_steps == most else "epochs"
    updates: int | None = most
    low = high = most
    seconds = pace.run(settings, most, _whole(most, data, rows, per_epoch)) if pace is not None else None
    if bound is not None and pace is None:
        updates, ended_by = None, bound.by
        notes.append(_("How fast this device trains is not known yet, so neither is how many updates fit: calibrate."))
    elif bound is not None and pace is not None and seconds is not None:
        left = max(0.0, bound.left - pace.ending.middle)
        each = pace.per_update(settings)
        low, high = (plan_total(most, None, left, second).total for second in (each.high, each.low))
        updates, ending = plan_total(most, None, left, each.middle)
        if ending == "time":
            ended_by = bound.by
        elif settings.time_budget or seconds.high < bound.left:
            notes.append(
                _("All {n} updates are made before the time is over: more epochs would use it.").format(n=updates)
            )
        seconds = seconds.at_most(max(0.0, bound.left))
    if updates is not None and 0 < updates <= settings.warmup_steps:
        notes.append(
            _("The warm-up of {warmup} updates is not over when the run ends after {updates}.").format(
                warmup=settings.warmup_steps, updates=updates
            )
        )
    if data.rows_per_epoch < rows:
        notes.append(
            _("An update would take {rows} rows, but an epoch has only {there}: each epoch is one update.").format(
                rows=rows, there=data.rows_per_epoch
            )
        )
    return {
        "data_exact": data.exact,
        "tokens_per_update": round(data.tokens_per_epoch * min(1.0, rows / data.rows_per_epoch)),
        "updates_per_epoch": per_epoch,
        "most_updates": most,
        "updates": updates,
        "updates_low": None if updates is None else low,
        "updates_high": None if updates is None else high,
        "ended_by": ended_by,
        "total_tokens": None if updates is None else _tokens(updates, data, rows, per_epoch),
        "seconds": seconds,
    }


def _rows_taken(updates: int, data: DataFacts, rows: int, per_epoch: int) -> int:
    epochs, rest = divmod(updates, per_epoch)
    return epochs * data.rows_per_epoch + min(rest * rows, data.rows_per_epoch)


def _whole(updates: int, data: DataFacts, rows: int, per_epoch: int) -> float:
    return _rows_taken(updates, data, rows, per_epoch) / rows


def _tokens(updates: int, data: DataFacts, rows: int, per_epoch: int) -> int:
    return round(data.tokens_per_epoch * _rows_taken(updates, data, rows, per_epoch) / data.rows_per_epoch)


def _data_problems(data: DataFacts | None, *, quiet: bool) -> list[str]:
    if data is None:
        return [] if quiet else [_("The training text has not been looked into yet.")]
    if data.problems:
        return list(data.problems)
    return [] if data.rows_per_epoch > 0 else [_("The training text holds nothing to train on.")]


def _tokenising(settings: Settings, data: DataFacts, cores: int) -> list[str]:
    threads = cores if settings.num_workers == "auto" else min(cores, settings.num_workers)
    seconds = data.bytes_to_tokenise / (_TOKENISED_BYTES_PER_S * threads)
    if seconds < _WORTH_TELLING:
        return []
    return [
        _("The text is tokenised before training begins, once: that takes some {time}.").format(
            time=format_duration(seconds)
        )
    ]


def _over(settings: Settings, now: datetime) -> str:
    left = (deadline_at(settings.deadline, now) - now).total_seconds()
    if left > 0:
        return _("The deadline is too near: {left} are left, and starting alone takes {start}.").format(
            left=format_duration(left), start=format_duration(START_UP_SECONDS)
        )
    return _("deadline = {deadline} is over: it is {now} now.").format(
        deadline=settings.deadline, now=now.astimezone().isoformat(timespec="minutes")
    )
