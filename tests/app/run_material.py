"""Run folders for tests of the screens, without a process behind them and the same each time.

Numbers are functions of the step; times count from 2026-11-24T03:15:00Z, a second per two steps. A live state is made
to look alive by naming the test's own process, a crashed one by naming a process that cannot be.
"""

import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from engine.run.checkpoints import begin_checkpoint
from engine.run.clock import awake_seconds, now_utc_iso, utc_iso
from engine.run.create import create_run
from engine.run.folder import RunFolder
from engine.run.process import this_process
from engine.run.schema import (
    ENDED_STATES,
    FINAL_STATES,
    AttemptRecord,
    EventKind,
    Lineage,
    Manifest,
    Phase,
    ProcessIdentity,
    State,
    Status,
)
from engine.run.status import encode_record
from engine.settings.presets import load_preset
from engine.settings.resolve import build_settings
from engine.settings.run_toml import render_settings

EPOCH = 1795490100.0  # 2026-11-24T03:15:00Z
STEP_SECONDS = 0.5
TOKENS_PER_STEP = 750
WARMUP = 20
PEAK = 4e-3
SAMPLES = (
    ("Once upon a time", ", there was a little fox who lived by the river. Every day she went to the water."),
    ("从前", "，有一只聪明的小熊，名叫豆豆，住在农场后面的草地上。它最好的朋友是一只小兔子。"),
)
LIVE = frozenset({State.STARTING, State.RUNNING, State.PAUSED, State.STOPPING, State.STALLED})


@dataclass(frozen=True)
class Attempt:
    """One attempt: it logs the steps after `start` up to `end`. The next one may begin before its `end`."""

    start: int
    end: int
    exact: bool | None = True
    why_inexact: tuple[str, ...] = ()
    end_state: State | None = State.STOPPED
    reason: str | None = "request"


@dataclass
class Plan:
    """Everything about a run that tests vary; see `write_run`."""

    steps: int = 200
    total_steps: int | None = None
    state: State = State.FINISHED
    attempts: Sequence[Attempt] = ()
    preset: str | None = "mini"
    settings: Mapping[str, Any] = field(default_factory=dict)
    epochs: int = 1
    validate_every: int = 50
    save_every: int = 50
    sample_every: int = 100
    samples: Sequence[tuple[str, str]] = SAMPLES
    events: Sequence[Mapping[str, Any]] = ()
    """Further lines at the end of events.jsonl; `attempt`, `step` and `t` are filled in."""
    log: str = "device: Test CPU\nprecision: fp32\nthreads: 2 threads\n"
    checkpoints: int = 2
    status: Mapping[str, Any] = field(default_factory=dict)
    """Values of status.json that are to be others."""
    manifest: Mapping[str, Any] = field(default_factory=dict)
    nan_steps: Sequence[int] = ()
    run_id: str | None = None
    lineage: Lineage | None = None
    experts: tuple[int, int] | None = None
    """Layers and experts of a mixture of experts."""
    starving: Sequence[tuple[int, int]] = ()
    """Layers and experts that hardly get tokens."""
    ranks: int = 1
    slow_rank: int | None = None
    """A rank that takes half as long again as the others, and waits for data."""
    idle_s: float = 600.0
    """Of a stalled run: for how long nothing has advanced."""


def write_run(workspace: Path, name: str = "mini", **plan: Any) -> RunFolder:
    """A run below `workspace`/runs as `Plan`'s fields tell, of id `20261124-031500-<name>` unless `run_id` is given.

    `steps` are logged, in one attempt or in `attempts`; a hundred thousand take less than two seconds.
    """
    asked = Plan(**plan)
    if not asked.attempts:
        asked.attempts = (
            Attempt(0, asked.steps, exact=None, end_state=_end_state(asked.state), reason=_reason(asked)),
        )
    asked.steps = asked.attempts[-1].end
    asked.total_steps = asked.total_steps or (asked.steps if asked.state is State.FINISHED else asked.steps * 2)
    folder = _make(workspace / "runs", name, asked)
    if asked.state is State.CREATED:
        return folder
    folder.metrics.write_bytes(b"".join(encode(line) for line in _metrics(asked)))
    folder.events.write_bytes(b"".join(encode(line) for line in _events(asked)))
    folder.trainer_log.write_text(asked.log, encoding="utf-8")
    _save(folder, asked)
    folder.status.write_bytes(encode_record(make_status(asked)))
    return folder


