"""Memory that runs out: fewer rows at a time, the same update of the same rows, remembered, said (injected here)."""

import re
from contextlib import contextmanager

import pytest
import torch
from training_runs import final_weights, logged

from engine.errors import UserError
from engine.model.transformer import LanguageModel
from engine.run.jsonl_log import read_lines
from engine.run.resumability import resume_statement
from engine.run.schema import Reason, State
from engine.train.out_of_memory import OptimizerOutOfMemoryError, is_out_of_memory

WORDS = (
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has ..."),
    MemoryError(),
    RuntimeError(
        "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to "
        "allocate 9223372036854775807 bytes. Error code 12 (Cannot allocate memory)"
    ),
    RuntimeError("MPS backend out of memory (MPS allocated: 17.9 GB, other allocations: 1 GB, max allowed: 18 GB)."),
    RuntimeError("CUDA error: out of memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("HIP out of memory. Tried to allocate 20.00 MiB"),
)


@pytest.mark.parametrize("error", WORDS, ids=[str(number) for number in range(len(WORDS))])
def test_memory_that_ran_out_is_known_by_type_or_words(error):
    assert is_out_of_memory(error)
    try:
        raise ValueError("the compiler's own") from error
    except ValueError as outer:
        assert is_out_of_memory(outer)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA error: an illegal memory access was encountered"),
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
        ValueError("out of memory"),
        UserError("out of memory"),
        OptimizerOutOfMemoryError(),
    ],
)
def test_other_errors_are_not_taken_for_it(error):
    assert not is_out_of_memory(error)


def test_the_cpu_s_own_allocator_is_understood():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**62, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)


@contextmanager
def memory_for(monkeypatch, rows, *, training=True, from_call=1, error=WORDS[2]):
    """A device whose memory holds `rows` rows at a time, from the given forward pass on; gives what was tried."""
    forward, tried = LanguageModel.forward, []

    def bounded(self, ids, *args, **options):
        if self.training is training:
            tried.append(ids.shape[0])
            if len(tried) >= from_call and ids.shape[0] > rows:
                raise type(error)(*error.args)
        return forward(self, ids, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(LanguageModel, "forward", bounded)
        yield tried


def events(run, kind):
    return [event for event in read_lines(run.events) if event["kind"] == kind]


def assert_close(run, other):
    ours, theirs = final_weights(run), final_weights(other)
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], rtol=2e-3, atol=2e-4, msg=name)
    losses, expected = dict(logged(run)), dict(logged(other))
    assert losses.keys() == expected.keys()
    assert all(abs(losses[step] - expected[step]) < 1e-4 for step in losses)


@pytest.mark.parametrize("from_call", [1, 3, 8], ids=["first pass", "third micro-batch", "third update"])
@pytest.mark.parametrize("batch_size", [4, 5], ids=["even", "odd"])
def test_the_same_rows_are_computed_fewer_at_a_time(workshop, monkeypatch, from_call, batch_size):
    options = {"batch_size": batch_size, "accumulation_steps": 3, "epochs": 1}
    plenty = workshop.make(**options)
    workshop.train(plenty)
    short = workshop.make(**options)
    with memory_for(monkeypatch, 1, from_call=from_call) as tried:
        trainer = workshop.train(short)
    assert trainer.link.status.reason == Reason.COMPLETE
    assert trainer.micro_batch.rows == 1 and set(tried[from_call + 5 :]) == {1}
    assert trainer.stream.rows_per_update == 3 * batch_size
    assert_close(short, plenty)

    step = (from_call - 1) // 3
    warnings = [event for event in events(short, "warning") if "rows_before" in event]
    halvings = {4: [(4, 2), (2, 1)], 5: [(5, 3), (3, 2), (2, 1)]}[batch_size]
    assert [(event["rows_before"], event["rows"]) for event in warnings] == halvings
    assert all(event["step"] == step for event in warnings)
    assert "with 2 rows at a time" in warnings[-1]["message"] and f"{3 * batch_size} micro" in warnings[-1]["message"]
    record = short.read_manifest().attempts[-1]
    assert record.micro_batch == 1
    assert trainer.link.status.micro_batch_rows == 1


