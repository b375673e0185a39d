"""What people ask of a training run while it trains, through its folder."""

import pytest
import torch
from training_runs import final_weights

from engine.run.checkpoints import scan
from engine.run.control import send_request
from engine.run.jsonl_log import read_lines
from engine.run.schema import Reason, State
from engine.run.status import read_status


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr("engine.train.requests.POLL_SECONDS", 0.0)


def lines(run, kind):
    return [line for line in read_lines(run.events) if line.get("kind") == kind]


def train_and_ask(workshop, run, asks):
    """Train, sending each request once its update is made: {step: (op, arguments)}."""
    trainer = workshop.trainer(run)
    advance = trainer._advance
    sent = {}

    def advance_and_ask(*arguments):
        advance(*arguments)
        if trainer.state.step in asks and trainer.state.step not in sent:
            trainer.link.update()
            sent[trainer.state.step] = send_request(run, *asks[trainer.state.step])

    trainer._advance = advance_and_ask
    with trainer.stream:
        stop = trainer.run()
    trainer.link.finish(stop.state, stop.reason, stop.message)
    answers = {line["id"]: line for line in lines(run, "control")}
    return trainer, [answers[request] for request in sent.values()]


def test_a_save_is_made_at_the_update_s_end_and_answered_with_its_step(workshop):
    run = workshop.make(save_interval=0, eval_interval=0)
    trainer, (answer,) = train_and_ask(workshop, run, {3: ("save", {"keep": True})})
    assert answer["accepted"] and answer["step"] in (3, 4)
    saved = {info.step: info for info in scan(run)}
    assert set(saved) == {answer["step"], trainer.horizon.end}
    assert saved[answer["step"]].record.keep


def test_a_stop_saves_and_ends(workshop):
    run = workshop.make(save_interval=0, eval_interval=0)
    trainer, (answer,) = train_and_ask(workshop, run, {3: ("stop", {})})
    assert answer["accepted"] and trainer.state.step == 3
    assert trainer.link.status.state == State.STOPPED
    assert [info.step for info in scan(run)] == [3]


def test_a_pause_saves_and_goes_on_exactly(workshop):
    straight, run = workshop.make(), workshop.make()
    workshop.train(straight)
    trainer, _answers = train_and_ask(workshop, run, {5: ("pause", {})})
    assert trainer.link.status.state == State.PAUSED
    workshop.train(run)
    ours, theirs = final_weights(run), final_weights(straight)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_changed_learning_rate_holds_from_the_next_update_is_saved_and_survives(workshop):
    run = workshop.make(save_interval=0, eval_interval=0, schedule="constant")
    _trainer, (answer, _stop) = train_and_ask(workshop, run, {3: ("set", {"lr_scale": 0.5}), 6: ("stop", {})})
    assert answer["accepted"]
    assert {info.step for info in scan(run)} == {answer["step"], 6}
    assert [line["after"] for line in lines(run, "lr_scale")] == [0.5]
    workshop.train(run)
    rates = [line["lr"] for line in read_lines(run.metrics) if line["kind"] == "train"]
    changed = answer["step"]
    assert rates[:changed] == [1e-2] * changed
    assert rates[changed:] == [5e-3] * (len(rates) - changed) and len(rates) > 7


def test_a_resumed_run_tells_its_factor_and_its_best_validation_before_anything_is_made_anew(workshop):
    run = workshop.make(save_interval=0, eval_interval=2)
    asks = {3: ("set", {"lr_scale": 0.5}), 6: ("stop", {})}
    trainer, _answers = train_and_ask(workshop, run, asks)
    best = trainer.state.best_loss, trainer.state.best_step
    resumed = workshop.trainer(run)
    told = read_status(run.status)
    assert told.attempt == 2 and told.lr_scale == 0.5
    assert best[0] is not None and (told.best_validation, told.best_validation_step) == best
    with resumed.stream:
        resumed.link.finish(State.STOPPED, Reason.REQUEST, "")


def test_a_sample_is_written_as_asked(workshop):
    run = workshop.make(eval_interval=0)
    arguments = {"prompt": "1: Bo", "max_new_tokens": 4, "temperature": 0.0}
    _trainer, (answer,) = train_and_ask(workshop, run, {3: ("sample", arguments)})
    assert answer["accepted"]
    (sample,) = lines(run, "sample")
    assert sample["prompt"] == "1: Bo" and isinstance(sample["text"], str)


def test_continue_is_refused_by_a_run_that_is_not_paused(workshop):
    run = workshop.make(eval_interval=0)
    _trainer, (answer,) = train_and_ask(workshop, run, {3: ("continue", {})})
    assert not answer["accepted"] and answer["reason"]


def test_an_update_shows_its_micro_batches(workshop):
    trainer = workshop.trainer(workshop.make(eval_interval=0, max_steps=2))
    seen = []
    loss_of = trainer.updater.loss_of

    def watch(batch):
        status = trainer.link.status
        seen.append((status.step, status.micro_batch, status.micro_batches))
        return loss_of(batch)

    trainer.updater.loss_of = watch
    with trainer.stream:
        stop = trainer.run()
    trainer.link.finish(stop.state, stop.reason, stop.message)
    assert [micro[1:] for micro in seen] == [(0, 3), (1, 3), (2, 3)] * 2
