"""Forks: another run that goes on from a checkpoint, bit for bit where nothing was changed, as asked where it was."""

import json

import pytest
import torch
from training_runs import Workshop, final_weights, logged, write_texts

from engine.errors import UserError
from engine.run.checkpoints import scan
from engine.run.folder import RunFolder
from engine.run.fork import make_fork, plan_fork
from engine.run.history import MetricsHistory
from engine.run.jsonl_log import read_lines
from engine.run.launch import apply_changes, plan_resume
from engine.train.loop import Trainer


def fork(run: RunFolder, step: int | None = None, **values: object) -> RunFolder:
    return make_fork(plan_fork(run, step, values), run.path.parent)


def column(run: RunFolder, name: str) -> dict[int, float]:
    history = MetricsHistory()
    history.feed(read_lines(run.metrics))
    return dict(zip(history.train.steps, history.train.column(name), strict=True))


def beginning(run: RunFolder) -> dict[str, object]:
    """The event that a run's first attempt begins with."""
    return next(line for line in read_lines(run.events) if line["kind"] in ("started", "resumed"))


def assert_same_weights(run: RunFolder, other: RunFolder) -> None:
    ours, theirs = final_weights(run), final_weights(other)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.fixture
def stopped(workshop: Workshop) -> tuple[RunFolder, Trainer]:
    """A run stopped after update 7 of its first epoch, and its trainer."""
    run = workshop.make()
    trainer = workshop.train(run, (7, 1))
    assert trainer.state.row and trainer.state.epoch == 0
    return run, trainer


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_with_nothing_changed_it_goes_on_bit_for_bit(workshop, optimizer):
    parent = workshop.make(optimizer=optimizer, log_interval=3)
    workshop.train(parent, (7, 1))
    child = fork(parent)
    workshop.train(child, (9, 1))
    workshop.train(child)
    workshop.train(parent)
    assert_same_weights(parent, child)
    after = [entry for entry in logged(parent) if entry[0] > 7]
    assert after and logged(child) == after
    assert logged(child, "validation") == [entry for entry in logged(parent, "validation") if entry[0] > 7]
    assert [one.exact for one in child.read_manifest().attempts] == [True, True]
    first = child.read_manifest().attempts[0]
    assert first.from_checkpoint == "step-00000007" and first.start_step == 7 and first.why_inexact == []
    assert "the optimizer's state" in first.kept and "the course of the learning rate" in first.kept
    assert child.read_manifest().attempts[1].kept == []


def test_it_names_its_parent_and_says_what_it_took_over(stopped, workshop):
    parent, _trainer = stopped
    child = fork(parent, 4, learning_rate=5e-3)
    workshop.train(child)
    lineage = child.read_manifest().lineage
    assert (lineage.kind, lineage.run, lineage.step) == ("fork", parent.id, 4)
    assert lineage.path.endswith("step-00000004") and lineage.settings == {"learning_rate": [0.01, 0.005]}
    event = beginning(child)
    assert event["kind"] == "resumed" and event["step"] == 4 and event["exact"] is False
    assert event["message"].startswith(f"Forked from {parent.id} at step 4.")
    assert any(reason.startswith("learning_rate changed from 0.01 to 0.005") for reason in event["why_inexact"])
    record = child.read_manifest().attempts[0]
    assert record.kept == event["kept"] and record.why_inexact == event["why_inexact"]
    assert min(column(child, "lr")) == 5  # its history begins where it begins
    assert child.id.endswith("-tiny-fork")


@pytest.mark.parametrize("kind", ["cosine", "linear", "wsd", "constant"])
def test_a_finished_run_trains_on_from_its_last_learning_rate(workshop, kind):
    parent = workshop.make(schedule=kind, epochs=1)
    ended = workshop.train(parent)
    end, last = ended.horizon.end, ended.schedule.lr_at(ended.horizon.end - 1, ended.horizon)
    child = fork(parent, None, epochs=3)
    trainer = workshop.train(child)
    rates = column(child, "lr")
    assert sorted(rates) == list(range(end + 1, 3 * end + 1)) and trainer.horizon.end == 3 * end
    assert rates[end + 1] == pytest.approx(last, rel=1e-12)
    assert all(rates[step + 1] <= rates[step] for step in range(end + 1, 3 * end))
    if kind == "cosine":  # the same shape anew, from there
        assert rates[3 * end] == pytest.approx(last * 0.1, rel=0.15)
    tokens = column(child, "tokens")
    assert tokens[3 * end] == 3 * ended.state.tokens
    assert json.loads(child.status.read_bytes())["total_tokens"] == 3 * ended.state.tokens
    assert trainer.state.epoch == 3 and trainer.state.row == 0