def encode(line: Mapping[str, Any]) -> bytes:
    """A line of a log."""
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def append_event(folder: RunFolder, **event: Any) -> None:
    """A further happening, as the worker would append it."""
    with folder.events.open("ab") as file:
        file.write(encode({"v": 1, "t": now_utc_iso(), "attempt": 1, "step": 0} | event))


def append_steps(folder: RunFolder, first: int, last: int, *, attempt: int = 1, **plan: Any) -> None:
    """Further logged steps, from `first` to `last`."""
    asked = Plan(total_steps=last, **plan)
    with folder.metrics.open("ab") as file:
        file.writelines(encode(train_line(step, attempt, asked)) for step in range(first, last + 1))


def change_status(folder: RunFolder, **changes: Any) -> None:
    """Replace values of status.json; heartbeat and progress are now."""
    status = Status.model_validate(orjson.loads(folder.status.read_bytes()) | _now() | changes)
    folder.status.write_bytes(encode_record(status))


def dead_process() -> ProcessIdentity:
    """A process of this machine that does not live: the pid is ours, the start is not."""
    return this_process().model_copy(update={"start": 1.0})


def loss_at(step: int) -> float:
    """The loss of a step: falling, with a ripple."""
    return 1.2 + 7.5 * math.exp(-step / 60) + 0.08 * math.sin(step * 1.7)


def rate_at(step: int, total: int) -> float:
    """The learning rate of a step: warm-up, then a line to zero."""
    return PEAK * step / WARMUP if step < WARMUP else PEAK * max(0.0, (total - step) / max(1, total - WARMUP))


def train_line(step: int, attempt: int, plan: Plan) -> dict[str, Any]:
    """A line of a log interval."""
    return {
        "v": 1,
        "t": _moment(step),
        "attempt": attempt,
        "step": step,
        "kind": "train",
        "epoch": _epoch(step, plan),
        "tokens": step * TOKENS_PER_STEP,
        "elapsed": step * STEP_SECONDS,
        "loss": None if step in plan.nan_steps else round(loss_at(step), 5),
        "lr": rate_at(step, plan.total_steps or step),
        "grad_norm": round(1.0 + 4 * math.exp(-step / 30) + 0.2 * math.sin(step), 4),
        "tokens_per_s": round(1500 + 60 * math.sin(step / 9), 1),
        "data_wait": 0.002,
        "memory": 474_984_448,
        "mfu": 0.28,
        "skipped": len([bad for bad in plan.nan_steps if bad <= step]),
        **_lists(step, plan),
    }


def expert_load(step: int, layers: int, experts: int, starving: Sequence[tuple[int, int]] = ()) -> list[list[float]]:
    """The experts' shares of a step, a layer each: uneven, more so in later layers, slowly moving."""
    load = []
    for layer in range(layers):
        parts = [
            0.01 if (layer, expert) in starving else 1 + (layer + 1) / (layers + 1) * math.sin(expert * 1.7 + step / 40)
            for expert in range(experts)
        ]
        load.append([round(part / sum(parts), 5) for part in parts])
    return load


def _lists(step: int, plan: Plan) -> dict[str, Any]:
    lists: dict[str, Any] = {}
    if plan.experts is not None:
        lists |= {"aux_loss": 0.081, "expert_load": expert_load(step, *plan.experts, plan.starving)}
    if plan.ranks > 1:
        slow = [rank == plan.slow_rank for rank in range(plan.ranks)]
        seconds = [0.4 + 0.004 * math.sin(rank * 2.1) for rank in range(plan.ranks)]
        lists["rank_seconds"] = [
            round(one * (1.5 if is_slow else 1.0), 4) for one, is_slow in zip(seconds, slow, strict=True)
        ]
        lists["rank_data_wait"] = [0.35 if is_slow else 0.002 for is_slow in slow]
    return lists


