"""A worker without torch that speaks the run folder's protocol as the real one does, and misbehaves where told.

Its "model" is one number that each step changes, so that a resumed run can be compared with an uninterrupted one. What
it is to do stands in the run's run.toml:

    steps, step_seconds, save_every     how it trains
    fault, fault_step, fault_attempt    what goes wrong, at the end of which step of which attempt (or "all")
    fault_moves                         by how many steps each attempt fails later than the one before
    save_bytes                          size of its checkpoint's file
    spawn_child                         leave a child process running
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

from engine.errors import UserError
from engine.run.checkpoints import CheckpointError, begin_checkpoint
from engine.run.clock import ActiveClock
from engine.run.exit_codes import WorkerExit
from engine.run.retention import retain
from engine.run.schema import EventKind, Phase, Reason, State
from engine.run.worker_link import WorkerLink

FOREVER = 600.0


def advance(x: float, step: int) -> float:
    """One "update": chaotic, so that a skipped or repeated step shows in every later value."""
    x = 3.9 * x * (1.0 - x)
    return x if step % 7 else 0.5 * x


class FakeTrainer:
    def __init__(self, link: WorkerLink, plan: dict[str, object]) -> None:
        self.link = link
        self.steps = int(plan.get("steps", 30))
        self.step_seconds = float(plan.get("step_seconds", 0.002))
        self.save_every = int(plan.get("save_every", 10))
        self.save_bytes = int(plan.get("save_bytes", 100))
        self.fault = str(plan.get("fault", "")) if plan.get("fault_attempt", 1) in (link.attempt, "all") else ""
        self.fault_step = int(plan.get("fault_step", 15))
        self.fault_step += int(plan.get("fault_moves", 0)) * (link.attempt - 1)
        self.spawn_child = bool(plan.get("spawn_child", False))
        self.step, self.x, self.lr_scale, already = link.start_step, 0.3, 1.0, 0.0
        if link.checkpoint is not None:
            saved = json.loads((link.checkpoint / "state.json").read_bytes())
            assert saved["step"] == self.step
            self.x, self.lr_scale, already = saved["x"], saved["lr_scale"], saved["elapsed"]
        self.clock = ActiveClock(already)

    def train(self) -> WorkerExit:
        link = self.link
        link.describe_attempt(device="none", dtype="float64", exact=True, why_inexact=[], versions={"fake": "1"})
        link.update(state=State.RUNNING, phase=Phase.TRAINING, total_steps=self.steps, step=self.step)
        if self.spawn_child:
            child = subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({FOREVER})"])
            (link.folder.path / "child.pid").write_text(str(child.pid))
        while self.step < self.steps:
            end = self.control()
            if end is not None:
                return end
            time.sleep(self.step_seconds)
            self.step += 1
            self.x = advance(self.x, self.step)
            self.log()
            if self.step % self.save_every == 0:
                self.save()
            if self.step == self.fault_step and self.fault:
                self.misbehave()
        self.save()
        return link.finish(State.FINISHED, Reason.COMPLETE, f"All {self.steps} steps are made.")

    def control(self) -> WorkerExit | None:
        link = self.link
        if link.stop_requested:
            self.save()
            return link.finish(State.STOPPED, link.stop_reason, f"Stopped and saved at step {self.step}.")
        for request in link.poll_requests():
            if request.op == "stop":
                self.save()
                link.answer(request.id, True, None, self.step)
                return link.finish(State.STOPPED, Reason.REQUEST, f"Stopped and saved at step {self.step}.")
            if request.op == "pause":
                self.save()
                link.answer(request.id, True, None, self.step)
                return link.finish(State.PAUSED, Reason.REQUEST, f"Paused at step {self.step}.")
            if request.op == "set":
                self.lr_scale = float(request.args["lr_scale"])
                link.update(lr_scale=self.lr_scale)
            if request.op == "sample":
                link.event(EventKind.SAMPLE, self.step, prompt=request.args.get("prompt"), text="once upon a time")
            if request.op == "save":
                self.save(keep=request.args.get("keep", False))
            link.answer(request.id, True, None, self.step)
        return None

    def log(self) -> None:
        self.link.metric(
            self.step,
            epoch=0,
            tokens=self.step * 100,
            elapsed=self.clock.seconds,
            loss=self.x,
            lr=self.lr_scale * 1e-3,
            tokens_per_s=100 / self.step_seconds,
        )

    def save(self, *, keep: bool = False) -> None:
        self.link.update(phase=Phase.SAVING)
        try:
            with begin_checkpoint(self.link.folder, self.step) as staging:
                state = {"step": self.step, "x": self.x, "lr_scale": self.lr_scale, "elapsed": self.clock.seconds}
                with staging.open("state.json") as file:
                    file.write(json.dumps(state).encode())
                staging.open("model.bin").write(bytes(self.save_bytes))
                self.link.sync()
                staging.commit(attempt=self.link.attempt, tokens=self.step * 100, keep=keep)
        except CheckpointError as error:
            self.link.event(EventKind.CHECKPOINT_FAILED, self.step, message=str(error))
        else:
            self.link.event(EventKind.CHECKPOINT, self.step, name=f"step-{self.step:08d}")
            retain(self.link.folder, 3)
            self.link.update(last_checkpoint=self.step)
        self.link.update(phase=Phase.TRAINING)

    def misbehave(self) -> None:
        fault = self.fault
        print(f"about to {fault}", flush=True)
        if fault == "raise":
            raise RuntimeError("the fake trainer broke")
        if fault == "user_error":
            raise UserError("data.jsonl is gone")
        if fault == "exit 0":
            os._exit(0)
        if fault.startswith("signal "):
            os.kill(os.getpid(), signal.Signals[fault.removeprefix("signal ")])
        if fault == "hang":
            time.sleep(FOREVER)
        if fault == "crash after finish":
            self.save()
            self.link.finish(State.FINISHED, Reason.COMPLETE, "done")
            os.kill(os.getpid(), signal.SIGSEGV)
        if fault == "tear":  # die in the middle of a line, in every log
            for path in (self.link.folder.metrics, self.link.folder.events):
                with path.open("ab") as file:
                    file.write(b'\xff\xfe garbage\n[1, 2]\n{"v":1,"step":99999,"att')
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--attempt", type=int, required=True)
    asked = parser.parse_args()
    link = WorkerLink(asked.folder, asked.attempt)
    plan = tomllib.loads(link.folder.run_toml.read_text())
    with contextlib.suppress(KeyError):
        time.sleep(float(str(plan["slow_start"])))
    try:
        return FakeTrainer(link, plan).train()
    except UserError as error:
        return link.finish(State.FAILED, Reason.USER_ERROR, str(error))
    except Exception as error:
        if plan.get("silent"):
            raise
        return link.finish(State.FAILED, Reason.ERROR, f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    sys.exit(main())
