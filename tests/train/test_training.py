"""What a run does from its first update to its last: counts, logs, saves, bounds, guards."""

import itertools
import json
import math

import pytest
import torch
from training_runs import final_weights, logged

from engine.convert.reading import read_weights
from engine.errors import UserError
from engine.run.checkpoints import scan, verify
from engine.run.jsonl_log import read_lines
from engine.run.launch import apply_changes, plan_resume
from engine.run.publishing import published_by
from engine.run.schema import Reason, State


def events(run, kind):
    return [line for line in read_lines(run.events) if line.get("kind") == kind]


def test_a_run_learns_logs_every_update_and_saves_its_end(workshop):
    run = workshop.make()
    trainer = workshop.train(run)
    steps = [step for step, _loss in logged(run)]
    assert steps == list(range(1, trainer.horizon.end + 1))
    losses = [loss for _step, loss in logged(run)]
    assert losses[0] == pytest.approx(math.log(300), rel=0.1)
    assert sum(losses[-3:]) / 3 < losses[0] - 0.5
    assert trainer.saver.last_step == trainer.horizon.end
    assert verify(scan(run)[0]) == ""
    status = trainer.link.status
    assert (status.state, status.step, status.total_steps) == (State.FINISHED, steps[-1], steps[-1])
    assert status.reason == Reason.COMPLETE


def test_a_run_shorter_than_every_interval_still_logs_and_saves(workshop):  # trap 4
    run = workshop.make(max_steps=2, save_interval=100, log_interval=10, eval_interval=0)
    trainer = workshop.train(run)
    assert [step for step, _loss in logged(run)] == [2]
    assert [step for step, _loss in logged(run, "validation")] == [2]
    assert [info.step for info in scan(run)] == [2]
    assert trainer.link.status.reason == Reason.MAX_STEPS


def test_every_token_of_every_epoch_is_trained_on_once(workshop):  # traps 5 and 20
    run = workshop.make(epochs=3, eval_interval=0)
    trainer = workshop.train(run)
    rows = trainer.stream.rows
    assert trainer.state.tokens == 3 * rows.target_tokens
    per_epoch = math.ceil(rows.row_count / 6)
    assert trainer.horizon.end == 3 * per_epoch
    counts = [line["tokens"] for line in read_lines(run.metrics) if line["kind"] == "train"]
    assert counts[per_epoch - 1] == rows.target_tokens and counts == sorted(counts)


def test_accumulation_is_one_batch_of_the_same_rows(workshop):
    one, many = workshop.make(batch_size=6, accumulation_steps=1), workshop.make(batch_size=1, accumulation_steps=6)
    for run in (one, many):
        workshop.train(run)
    assert all(abs(a - b) < 1e-4 for (_s, a), (_t, b) in zip(logged(one), logged(many), strict=True))
    ours, theirs = final_weights(one), final_weights(many)
    assert all(torch.allclose(ours[name], theirs[name], atol=1e-4) for name in ours)


def test_the_learning_rate_starts_at_its_peak_and_ends_at_a_tenth(workshop):  # trap 25
    run = workshop.make(eval_interval=0)
    workshop.train(run)
    rates = [line["lr"] for line in read_lines(run.metrics) if line["kind"] == "train"]
    assert rates[0] == 1e-2
    assert rates == sorted(rates, reverse=True)
    assert 1e-3 < rates[-1] < 1.3e-3


def test_published_weights_are_minimind_s(workshop):
    run = workshop.make(save_dir="out", save_weight="pretrain")
    trainer = workshop.train(run)
    for folder in (run.weights, workshop.folder / "out"):
        state = torch.load(folder / "pretrain_16.pth", weights_only=True)
        assert all(tensor.dtype == torch.float16 for tensor in state.values())
        assert torch.equal(state["lm_head.weight"], state["model.embed_tokens.weight"])
        assert not any(name.startswith(("_orig_mod.", "module.")) for name in state)  # trap 8
        published = read_weights(folder / "pretrain_16.safetensors")
        assert published.metadata["step"] == str(trainer.state.step)
        ours = final_weights(run)
        assert all(torch.equal(published.tensors[name], ours[name].half().float()) for name in ours)
        assert json.loads((folder / "pretrain_16.json").read_text())["run"] == run.id