def test_the_first_update_of_fewer_rows_equals_the_one_it_replaces(workshop, monkeypatch):
    """Neither gradients nor rows of the half-made update are left: the third micro-batch runs out, two were summed."""
    options = {"batch_size": 4, "accumulation_steps": 3, "max_steps": 1, "grad_clip": 0.0}
    plenty, short = workshop.make(**options), workshop.make(**options)
    whole = workshop.train(plenty)
    with memory_for(monkeypatch, 2, from_call=3) as tried:
        trainer = workshop.train(short)
    assert tried == [4, 4, 4] + [2] * 6
    assert (
        (trainer.state.row, trainer.state.tokens) == (whole.state.row, whole.state.tokens) == (12, whole.state.tokens)
    )
    assert all(parameter.grad is None for parameter in trainer.updater.model.parameters())
    assert abs(dict(logged(short))[1] - dict(logged(plenty))[1]) < 1e-5
    assert_close(short, plenty)


def test_the_backward_pass_may_run_out_too(workshop, monkeypatch):
    options = {"batch_size": 4, "accumulation_steps": 2, "max_steps": 3}
    plenty, short = workshop.make(**options), workshop.make(**options)
    workshop.train(plenty)
    backward, calls = torch.Tensor.backward, []

    def once(self, *args, **options):
        backward(self, *args, **options)  # gradients are there by then
        calls.append(1)
        if len(calls) == 4:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    with monkeypatch.context() as patch:
        patch.setattr(torch.Tensor, "backward", once)
        assert workshop.train(short).micro_batch.rows == 2
    assert_close(short, plenty)


def test_it_is_saved_at_once_and_a_resume_repeats_it_bit_for_bit(workshop, monkeypatch):
    options = {"batch_size": 4, "accumulation_steps": 3, "save_interval": 0, "epochs": 2, "eval_interval": 3}
    straight, broken = workshop.make(**options), workshop.make(**options)
    with memory_for(monkeypatch, 2, from_call=5):
        end = workshop.train(straight).horizon.end
    with memory_for(monkeypatch, 2, from_call=5):
        workshop.train(broken, (4, 2))
    assert end > 6
    assert (broken.checkpoints / "step-00000002").exists(), "the update that ran out forces a checkpoint"
    statement = resume_statement(broken)
    assert statement.exact, statement.lines()
    trainer = workshop.train(broken)  # with memory enough: it goes on as it did
    record = broken.read_manifest().attempts[-1]
    assert record.exact and record.micro_batch == 2 and trainer.micro_batch.rows == 2
    assert any("memory ran out before" in event["message"] for event in events(broken, "micro_batch"))
    ours, theirs = final_weights(broken), final_weights(straight)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert logged(broken) == logged(straight)
    assert logged(broken, "validation") == logged(straight, "validation")


def test_what_was_not_saved_is_remembered_by_the_manifest_and_makes_a_resume_inexact(workshop, monkeypatch):
    run = workshop.make(batch_size=4, accumulation_steps=3, save_interval=1)
    workshop.train(run, (2, 0))
    with memory_for(monkeypatch, 2):
        trainer = workshop.trainer(run)

        class Killed(BaseException):
            pass

        def die(*_args):
            raise Killed

        trainer._advance = die
        with pytest.raises(Killed), trainer.stream:
            trainer.run()
        trainer.link.finish(State.STOPPED, Reason.KILLED, "killed")
    statement = resume_statement(run)
    assert statement.exact is False and any("from 4 to 2" in reason for reason in statement.reasons)
    again = workshop.train(run, (3, 0))
    assert again.micro_batch.rows == 2
    reasons = run.read_manifest().attempts[-1].why_inexact
    assert any("micro-batch" in reason and "from 4 to 2" in reason for reason in reasons)


def test_another_batch_size_or_device_begins_anew(workshop, monkeypatch):
    run = workshop.make(batch_size=6, accumulation_steps=2)
    with memory_for(monkeypatch, 3):
        workshop.train(run, (2, 0))
    text = run.run_toml.read_text().replace("batch_size = 6", "batch_size = 4")
    run.run_toml.write_text(text.replace("accumulation_steps = 2", "accumulation_steps = 3"))
    assert workshop.train(run, (3, 0)).micro_batch.rows == 4


