"""Faults of numbers in one process: each policy, what is named, what is never saved; watching changes nothing."""

import json
import math

import pytest
import torch
from guarded_attempts import events, train_through
from training_runs import final_weights, logged

from engine.data.tokenizer import Tokenizer
from engine.errors import UserError
from engine.run.checkpoints import scan
from engine.run.fork import make_fork, plan_fork
from engine.run.guard_record import GuardRecord, NamedDocument, read_guard, write_guard
from engine.run.jsonl_log import read_lines
from engine.run.resumability import resume_statement
from engine.run.schema import Reason, State
from engine.train.autopsy import Autopsy
from engine.train.update import Updater
from minimind_tui.happenings import in_words

LINE = 71
"""The poisonous document of these runs; in the first epoch its row belongs to update 5."""


@pytest.fixture
def poison(workshop, monkeypatch):
    """Make the loss of every micro-batch that holds document LINE what `change` makes of it."""
    text = json.loads(workshop.texts.read_text().splitlines()[LINE - 1])["text"]
    first = Tokenizer.load(workshop.tokenizer).encode(text)[:4]
    loss_of = Updater.loss_of

    def holds(labels):
        return any(labels[i : i + 4] == first for i in range(len(labels)))

    def set_change(change, document=first):
        def poisoned(self, batch):
            loss = loss_of(self, batch)
            return change(loss) if any(map(holds, batch.labels.tolist())) else loss

        monkeypatch.setattr(Updater, "loss_of", poisoned)

    return set_change


class NotFiniteGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, loss):
        return loss.clone()

    @staticmethod
    def backward(ctx, grad):
        return grad * math.nan


@pytest.mark.parametrize(
    ("change", "found"), [(lambda loss: loss * math.inf, "loss"), (NotFiniteGradient.apply, "gradient")]
)
def test_the_document_behind_what_is_not_finite_is_named_by_file_and_line(workshop, poison, change, found):
    poison(change)
    run = workshop.make(eval_interval=0, epochs=1)
    trainer = workshop.train(run)
    (event,) = events(run, "guard")
    assert (event["step"], event["found"], trainer.state.skipped) == (5, found, 1)
    assert [(one["file"], one["line"]) for one in event["documents"]] == [(str(workshop.texts), LINE)]
    assert f"texts.jsonl line {LINE}" in event["message"] and event["documents"][0]["start"].startswith("70: ")
    (autopsy,) = read_guard(run).autopsies
    assert (autopsy.step, autopsy.rows, autopsy.examined, autopsy.found) == (5, 6, 6, found)
    assert dict(logged(run)).keys() == set(range(1, 11))


def test_rows_are_halved_whatever_the_position_of_the_bad_one(workshop):
    trainer = workshop.trainer(workshop.make(eval_interval=0))
    autopsy = trainer.guard._autopsy
    rows = trainer.stream.rows_from(trainer.stream.cursor)
    for bad in rows.tolist():
        autopsy._is_sound = lambda batch, bad=bad: bad not in batch.rows
        assert autopsy._halve(rows, lambda: False) == ([bad], False)
    autopsy._is_sound = lambda batch: False
    assert autopsy._halve(rows, lambda: False) == (rows.tolist(), True)
    trainer.stream.close()


@pytest.mark.parametrize("value", [math.nan, 50.0])
def test_no_document_is_blamed_for_what_all_rows_share_or_what_does_not_repeat(workshop, monkeypatch, value):
    loss_of, calls = Updater.loss_of, []

    def once(self, batch):
        calls.append(1)
        return loss_of(self, batch) * (value if 100 <= len(calls) <= 102 else 1.0)

    monkeypatch.setattr(Updater, "loss_of", once)
    run = workshop.make(eval_interval=0, epochs=4)
    workshop.train(run)
    (event,) = events(run, "guard")
    assert event["step"] == 34 and event["documents"] == [] and "no document is to blame" in event["message"]
    monkeypatch.setattr(Updater, "loss_of", lambda self, batch: loss_of(self, batch) * math.nan)
    other = workshop.make(eval_interval=0, nonfinite="stop")
    trainer = workshop.train(other)
    assert "Every row is affected" in trainer.link.status.message and events(other, "guard")[0]["documents"] == []


def test_a_run_that_was_warned_is_bit_for_bit_the_one_that_was_not_watched(workshop, poison):
    poison(lambda loss: loss * 40)
    watched, blind = (workshop.make(eval_interval=0, epochs=3, spikes=policy) for policy in ("warn", "off"))
    trainers = [workshop.train(run) for run in (watched, blind)]
    told = [(event["step"], event["found"]) for event in events(watched, "guard")]
    assert told == [(5, "loss"), (28, "loss")] and not events(blind, "guard")  # not again within 20 updates
    for autopsy in read_guard(watched).autopsies:
        assert LINE in [one.line for one in autopsy.documents] and not blind.guard.exists()
    ours, theirs = map(final_weights, (watched, blind))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert logged(watched) == logged(blind)
    moments = [trainer.updater.optimizer.state_dict()["state"] for trainer in trainers]
    assert all(torch.equal(moments[0][name]["exp_avg_sq"], moments[1][name]["exp_avg_sq"]) for name in moments[0])