def test_non_finite_gradients_never_reach_the_weights(workshop):  # trap 26
    run = workshop.make(eval_interval=0, max_steps=8)
    trainer = workshop.trainer(run)
    loss_of = trainer.updater.loss_of
    poisoned = {3, 4}

    def loss_with_nan(batch):
        loss = loss_of(batch)
        return loss * float("nan") if trainer.state.step in poisoned else loss

    trainer.updater.loss_of = loss_with_nan
    seen = []
    advance = trainer._advance

    def watch(*args):
        advance(*args)
        seen.append(trainer.updater.model.lm_head.weight.detach().clone())

    trainer._advance = watch
    with trainer.stream:
        trainer.run()
    trainer.link.finish(State.FINISHED, Reason.COMPLETE, "")
    assert torch.equal(seen[2], seen[3]) and torch.equal(seen[3], seen[4]) and not torch.equal(seen[4], seen[5])
    assert all(torch.isfinite(weights).all() for weights in seen)
    assert [event["step"] for event in events(run, "guard")] == [4, 5]
    losses = dict(logged(run))
    assert math.isnan(losses[4]) and math.isnan(losses[5]) and math.isfinite(losses[6])
    assert trainer.state.skipped == 2


def test_a_run_that_only_diverges_stops_in_words(workshop):
    run = workshop.make(eval_interval=0, nonfinite_limit=3)
    trainer = workshop.trainer(run)
    loss_of = trainer.updater.loss_of
    trainer.updater.loss_of = lambda batch: loss_of(batch) * (float("inf") if trainer.state.step >= 5 else 1.0)
    with trainer.stream:
        stop = trainer.run()
    trainer.link.finish(stop.state, stop.reason, stop.message)
    assert stop.state == State.FAILED and "learning_rate" in stop.message
    assert trainer.state.step == 8
    assert [info.step for info in scan(run)] == [4]


def test_checkpoints_are_thinned_to_the_last_and_the_best(workshop):
    run = workshop.make(save_interval=1, eval_interval=1, keep_checkpoints=2, max_steps=9)
    trainer = workshop.train(run)
    steps = {info.step for info in scan(run)}
    assert steps == {8, 9, trainer.state.best_step}


def test_a_budget_ends_the_run_in_time(workshop):
    run = workshop.make(epochs=10000, time_budget=3, eval_interval=0, schedule="linear", save_interval=0)
    trainer = workshop.train(run)
    assert trainer.link.status.reason == Reason.TIME_BUDGET
    assert 2.0 < trainer.state.elapsed < 10.0
    assert events(run, "planned")


def test_a_budget_ends_the_schedule_with_the_run(workshop):
    """On a clock of its own, whose updates take between 10 and 30 ms: a busy machine is no part of it."""
    run = workshop.make(epochs=10000, time_budget=3, eval_interval=0, schedule="linear", save_interval=0)
    trainer = workshop.trainer(run)
    now, updates = [0.0], itertools.count()
    trainer.clock._source, trainer.clock._started = (lambda: now[0]), 0.0
    made = trainer.updater.update

    def update(*arguments):
        now[0] += 0.02 + 0.01 * math.sin(next(updates))
        return made(*arguments)

    trainer.updater.update = update
    with trainer.stream:
        stop = trainer.run()
    trainer.link.finish(stop.state, stop.reason, stop.message)
    assert (stop.reason, stop.state) == (Reason.TIME_BUDGET, State.FINISHED)
    rates = [line["lr"] for line in read_lines(run.metrics) if line["kind"] == "train"]
    assert 130 < len(rates) < 170 and rates[-1] < 0.05 * rates[0]


