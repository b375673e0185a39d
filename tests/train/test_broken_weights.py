"""Weights and optimiser state that are not finite: never saved, never published, set aside, and gone back from."""

import math

import pytest
import torch
from guarded_attempts import events, train_through

from engine.errors import UserError
from engine.run.checkpoints import scan
from engine.run.guard_record import read_guard
from engine.run.schema import Reason, State
from engine.train.optimizers import ModelOptimizer
from engine.worker.train import _train


def broken_at(monkeypatch, update, value=math.nan, moment=False):
    """One number of the weights, or of the optimiser's state, is `value` after this process's `update`-th step."""
    step, seen = ModelOptimizer.step, []

    def broken(self):
        step(self)
        seen.append(1)
        if len(seen) == update:
            parameter = self.parameters[-1]
            target = self.parts["adamw"].state[parameter]["exp_avg_sq"] if moment else parameter
            with torch.no_grad():
                target.view(-1)[0] = value

    monkeypatch.setattr(ModelOptimizer, "step", broken)


@pytest.mark.parametrize("moment", [False, True])
@pytest.mark.parametrize("update", [6, 8])
def test_weights_that_are_not_finite_are_never_saved_nor_published(workshop, monkeypatch, update, moment):
    broken_at(monkeypatch, update, math.inf, moment)
    run = workshop.make(eval_interval=0)
    trainer = workshop.train(run)
    status = trainer.link.status
    assert (status.state, status.reason) == (State.FAILED, Reason.DIVERGED), status.message
    assert "not finite" in status.message and "step 4" in status.message
    assert [info.step for info in scan(run)] == [4]
    weights = torch.load(run.weights / "pretrain_16.pth", weights_only=True)
    assert all(torch.isfinite(tensor).all() for tensor in weights.values())


def test_broken_weights_are_gone_back_from(workshop, monkeypatch):
    broken_at(monkeypatch, 6)
    run = workshop.make(eval_interval=0, nonfinite="rollback")
    trainer = train_through(workshop, run)
    assert trainer.link.status.state is State.FINISHED
    assert [(one.step, one.found) for one in read_guard(run).rollbacks] == [(6, "weights")]


def test_a_stop_that_was_asked_for_stays_one_when_there_is_nothing_worth_saving(workshop, monkeypatch):
    broken_at(monkeypatch, 6)
    run = workshop.make(eval_interval=0)
    trainer = workshop.train(run, stop_at=(6, 0))
    assert (trainer.link.status.state, trainer.link.status.reason) == (State.STOPPED, Reason.REQUEST)
    assert "Nothing of that is saved" in trainer.link.status.message and scan(run)[0].step == 4


def test_weights_beyond_fp16_are_saved_and_not_published(workshop, monkeypatch):
    run = workshop.make(eval_interval=0, max_steps=4)
    trainer = workshop.trainer(run)
    with torch.no_grad():
        trainer.updater.model.lm_head.weight[0, 0] = 1e6
    with trainer.stream:
        trainer.run()
    assert [info.step for info in scan(run)] == [4] and not run.weights.exists()
    assert any("fp16" in event["message"] for event in events(run, "warning"))


def test_a_checkpoint_without_numbers_is_set_aside_and_the_one_before_it_used(workshop, monkeypatch):
    run = workshop.make(eval_interval=0)
    from engine.train import saving

    with monkeypatch.context() as patched:
        patched.setattr(saving, "not_finite", lambda *_args: [])
        broken_at(patched, 8)
        workshop.train(run, stop_at=(8, 0))
    assert [info.step for info in scan(run)] == [8, 4]
    from engine.run.attempts import begin_attempt
    from engine.run.worker_link import WorkerLink

    record = begin_attempt(run, 2, 0, lambda done, total: None)
    link = WorkerLink(run, record.attempt, signals=False)
    _train(link)
    assert (link.status.state, link.status.reason) == (State.STOPPED, Reason.ROLLBACK)
    (bad,) = events(run, "checkpoint_bad")
    assert bad["name"] == "step-00000008" and bad["set_aside"] == "step-00000008.bad-1"
    assert workshop.train(run).link.status.state is State.FINISHED
    assert run.read_manifest().attempts[-1].start_step == 4


def test_weights_to_begin_with_must_be_numbers(workshop, tmp_path):
    first = workshop.make(eval_interval=0, max_steps=1)
    workshop.train(first)
    path = first.weights / "pretrain_16.pth"
    weights = torch.load(path, weights_only=True)
    weights["model.norm.weight"][3] = math.nan
    torch.save(weights, tmp_path / "bad.pth")
    run = workshop.make(from_weight=str(tmp_path / "bad.pth"))
    with pytest.raises(UserError, match="not finite"):
        workshop.trainer(run)