def test_more_epochs_before_the_end_stretch_the_schedule_without_a_jump(stopped, workshop):
    parent, _trainer = stopped
    child = fork(parent, None, epochs=4)
    trainer = workshop.train(child)
    workshop.train(parent)
    rates, theirs = column(child, "lr"), column(parent, "lr")
    assert rates[8] == theirs[8] and rates[9] > theirs[9]
    end = max(theirs)
    assert trainer.horizon.end == max(rates) == 2 * end
    assert rates[2 * end] == pytest.approx(1e-3, rel=0.05)  # a tenth of the peak, at the new end


@pytest.mark.parametrize(("kind", "stop"), [("constant", None), ("wsd", (9, 0))])
def test_a_level_schedule_is_lengthened_in_place(workshop, kind, stop):
    straight = workshop.make(schedule=kind, epochs=3)
    workshop.train(straight)
    run = workshop.make(schedule=kind)
    trainer = workshop.train(run, stop)
    plan = plan_resume(run, {"epochs": 3})
    assert plan.finished == (stop is None) and plan.change.why_inexact == []
    apply_changes(plan)
    assert workshop.train(run).state.step > trainer.state.step
    assert logged(run) == logged(straight)
    assert_same_weights(run, straight)
    assert run.read_manifest().attempts[-1].exact is True


def test_a_schedule_that_decays_is_not_lengthened_in_place(workshop):
    cosine = workshop.make()
    workshop.train(cosine, (5, 0))
    with pytest.raises(UserError, match=r"epochs.*minimind fork"):
        plan_resume(cosine, {"epochs": 3})
    cosine.run_toml.write_text(cosine.run_toml.read_text().replace("epochs = 2", "epochs = 3"))
    with pytest.raises(UserError, match="cannot be moved within the run"):  # not ignored either (trap 12)
        workshop.trainer(cosine)
    wsd = workshop.make(schedule="wsd", epochs=1)
    workshop.train(wsd)
    with pytest.raises(UserError, match="finished"):
        plan_resume(wsd, {"epochs": 3})


def test_a_given_learning_rate_begins_the_schedule_anew(stopped, workshop):
    parent, trainer = stopped
    for rate in (0.004, trainer.schedule.learning_rate):  # also where it is the parent's own peak
        child = fork(parent, None, learning_rate=rate)
        end = workshop.train(child).horizon.end
        rates = column(child, "lr")
        assert rates[8] == rate and rates[end] == pytest.approx(rate * 0.1, rel=0.15)


def test_another_schedule_begins_at_the_current_learning_rate(stopped, workshop):
    parent, trainer = stopped
    child = fork(parent, None, schedule="linear", warmup_steps=0)
    current = trainer.schedule.lr_at(6, trainer.horizon)
    assert plan_fork(parent, None, {"schedule": "linear"}).settings.learning_rate == current
    end = workshop.train(child).horizon.end
    rates = column(child, "lr")
    assert rates[8] == current
    assert rates[end] == pytest.approx(current / (end - 7), rel=1e-9)


def test_a_warm_up_of_its_own_counts_from_the_fork(stopped, workshop):
    parent, _trainer = stopped
    child = fork(parent, None, learning_rate=8e-3, warmup_steps=3)
    workshop.train(child, (9, 0))  # and survives a resume
    workshop.train(child)
    rates = column(child, "lr")
    assert [rates[step] for step in (8, 9, 10, 11)] == pytest.approx([2e-3, 4e-3, 6e-3, 8e-3])


def test_within_the_warm_up_another_shape_keeps_it(workshop):
    parent = workshop.make(warmup_steps=9)
    workshop.train(parent, (5, 0))
    child = fork(parent, None, schedule="constant")
    workshop.train(child)
    rates = column(child, "lr")
    assert [rates[step] for step in (6, 9, 10, 11)] == pytest.approx([6e-3, 9e-3, 1e-2, 1e-2])