def test_a_save_by_the_clock(workshop, monkeypatch):
    run = workshop.make(save_interval=0, save_minutes=1, eval_interval=0)
    trainer = workshop.trainer(run)
    times = iter(range(0, 10_000, 11))
    trainer.saver._clock = type("Clock", (), {"here": property(lambda self: next(times))})()
    trainer.saver._saved_at = 0
    with trainer.stream:
        trainer.run()
    trainer.link.finish(State.FINISHED, Reason.COMPLETE, "")
    assert len(events(run, "checkpoint")) > 2


def test_weights_of_another_run_begin_a_new_one(workshop):
    first = workshop.make()
    workshop.train(first)
    second = workshop.make(from_weight=first.id, max_steps=1)
    trainer = workshop.trainer(second)
    begun = dict(trainer.updater.model.named_parameters())
    published = read_weights(first.weights / "pretrain_16.safetensors").tensors
    assert all(torch.equal(begun[name].data, published[name]) for name in published)
    assert second.read_manifest().lineage.run == first.id
    trainer.link.finish(State.STOPPED, Reason.REQUEST, "")


@pytest.mark.parametrize(
    ("change", "word"), [({"num_hidden_layers": 3}, "num_hidden_layers"), ({"hidden_size": 32}, "hidden")]
)
def test_weights_that_do_not_fit_are_refused_by_the_setting(workshop, change, word):  # trap 11
    first = workshop.make(max_steps=1)
    workshop.train(first)
    second = workshop.make(from_weight=str(first.weights / "pretrain_16.safetensors"), **change)
    with pytest.raises(UserError, match=word):
        workshop.trainer(second)


def test_samples_are_written_and_repeat_themselves(workshop):
    texts = []
    for _try in range(2):
        run = workshop.make(sample_prompts=["1: Ann", "[bold]x"], sample_interval=5, max_steps=6, sample_tokens=8)
        workshop.train(run)
        texts.append([(event["step"], event["prompt"], event["text"]) for event in events(run, "sample")])
    assert [step for step, _p, _t in texts[0]] == [5, 5, 6, 6]
    assert texts[0] == texts[1]


def test_what_is_observed_does_not_change_what_is_learned(workshop):
    quiet = workshop.make(eval_interval=0, sample_interval=0, save_interval=0)
    loud = workshop.make(eval_interval=1, sample_interval=1, sample_prompts=["1:"], save_interval=1, log_interval=2)
    for run in (quiet, loud):
        workshop.train(run)
    ours, theirs = final_weights(quiet), final_weights(loud)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_weights_are_published_where_they_were_asked_for_whatever_the_folder(workshop, monkeypatch):
    run = workshop.make(save_dir="out")
    elsewhere = workshop.folder / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    workshop.train(run, (3, 0))
    assert (workshop.folder / "out" / "pretrain_16.pth").is_file() and not (elsewhere / "out").exists()
    apply_changes(plan_resume(run, {"save_dir": "new"}))
    workshop.train(run)
    assert (elsewhere / "new" / "pretrain_16.pth").is_file()
    assert published_by(elsewhere / "new", "pretrain_16").run == run.id


def test_a_new_save_dir_is_refused_when_it_holds_other_weights(workshop):
    run = workshop.make()
    workshop.train(run, (3, 0))
    (workshop.folder / "new").mkdir()
    (workshop.folder / "new" / "pretrain_16.pth").write_bytes(b"precious")
    with pytest.raises(UserError, match="unknown origin"):
        apply_changes(plan_resume(run, {"save_dir": "new"}))
    assert 'save_dir = "new"' not in run.run_toml.read_text()


def test_no_mfu_is_above_all_that_the_device_can_when_its_peak_was_measured_too_low(workshop):
    trainer = workshop.trainer(workshop.make(eval_interval=0, max_steps=4))
    trainer.reporter._peak_flops = 1.0
    with trainer.stream:
        stop = trainer.run()
    trainer.link.finish(stop.state, stop.reason, stop.message)
    shares = [line["mfu"] for line in read_lines(trainer.link.folder.metrics) if line["kind"] == "train"]
    assert len(shares) == 4 and all(0 < share <= 1 for share in shares) and max(shares) == 1
