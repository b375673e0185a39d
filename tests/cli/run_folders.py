"""Run folders made by the run room's own writers, without a process: what a run of the paced trainer leaves."""

import math
from pathlib import Path

from engine.run.checkpoints import begin_checkpoint
from engine.run.create import create_run
from engine.run.folder import RunFolder
from engine.run.jsonl_log import LineWriter
from engine.run.schema import (
    AttemptHeader,
    AttemptRecord,
    Event,
    EventKind,
    Manifest,
    State,
    Status,
    TrainLine,
    ValidationLine,
)
from engine.run.status import encode_record
from engine.settings.presets import load_preset
from engine.settings.run_toml import render_settings


def write_run(
    workspace: Path,
    name: str = "mini",
    *,
    steps: int = 20,
    total_steps: int | None = None,
    state: State = State.FINISHED,
) -> RunFolder:
    """A run that ended after `steps` steps, validated and saved at every tenth and at its end."""
    attempt = AttemptRecord(
        attempt=1, started="2026-11-24T03:15:00.000Z", host="here", end_state=state, end_step=steps, exact=True
    )
    folder = create_run(
        workspace / "runs",
        name,
        render_settings(load_preset("mini").settings(), "mini"),
        Manifest(preset="mini", weights_name="pretrain_160", parameters=1_000_000, attempts=[attempt]),
    )
    header = AttemptHeader(attempt=1, step=0, start_step=0).model_dump()
    metrics, events = LineWriter(folder.metrics), LineWriter(folder.events)
    metrics.append(header)
    events.append(header)
    for step in range(1, steps + 1):
        loss = 2.0 + 6.0 * math.exp(-step / 10)
        shared = {"attempt": 1, "step": step, "epoch": 1, "tokens": step * 100, "elapsed": step * 0.5}
        metrics.append(TrainLine(**shared, loss=loss, lr=1e-3, grad_norm=1.0, tokens_per_s=200.0).model_dump())
        if step % 10 == 0 or step == steps:
            line = ValidationLine(
                **shared, loss=loss + 0.1, perplexity=math.exp(loss + 0.1), bits_per_byte=1.5, best=True
            )
            metrics.append(line.model_dump())
            events.append(Event(kind=EventKind.VALIDATION, attempt=1, step=step).model_dump() | {"loss": loss + 0.1})
            with begin_checkpoint(folder, step) as staging:
                staging.open("model.safetensors").write(b"weights of step %d" % step)
                staging.commit(attempt=1, epoch=1, tokens=step * 100, validation_loss=2.0 + step / 1000)
    metrics.close()
    events.close()
    folder.weights.mkdir()
    (folder.weights / "pretrain_160.safetensors").write_bytes(b"published")
    status = Status(
        attempt=1,
        step=steps,
        state=state,
        total_steps=total_steps or steps,
        tokens=steps * 100,
        elapsed=steps * 0.5,
        loss=2.0,
        best_validation=2.1,
        best_validation_step=steps,
        last_checkpoint=steps,
    )
    folder.status.write_bytes(encode_record(status))
    return folder