def test_a_spike_by_nothing_but_the_data_is_traced_to_its_lines(workshop):
    """No part of training is tampered with: the text itself holds documents of noise."""
    lines = workshop.texts.read_text().splitlines()
    noise = [30, 31, 32, 33]
    for line in noise:
        lines[line - 1] = json.dumps({"text": "".join(chr(0x4E00 + (line * 97 + 31 * i) % 900) for i in range(60))})
    workshop.texts.write_text("\n".join(lines) + "\n")
    small = {"batch_size": 4, "accumulation_steps": 1, "pack": False, "max_seq_len": 64}
    run = workshop.make(eval_interval=0, save_interval=0, epochs=4, spike_threshold=3.0, **small)
    workshop.train(run)
    named = {one["line"] for event in events(run, "guard") for one in event["documents"]}
    assert named and named <= set(noise), named


def test_a_skipped_spike_changes_no_weight(workshop, poison):
    poison(lambda loss: loss * 40)
    run = workshop.make(eval_interval=0, spikes="skip")
    trainer = workshop.trainer(run)
    advance, seen = trainer._advance, {}

    def watch(*args):
        advance(*args)
        seen[trainer.state.step] = trainer.updater.model.lm_head.weight.detach().clone()

    trainer._advance = watch
    with trainer.stream:
        trainer.run()
    skipped = [event["step"] for event in events(run, "guard")]
    assert skipped == [5, 16] and trainer.state.skipped == 2
    for step, weights in seen.items():
        if step > 1:
            assert torch.equal(weights, seen[step - 1]) == (step in skipped), step


def test_a_rollback_goes_past_the_rows_with_a_smaller_rate_and_twice_if_need_be(workshop, poison):
    poison(lambda loss: loss * math.nan)
    run = workshop.make(eval_interval=0, nonfinite="rollback", rollback_lr_scale=0.5)
    trainer = train_through(workshop, run)
    assert trainer.link.status.state is State.FINISHED and trainer.horizon.end == 20
    attempts = run.read_manifest().attempts
    assert [(one.start_step, one.reason, one.exact) for one in attempts] == [
        (0, "rollback", None), (4, "rollback", False), (12, "complete", False),
    ]  # fmt: skip
    assert [(one.step, one.epoch, one.row, one.rows) for one in read_guard(run).rollbacks] == [
        (5, 0, 24, 6), (16, 1, 30, 6),
    ]  # fmt: skip
    losses = dict(logged(run))
    assert sorted(losses) == list(range(1, 21))  # gap-free
    assert [step for step, loss in losses.items() if math.isnan(loss)] == [5, 16]
    rates = {line["step"]: line["lr"] for line in read_lines(run.metrics) if line["kind"] == "train"}
    plain = trainer.schedule
    for step, factor in ((4, 1.0), (5, 0.5), (12, 0.5), (13, 0.25), (20, 0.25)):
        assert rates[step] == pytest.approx(plain.lr_at(step - 1, trainer.horizon) * factor)
    assert trainer.state.lr_scale == 0.25 and trainer.state.tokens == 2 * trainer.stream.rows.target_tokens
    told = events(run, "rollback")
    assert [one["passed_over"] for one in told] == [5, 16] and f"line {LINE}" in told[0]["message"]
    shown = in_words(told[0])
    assert shown is not None and shown.loud and shown.text.startswith("step 4  The loss of update 5 is not finite.")


@pytest.mark.parametrize("at", ["before the decision is written", "after it"])
def test_an_interruption_within_a_rollback_changes_nothing(workshop, poison, monkeypatch, at):
    poison(lambda loss: loss * math.nan)
    straight, run = (workshop.make(eval_interval=0, nonfinite="rollback", epochs=1) for _run in range(2))
    train_through(workshop, straight)
    from engine.train import guard

    class Killed(BaseException):
        pass

    write = guard.write_guard

    def die(folder, record):
        if record.rollbacks and at == "after it":
            write(folder, record)
        if record.rollbacks:
            raise Killed
        write(folder, record)

    monkeypatch.setattr(guard, "write_guard", die)
    with pytest.raises(Killed):
        workshop.train(run)
    monkeypatch.setattr(guard, "write_guard", write)
    train_through(workshop, run)
    ours, theirs = final_weights(run), final_weights(straight)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert [one.step for one in read_guard(run).rollbacks] == [5]


def test_stopped_between_rollbacks_and_resumed_it_ends_bit_for_bit_the_same(workshop, poison):
    poison(lambda loss: loss * math.nan)
    straight, run = (workshop.make(eval_interval=0, nonfinite="rollback") for _run in range(2))
    train_through(workshop, straight)
    workshop.train(run)
    workshop.train(run, stop_at=(4, 1))  # before the update that is passed over
    workshop.train(run, stop_at=(9, 1))
    assert resume_statement(run).exact
    train_through(workshop, run)
    ours, theirs = final_weights(run), final_weights(straight)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert repr(logged(run)) == repr(logged(straight))  # a NaN equals none