def test_a_run_that_ended_within_its_warm_up_goes_on_from_there(workshop):
    parent = workshop.make(warmup_steps=20, max_steps=6)
    trainer = workshop.train(parent)
    child = fork(parent, None, max_steps=12)
    workshop.train(child)
    rates = column(child, "lr")
    assert rates[7] == trainer.schedule.lr_at(5, trainer.horizon) and max(rates) == 12


def test_a_factor_on_the_learning_rate_is_kept_unless_the_course_begins_anew(workshop):
    parent = workshop.make()
    trainer = workshop.trainer(parent)
    trainer.state.lr_scale = 0.5
    poll = trainer.desk.poll

    def poll_until_five():
        from engine.run.schema import Reason, State
        from engine.train.requests import Stop

        if trainer.state.step == 5:
            trainer.desk.stop = Stop(State.STOPPED, Reason.REQUEST, "asked")
        return poll()

    trainer.desk.poll = poll_until_five
    with trainer.stream:
        stop = trainer.run()
    trainer.link.finish(stop.state, stop.reason, stop.message)
    base = trainer.schedule.lr_at(4, trainer.horizon)
    kept = fork(parent, None, epochs=3)
    workshop.train(kept, (6, 0))
    assert column(kept, "lr")[6] == pytest.approx(0.5 * trainer.schedule.lr_at(5, trainer.horizon))
    anew = fork(parent, None, schedule="constant")
    assert workshop.train(anew).state.lr_scale == 1.0
    assert set(column(anew, "lr").values()) == {0.5 * base}
    assert any("factor 0.5" in reason for reason in anew.read_manifest().attempts[0].why_inexact)