def make_status(plan: Plan) -> Status:
    """status.json of the end of a plan."""
    step, state = plan.steps, plan.state
    ended = state in ENDED_STATES
    total = plan.total_steps or step
    values: dict[str, Any] = {
        "attempt": len(plan.attempts),
        "step": step,
        "state": {State.STALLED: State.RUNNING, State.CRASHED: State.RUNNING}.get(state, state),
        "phase": None if ended or state is State.PAUSED else Phase.TRAINING,
        "host": this_process().host,
        "world_size": plan.ranks,
        "supervisor": dead_process() if state is State.CRASHED else this_process() if state in LIVE else None,
        "worker": dead_process()
        if state is State.CRASHED
        else this_process()
        if state in LIVE and state is not State.PAUSED
        else None,
        "epoch": _epoch(step, plan),
        "epochs": plan.epochs,
        "total_steps": total,
        "micro_batch": 0,
        "micro_batches": 1,
        "tokens": step * TOKENS_PER_STEP,
        "total_tokens": total * TOKENS_PER_STEP,
        "elapsed": step * STEP_SECONDS,
        "loss": loss_at(step) if step else None,
        "lr": rate_at(step, total) if step else None,
        "lr_scale": 1.0,
        "tokens_per_s": 1500.0 if step else None,
        "eta_s": None if ended or not step else (total - step) * STEP_SECONDS,
        "last_checkpoint": _last_save(plan),
        "usual_interval": 0.05,
        "reason": _reason(plan) if state in FINAL_STATES else None,
        "message": {
            State.FINISHED: "All epochs are done.",
            State.STOPPED: "Stopped on request; everything is saved.",
            State.FAILED: "RuntimeError: the loss is not a number at step 200.",
        }.get(state),
    }
    validated = list(range(plan.validate_every, step + 1, plan.validate_every)) if plan.validate_every else []
    if validated:
        values |= {"best_validation": round(loss_at(validated[-1]) + 0.15, 5), "best_validation_step": validated[-1]}
    if ended:
        values |= {"heartbeat": _moment(step), "progress_at": _moment(step)}
    else:
        values |= _now(idle=plan.idle_s if state is State.STALLED else 0.0)
    return Status.model_validate({"t": _moment(step)} | values | dict(plan.status))


def _make(runs_dir: Path, name: str, plan: Plan) -> RunFolder:
    base = load_preset(plan.preset).values if plan.preset else {}
    settings = build_settings(base, dict(plan.settings))
    manifest = Manifest.model_validate(
        {
            "created": utc_iso(EPOCH),
            "preset": plan.preset,
            "weights_name": f"pretrain_{settings.hidden_size}",
            "versions": {"python": "3.11.7", "torch": "2.13.0"},
            "lineage": plan.lineage,
        }
        | dict(plan.manifest)
    )
    if plan.state is not State.CREATED:
        known = {"device": "Test CPU", "dtype": "fp32", "parameters": 2_192_800, "seed": settings.seed}
        for key, value in known.items():
            if key not in plan.manifest:
                setattr(manifest, key, value)
        manifest.attempts = [_record(number, plan) for number in range(1, len(plan.attempts) + 1)]
    folder = create_run(runs_dir, name, render_settings(settings, plan.preset), manifest)
    wanted = plan.run_id or f"20261124-031500-{name}"
    target = folder.path.with_name(wanted)
    if target.exists():
        shutil.rmtree(target)
    folder.path.rename(target)
    folder = RunFolder(target)
    folder.change_manifest(lambda manifest: setattr(manifest, "id", wanted))
    return folder


def _record(number: int, plan: Plan) -> AttemptRecord:
    attempt = plan.attempts[number - 1]
    is_open = number == len(plan.attempts) and plan.state not in FINAL_STATES
    return AttemptRecord(
        attempt=number,
        started=_moment(attempt.start),
        ended=None if is_open else _moment(attempt.end),
        host="testhost",
        world_size=plan.ranks,
        device="Test CPU",
        dtype="fp32",
        from_checkpoint=f"step-{attempt.start:08d}" if number > 1 else None,
        start_step=attempt.start,
        exact=attempt.exact,
        why_inexact=list(attempt.why_inexact),
        end_state=None if is_open else attempt.end_state,
        end_step=None if is_open else attempt.end,
        reason=None if is_open else attempt.reason,
    )


def _header(number: int, attempt: Attempt) -> dict[str, Any]:
    return {
        "v": 1,
        "t": _moment(attempt.start),
        "attempt": number,
        "step": attempt.start,
        "kind": "attempt",
        "start_step": attempt.start,
    }