def test_rollbacks_have_a_limit_and_the_end_says_what_to_change(workshop, poison):
    poison(lambda loss: loss * math.nan)
    run = workshop.make(eval_interval=0, nonfinite="rollback", rollback_limit=1)
    status = train_through(workshop, run).link.status
    assert (status.state, status.reason) == (State.FAILED, Reason.DIVERGED)
    told = ("update 16", "rollback_limit", "median of the last", f"line {LINE}", "--learning_rate", "runs exclude")
    for words in (*told, "warmup_steps", "step 12"):
        assert words in status.message, words


def test_a_stop_saves_what_was_made_and_a_resume_meets_it_again(workshop, poison):
    poison(lambda loss: loss * math.nan)
    run = workshop.make(eval_interval=0, nonfinite="stop")
    trainer = workshop.train(run)
    assert (trainer.link.status.state, trainer.link.status.reason) == (State.FAILED, Reason.DIVERGED)
    assert scan(run)[0].step == 4 == trainer.state.step
    assert f"minimind resume {run.id} --nonfinite skip" in trainer.link.status.message
    assert workshop.train(run).link.status.reason == Reason.DIVERGED
    record = read_guard(run)
    record.exclude(record.autopsies[-1].documents)
    write_guard(run, record)
    statement = resume_statement(run)
    assert statement.exact is False and "excluded documents changed from 0 to 1" in "; ".join(statement.reasons)
    trainer = workshop.train(run)
    assert trainer.link.status.state is State.FINISHED and trainer.state.skipped == 0
    last = run.read_manifest().attempts[-1]
    assert last.exact is False and any("excluded" in reason for reason in last.why_inexact)
    assert trainer.state.tokens < 2 * trainer.stream.rows.table.target_tokens


def test_without_any_checkpoint_it_begins_again(workshop, poison):
    poison(lambda loss: loss * math.nan)
    run = workshop.make(eval_interval=0, nonfinite="rollback", save_interval=0, save_minutes=0, epochs=1)
    trainer = train_through(workshop, run)
    assert trainer.link.status.state is State.FINISHED
    rates = {line["step"]: line["lr"] for line in read_lines(run.metrics) if line["kind"] == "train"}
    assert rates[1] == 0.5e-2


def test_an_autopsy_that_fails_is_told_and_the_run_goes_on(workshop, poison, monkeypatch):
    poison(lambda loss: loss * math.nan)

    def fail(*_args, **_values):
        raise MemoryError("no room")

    monkeypatch.setattr(Autopsy, "examine", fail)
    run = workshop.make(eval_interval=0, epochs=1)
    assert workshop.train(run).link.status.state is State.FINISHED
    assert any("no room" in event["message"] for event in events(run, "warning"))
    assert [event["step"] for event in events(run, "guard")] == [5]


def test_a_learning_rate_that_explodes_is_told_at_once_and_at_the_end(workshop):
    run = workshop.make(learning_rate=10, eval_interval=0, epochs=6)
    status = workshop.train(run).link.status
    first, later = events(run, "guard")
    assert first["step"] == 2 and "it is not single documents" in first["message"] and first["documents"] == []
    assert "This is no spike" in later["message"] and "--learning_rate 0.001" in later["message"]
    assert status.state is State.FINISHED and "never came back" in status.message
    mended = workshop.make(learning_rate=10, eval_interval=0, epochs=1, spikes="rollback", rollback_lr_scale=1e-3)
    assert train_through(workshop, mended).link.status.state is State.FINISHED
    assert logged(mended)[-1][1] < 6


def test_a_healthy_run_hears_nothing(workshop):
    run = workshop.make(eval_interval=0, epochs=5)
    workshop.train(run)
    assert not events(run, "guard", "warning") and not run.guard.exists()


def test_a_fork_inherits_what_is_excluded_and_passed_over(workshop, poison):
    poison(lambda loss: loss * math.nan)
    run = workshop.make(eval_interval=0, nonfinite="rollback", epochs=1)
    workshop.train(run)
    record = read_guard(run)
    cache_line = NamedDocument(file=str(workshop.texts), line=LINE, hash=record.autopsies[0].documents[0].hash)
    record.exclude([cache_line])
    write_guard(run, record)
    workshop.train(run)
    same = make_fork(plan_fork(run, 4, {"save_interval": 5}))
    other = make_fork(plan_fork(run, 4, {"seed": 7, "epochs": 2}))
    assert [one.attempt for one in read_guard(same).rollbacks] == [0] and read_guard(other).rollbacks == []
    assert read_guard(other).excluded == read_guard(same).excluded == read_guard(run).excluded
    workshop.train(same)
    ours, theirs = final_weights(same), final_weights(run)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_broken_record_is_no_empty_one(workshop):
    run = workshop.make()
    run.guard.write_text("{")
    with pytest.raises(UserError, match=r"guard\.json"):
        workshop.trainer(run)
    assert not resume_statement(run).possible
    write_guard(run, GuardRecord())
    assert read_guard(run) == GuardRecord()
