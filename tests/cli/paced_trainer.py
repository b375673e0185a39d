"""A worker without torch for the command line's tests: it speaks the run folder's protocol at a pace that is set by
MINIMIND_TEST_PLAN, a JSON object of `steps`, `step_seconds`, `save_every`, `fail_at`, `user_error`, `exact`.
"""

import json
import math
import os
import sys
import time
from pathlib import Path

from engine.run.checkpoints import begin_checkpoint
from engine.run.schema import EventKind, Phase, Reason, State
from engine.run.worker_link import WorkerLink

SAMPLE = "he \x1b[31mran\x1b]0;title\x07 [red]home[/red].\r\x9bK\u202e"


def main() -> int:
    link = WorkerLink(Path(sys.argv[1]), int(sys.argv[sys.argv.index("--attempt") + 1]))
    plan = json.loads(os.environ.get("MINIMIND_TEST_PLAN", "{}"))
    steps, pace = plan.get("steps", 20), plan.get("step_seconds", 0.01)
    link.update(state=State.RUNNING, phase=Phase.TOKENISING, phase_done=1, phase_total=4)
    if plan.get("user_error"):
        return link.finish(State.FAILED, Reason.USER_ERROR, "The tokenizer is another one.")
    link.describe_run(parameters=1_000_000)
    link.describe_attempt(
        device="cpu", dtype="fp32", exact=not plan.get("why_inexact"), why_inexact=plan.get("why_inexact", [])
    )
    step = link.start_step
    link.update(phase=Phase.TRAINING, phase_done=None, phase_total=None, total_steps=steps, epochs=2, step=step)
    while step < steps:
        if link.stop_requested:
            save(link, step)
            return link.finish(State.STOPPED, link.stop_reason, "Everything is saved.")
        for request in link.poll_requests():
            link.answer(request.id, True, None, step)
            if request.op in ("stop", "pause"):
                save(link, step)
                state = State.STOPPED if request.op == "stop" else State.PAUSED
                return link.finish(state, Reason.REQUEST, "Everything is saved.")
            if request.op == "sample":
                link.event(EventKind.SAMPLE, step, prompt=request.args.get("prompt") or "Then", text=SAMPLE)
        time.sleep(pace)
        step += 1
        link.note(eta_s=(steps - step) * pace)
        loss = 2.0 + 6.0 * math.exp(-step / 10)
        link.metric(
            step, epoch=1, tokens=step * 100, elapsed=step * pace, loss=loss, lr=1e-3, grad_norm=1.0, tokens_per_s=1e4
        )
        if step == plan.get("fail_at"):
            return link.finish(State.FAILED, Reason.ERROR, "The device is on fire.")
        if step % plan.get("save_every", 10) == 0:
            numbers = {"loss": loss + 0.1, "perplexity": math.exp(loss + 0.1), "bits_per_byte": 1.5, "best": True}
            link.validation(step, epoch=1, tokens=step * 100, elapsed=step * pace, **numbers)
            link.event(EventKind.VALIDATION, step, **numbers)
            link.update(best_validation=loss + 0.1, best_validation_step=step)
            link.event(EventKind.SAMPLE, step, prompt="Then\x1b[2J", text=SAMPLE)
            save(link, step)
    save(link, step)
    return link.finish(State.FINISHED, Reason.COMPLETE, "All steps are made.")


def save(link: WorkerLink, step: int) -> None:
    with begin_checkpoint(link.folder, step) as staging:
        with staging.open("model.safetensors") as file:
            file.write(b"weights of step %d" % step)
        staging.commit(attempt=link.attempt, epoch=1, tokens=step * 100, validation_loss=2.0 + step / 1000)
    link.update(last_checkpoint=step)
    link.event(EventKind.CHECKPOINT, step, seconds=0.01)
    link.folder.weights.mkdir(exist_ok=True)
    name = link.folder.read_manifest().weights_name
    (link.folder.weights / f"{name}.safetensors").write_bytes(b"published")


if __name__ == "__main__":
    sys.exit(main())