def _metrics(plan: Plan) -> Iterator[dict[str, Any]]:
    for number, attempt in enumerate(plan.attempts, 1):
        yield _header(number, attempt)
        for step in range(attempt.start + 1, attempt.end + 1):
            yield train_line(step, number, plan)
            if plan.validate_every and step % plan.validate_every == 0:
                shared = {"v": 1, "t": _moment(step), "attempt": number, "step": step, "kind": "validation"}
                shared |= {"epoch": _epoch(step, plan), "tokens": step * TOKENS_PER_STEP}
                yield shared | {"elapsed": step * STEP_SECONDS} | _validation(step)


def _validation(step: int) -> dict[str, Any]:
    value = round(loss_at(step) + 0.15, 5)
    perplexity, bits = round(math.exp(value), 4), round(value * 0.41, 4)
    return {"loss": value, "perplexity": perplexity, "bits_per_byte": bits, "validation_tokens": 5216, "best": True}


def _events(plan: Plan) -> Iterator[dict[str, Any]]:
    for number, attempt in enumerate(plan.attempts, 1):
        yield _header(number, attempt)
        first: dict[str, Any] = {"v": 1, "t": _moment(attempt.start), "attempt": number, "step": attempt.start}
        first |= {"kind": EventKind.RESUMED if number > 1 else EventKind.STARTED, "device": "Test CPU", "dtype": "fp32"}
        yield first | {"exact": attempt.exact, "why_inexact": list(attempt.why_inexact)}
        for step in range(attempt.start + 1, attempt.end + 1):
            yield from _events_at(step, number, plan)
    last = plan.attempts[-1]
    shared = {"v": 1, "t": _moment(last.end), "attempt": len(plan.attempts), "step": last.end}
    for event in plan.events:
        yield shared | dict(event)
    if plan.state in FINAL_STATES or plan.state is State.PAUSED:
        yield shared | {"kind": str(plan.state), "reason": _reason(plan)}


def _events_at(step: int, attempt: int, plan: Plan) -> Iterator[dict[str, Any]]:
    shared: dict[str, Any] = {"v": 1, "t": _moment(step), "attempt": attempt, "step": step}
    if plan.validate_every and step % plan.validate_every == 0:
        yield shared | {"kind": EventKind.VALIDATION} | _validation(step)
    if plan.sample_every and step % plan.sample_every == 0:
        for prompt, text in plan.samples:
            yield shared | {"kind": EventKind.SAMPLE, "prompt": prompt, "text": text}
    if plan.save_every and step % plan.save_every == 0:
        name = f"step-{step:08d}"
        yield shared | {"kind": EventKind.CHECKPOINT, "name": name, "bytes": 21_682_175, "seconds": 0.13}


def _last_save(plan: Plan) -> int | None:
    if plan.state in FINAL_STATES - {State.FAILED} or plan.state is State.PAUSED:
        return plan.steps
    last = plan.steps // plan.save_every * plan.save_every if plan.save_every else 0
    return last or None


def _save(folder: RunFolder, plan: Plan) -> None:
    newest = _last_save(plan)
    if newest is None:
        return
    before = range((newest - 1) // plan.save_every * plan.save_every, 0, -plan.save_every) if plan.save_every else ()
    for step in sorted([newest, *before][: plan.checkpoints]):
        with begin_checkpoint(folder, step) as staging:
            staging.open("model.safetensors").write(b"weights of step %d" % step)
            staging.commit(attempt=len(plan.attempts), epoch=_epoch(step, plan), tokens=step * TOKENS_PER_STEP)
    folder.weights.mkdir(exist_ok=True)
    name = folder.read_manifest().weights_name
    (folder.weights / f"{name}.safetensors").write_bytes(b"published")


def _epoch(step: int, plan: Plan) -> int:
    total = plan.total_steps or plan.steps or 1
    return min(plan.epochs, 1 + max(0, step - 1) * plan.epochs // max(1, total))


def _moment(step: int) -> str:
    return utc_iso(EPOCH + step * STEP_SECONDS)


def _now(idle: float = 0.0) -> dict[str, Any]:
    now, clock = now_utc_iso(), awake_seconds()
    return {"heartbeat": now, "heartbeat_clock": clock, "progress_at": now, "progress_clock": clock - idle}


def _end_state(state: State) -> State | None:
    return state if state in FINAL_STATES or state is State.PAUSED else None


def _reason(plan: Plan) -> str:
    return {State.FINISHED: "complete", State.FAILED: "error"}.get(plan.state, "request")