def test_another_batch_keeps_the_place_in_the_data(stopped, workshop):
    parent, trainer = stopped
    rows = trainer.stream.rows
    child = fork(parent, None, batch_size=4, accumulation_steps=4)
    forked = workshop.trainer(child)
    with forked.stream:
        forked.run()
    left = rows.row_count - trainer.state.row
    assert forked.state.step == 7 + -(-left // 16) + -(-rows.row_count // 16)
    assert forked.state.tokens == 2 * rows.target_tokens  # every row of both epochs, once
    assert any("batch_size" in reason for reason in plan_fork(parent, None, {"batch_size": 4}).why_inexact)


def test_other_rows_begin_to_count_anew(stopped, workshop):
    parent, trainer = stopped
    other = write_texts(workshop.folder / "other.jsonl", count=120, seed=5)
    child = fork(parent, None, data_path=str(other), epochs=1)
    assert scan(child)[0].record.validation_loss is None
    first = workshop.trainer(child)
    assert first.state.best_loss is None and (first.state.epoch, first.state.row) == (0, 0)
    assert first.schedule.lr_at(7, first.horizon) == pytest.approx(trainer.schedule.lr_at(7, trainer.horizon))
    with first.stream:
        first.run()
    rows = first.stream.rows
    assert first.state.step == 7 + -(-rows.row_count // 6)
    assert first.state.tokens == trainer.state.tokens + rows.target_tokens
    assert json.loads(child.status.read_bytes())["total_tokens"] == first.state.tokens
    record = child.read_manifest().attempts[0]
    assert any("rows are others (data_path)" in reason for reason in record.why_inexact)
    assert child.read_manifest().data_path == str(other)


def test_a_text_edited_in_place_can_be_forked_onto(stopped, workshop):
    parent, _trainer = stopped
    workshop.texts.write_text(workshop.texts.read_text().replace("cats", "dogs"))
    with pytest.raises(UserError, match="minimind fork"):
        workshop.trainer(parent)
    child = fork(parent, None)
    workshop.train(child)
    assert any("text was changed" in reason for reason in child.read_manifest().attempts[0].why_inexact)


def test_another_seed_begins_the_next_epoch(stopped, workshop):
    parent, trainer = stopped
    child = fork(parent, None, seed=7)
    forked = workshop.train(child)
    rows = trainer.stream.rows
    assert forked.state.step == 7 + -(-rows.row_count // 6)  # the second epoch alone
    assert forked.state.tokens == trainer.state.tokens + rows.target_tokens
    assert json.loads(child.status.read_bytes())["total_tokens"] == forked.state.tokens


def test_another_optimizer_starts_its_state_anew(stopped, workshop):
    parent, _trainer = stopped
    child = fork(parent, None, optimizer="muon")
    trainer = workshop.trainer(child)
    assert trainer.updater.optimizer.kind == "muon" and not trainer.updater.optimizer.state_dict()["state"]
    with trainer.stream:
        trainer.run()
    record = child.read_manifest().attempts[0]
    assert "the optimizer's state: adamw became muon" in record.why_inexact
    assert not any("optimizer" in kept for kept in record.kept)


def test_its_numbers_apply_from_the_first_update(stopped, workshop):
    parent, _trainer = stopped
    plain, decayed = fork(parent), fork(parent, None, weight_decay=5.0)
    for child in (plain, decayed):
        workshop.train(child, (8, 0))
    ours, theirs = final_weights(plain), final_weights(decayed)
    assert sum(value.abs().sum() for value in theirs.values()) < sum(value.abs().sum() for value in ours.values())


def test_interrupted_before_its_first_save_it_begins_the_same_way(stopped, workshop):
    parent, _trainer = stopped
    values = {"learning_rate": 4e-3, "epochs": 3}
    straight, broken = fork(parent, None, **values), fork(parent, None, **values)
    workshop.train(straight)
    abandoned = workshop.trainer(broken)
    abandoned.stream.close()
    abandoned.link._status.stop()
    workshop.train(broken)
    assert_same_weights(straight, broken)
    assert [one.from_checkpoint for one in broken.read_manifest().attempts] == ["step-00000007"] * 2


def test_a_fork_of_a_fork_that_never_trained_carries_both_changes(stopped, workshop):
    parent, _trainer = stopped
    first = fork(parent, None, learning_rate=4e-3)
    second = fork(first, None, batch_size=4)
    direct = fork(parent, None, learning_rate=4e-3, batch_size=4)
    workshop.train(second)
    workshop.train(direct)
    assert_same_weights(second, direct)
    assert second.read_manifest().lineage.run == first.id
    untrained = fork(first, None, batch_size=4)
    assert set(plan_fork(untrained, None, {"batch_size": 2}).given) == {"learning_rate"}


def test_a_fork_whose_copy_is_damaged_does_not_begin_again(stopped, workshop):
    parent, _trainer = stopped
    child = fork(parent)
    path = scan(child)[0].path / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.unlink()  # the parent's link is another name for these bytes: it must stay whole
    path.write_bytes(bytes(data))
    with pytest.raises(UserError, match="damaged or gone"):
        workshop.trainer(child)


def test_max_steps_counts_the_parents_updates(stopped, workshop):
    parent, _trainer = stopped
    child = fork(parent, None, max_steps=10)
    assert workshop.train(child).state.step == 10
    assert json.loads(child.status.read_bytes())["reason"] == "max_steps"
    with pytest.raises(UserError, match="max_steps = 7"):
        plan_fork(parent, None, {"max_steps": 7})


def test_nothing_left_to_train_is_refused(workshop):
    run = workshop.make(epochs=1)
    workshop.train(run)
    with pytest.raises(UserError, match="nothing is left"):
        plan_fork(run)
    nothing = workshop.make(epochs=1, min_lr_ratio=0, batch_size=1)
    workshop.train(nothing)
    with pytest.raises(UserError, match=r"come down to a learning rate.*--learning_rate"):
        plan_fork(nothing, None, {"epochs": 2})
    assert plan_fork(nothing, None, {"epochs": 2, "learning_rate": 1e-3}).settings.learning_rate == 1e-3


def test_a_time_budget_of_its_own_counts_from_the_fork(stopped, workshop):
    parent, trainer = stopped
    elapsed = trainer.state.elapsed
    child = fork(parent, None, time_budget=3600)
    forked = workshop.trainer(child)
    assert forked.planner.bounds.budget_seconds == pytest.approx(3600 + elapsed, abs=0.5)
    forked.stream.close()
    forked.link._status.stop()