def test_a_validation_takes_fewer_rows_and_is_made_again(workshop, monkeypatch):
    options = {"batch_size": 4, "accumulation_steps": 3, "eval_interval": 2, "max_steps": 4, "save_interval": 0}
    plenty, short = workshop.make(**options), workshop.make(**options)
    workshop.train(plenty)
    with memory_for(monkeypatch, 1, training=False) as tried:
        trainer = workshop.train(short)
    assert tried[:3] == [4, 2, 1] and set(tried[3:]) == {1}
    assert trainer.micro_batch.rows == 4 and trainer.micro_batch.validation_rows == 1
    assert final_weights(short).keys() == final_weights(plenty).keys()
    ours, theirs = final_weights(short), final_weights(plenty)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours), "training is not touched by it"
    assert [step for step, _loss in logged(short, "validation")] == [2, 4]
    for (_step, loss), (_same, expected) in zip(logged(short, "validation"), logged(plenty, "validation"), strict=True):
        assert abs(loss - expected) < 1e-5
    assert (short.checkpoints / "step-00000002").exists()
    assert [event["rows"] for event in events(short, "warning") if "rows_before" in event] == [2, 1]


@pytest.mark.parametrize("training", [True, False], ids=["training", "validating"])
def test_one_row_that_is_too_much_ends_the_run_with_everything_saved(workshop, monkeypatch, training):
    options = {"batch_size": 2, "accumulation_steps": 2, "save_interval": 0, "eval_interval": 3, "epochs": 1}
    run = workshop.make(**options)
    with memory_for(monkeypatch, 0, training=training, from_call=7 if training else 1):
        trainer = workshop.train(run)
    status = trainer.link.status
    assert status.state is State.FAILED and status.reason == Reason.USER_ERROR
    assert re.search(r"update \d with a single row of 32 positions", status.message or "")
    assert "--recompute 1" in (status.message or "")
    assert trainer.state.step == 3 and (run.checkpoints / "step-00000003").exists()
    whole = workshop.make(**options)
    workshop.train(whole)
    workshop.train(run)  # with memory enough it ends as if nothing had been
    assert dict(logged(run)).keys() == dict(logged(whole)).keys()
    assert logged(run, "validation")[0][0] == 3


def test_a_step_that_runs_out_is_not_repeated_and_nothing_half_made_is_saved(workshop, monkeypatch):
    run = workshop.make(batch_size=2, save_interval=1)
    trainer = workshop.trainer(run)
    step = trainer.updater.optimizer.step

    def fails_at_third():
        if trainer.state.step == 2:
            raise MemoryError
        step()

    monkeypatch.setattr(trainer.updater.optimizer, "step", fails_at_third)
    with pytest.raises(OptimizerOutOfMemoryError, match="optimizer's step"), trainer.stream:
        trainer.run()
    trainer.link._status.stop()
    assert sorted(path.name for path in run.checkpoints.iterdir())[-1] == "step-00000002"


def test_the_memory_of_a_failed_pass_is_free_before_the_next(workshop, monkeypatch):
    """The error's traceback would keep every tensor of the pass alive."""
    import gc
    import weakref

    run = workshop.make(batch_size=4, max_steps=1)
    alive: list[weakref.ref[torch.Tensor]] = []
    forward = LanguageModel.forward

    def bounded(self, ids, *args, **options):
        hidden = forward(self, ids, *args, **options)
        if ids.shape[0] > 2:
            alive.append(weakref.ref(hidden))
            raise torch.OutOfMemoryError("CUDA out of memory.")
        if alive:
            assert alive[0]() is None
        return hidden

    gc.disable()
    try:
        monkeypatch.setattr(LanguageModel, "forward", bounded)
        workshop.train(run)
    finally:
        gc.enable()
    assert len(alive) == 1


def test_a_compiler_s_first_pass_that_runs_out_is_no_failure_of_the_compiler(workshop, monkeypatch):
    from engine.train import parts

    tried = []

    def compiled(model, first, autocast):
        tried.append(first.ids.shape[0])
        if first.ids.shape[0] > 1:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return model, None

    monkeypatch.setattr(parts, "compiled_network", compiled)
    monkeypatch.setattr(
        "engine.train.computing.choose_compile", lambda *args, **options: parts_choice(True, "for the test")
    )
    run = workshop.make(batch_size=4, accumulation_steps=2)
    trainer = workshop.trainer(run)
    trainer.stream.close()
    trainer.link._status.stop()
    assert tried == [4, 2, 1] and trainer.micro_batch.rows == 1


def parts_choice(on, why):
    from engine.train.precision import CompileChoice

    return CompileChoice(on, why)
