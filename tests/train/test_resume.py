"""A run that was interrupted and resumed is bit-identical to one that was not (rule 5.3; traps 1 to 7, 62)."""

import json

import pytest
import torch
from training_runs import final_weights, logged

from engine.convert.reading import read_weights
from engine.errors import UserError


def assert_same(run, other):
    ours, theirs = final_weights(run), final_weights(other)
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert torch.equal(ours[name], theirs[name]), name
    assert logged(run) == logged(other)
    assert logged(run, "validation") == logged(other, "validation")


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("log_interval", [1, 3])
def test_interrupted_anywhere_it_ends_the_same(workshop, optimizer, log_interval):
    options = {"optimizer": optimizer, "log_interval": log_interval}
    straight = workshop.make(**options)
    whole = workshop.train(straight)
    end, per_epoch = whole.horizon.end, whole.horizon.end // 2
    assert per_epoch >= 5, "the test needs interruptions within an epoch"

    broken = workshop.make(**options)
    for stop_at in (
        (2, 0),  # between logs and before the first save
        (4, 1),  # within an update, after a save at 4
        (5, 1),  # right after a validation
        (per_epoch, 0),  # at an epoch's end
        (per_epoch + 1, 1),
        (end - 1, 1),
    ):
        trainer = workshop.train(broken, stop_at)
        assert trainer.state.step == stop_at[0]
    final = workshop.train(broken)
    assert final.state.step == end
    assert_same(straight, broken)


def test_killed_without_a_word_it_goes_on_from_the_last_checkpoint(workshop):
    straight = workshop.make()
    workshop.train(straight)
    broken = workshop.make()
    trainer = workshop.trainer(broken)

    class Killed(BaseException):
        pass

    def die(*_args, **_options):
        raise Killed

    advance = trainer._advance

    def advance_until_seven(*args):
        advance(*args)
        if trainer.state.step == 7:
            trainer._settle = die

    trainer._advance = advance_until_seven
    with pytest.raises(Killed), trainer.stream:
        trainer.run()
    trainer.link._status.stop()
    assert [step for step, _loss in logged(broken)] == list(range(1, 8))

    final = workshop.train(broken)
    assert final.link.record.from_checkpoint == "step-00000004"
    assert_same(straight, broken)


def test_another_split_of_the_update_is_named_inexact_and_keeps_the_order(workshop):
    run = workshop.make()
    workshop.train(run, (6, 0))
    text = (
        run.run_toml.read_text()
        .replace("batch_size = 2", "batch_size = 3")
        .replace("accumulation_steps = 3", "accumulation_steps = 2")
    )
    run.run_toml.write_text(text)
    workshop.train(run)
    record = run.read_manifest().attempts[-1]
    assert record.exact is False
    assert any("micro-batch" in reason for reason in record.why_inexact)
    straight = workshop.make()
    workshop.train(straight)
    losses, expected = (dict(logged(one)) for one in (run, straight))
    assert losses.keys() == expected.keys()
    assert all(abs(losses[step] - expected[step]) < 1e-4 for step in losses)


def test_an_exact_resume_says_so(workshop):
    run = workshop.make()
    workshop.train(run, (3, 0))
    workshop.train(run)
    first, second = run.read_manifest().attempts
    assert first.exact is None and second.exact is True and second.why_inexact == []


def test_changed_text_is_refused(workshop):
    run = workshop.make()
    workshop.train(run, (3, 0))
    workshop.texts.write_text(workshop.texts.read_text().replace("cats", "dogs"))
    with pytest.raises(UserError, match="training text"):
        workshop.trainer(run)


def test_another_tokenizer_is_refused(workshop):
    from training_runs import write_tokenizer

    run = workshop.make()
    workshop.train(run, (3, 0))
    write_tokenizer(workshop.tokenizer, workshop.texts, size=290)
    with pytest.raises(UserError, match="tokenizer"):
        workshop.trainer(run)


def test_the_stop_before_any_update_saves_nothing_and_resumes_at_the_start(workshop):
    run = workshop.make()
    workshop.train(run, (0, 0))
    assert not list(run.checkpoints.iterdir())
    straight = workshop.make()
    workshop.train(straight)
    workshop.train(run)
    assert_same(straight, run)


def test_what_an_update_s_end_owes_is_done_by_the_next_attempt(workshop):
    straight = workshop.make(eval_interval=4)
    workshop.train(straight)
    run = workshop.make(eval_interval=4)
    trainer = workshop.trainer(run)
    validate = trainer.watcher.validate

    def stop_instead(state, epoch, should_stop):
        from engine.run.schema import Reason, State
        from engine.train.requests import Stop

        trainer.desk.stop = Stop(State.STOPPED, Reason.REQUEST, "asked")
        return validate(state, epoch, should_stop)

    trainer.watcher.validate = stop_instead
    with trainer.stream:
        stop = trainer.run()
    trainer.link.finish(stop.state, stop.reason, stop.message)
    assert trainer.state.step == 4 and trainer.state.pending == ["validate"]
    assert logged(run, "validation") == []
    workshop.train(run)
    assert_same(straight, run)


@pytest.mark.parametrize("at_the_end", [True, False])
def test_weights_that_a_kill_kept_from_being_published_are_published_on_resume(workshop, at_the_end):
    run = workshop.make(save_dir=str(workshop.folder / "out"), keep_checkpoints=2)
    trainer = workshop.trainer(run)

    class Killed(BaseException):
        pass

    def die(state, _folders):
        for folder in (run.weights, workshop.folder / "out"):
            (folder / ".tmp-999999-0123abcd-pretrain_16.pth").write_bytes(b"half")
        raise Killed

    last = trainer.horizon.end
    save = trainer.saver.save

    def save_and_die(state, *, keep=False):
        if state.step == (last if at_the_end else 8):
            trainer.saver._publish = die
        save(state, keep=keep)

    trainer.saver.save = save_and_die
    with pytest.raises(Killed), trainer.stream:
        trainer.run()
    trainer.link._status.stop()
    said = run.weights / "pretrain_16.json"
    killed_at = int(max(run.checkpoints.glob("step-*")).name.removeprefix("step-"))
    assert json.loads(said.read_bytes())["step"] < killed_at

    final = workshop.train(run, None if at_the_end else (killed_at, 1))
    assert final.state.step == killed_at
    assert final.link.status.tokens == final.state.tokens  # no update was made that would have told
    for folder in (run.weights, workshop.folder / "out"):
        assert json.loads((folder / said.name).read_bytes())["step"] == killed_at
        for suffix in (".pth", ".safetensors"):
            published = read_weights(folder / f"pretrain_16{suffix}").tensors
            assert all(torch.equal(published[name], tensor.half()) for name, tensor in final_weights(run).items())
        assert not list(folder.glob(".*"))
