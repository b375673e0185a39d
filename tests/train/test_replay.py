"""Updates made again come out the same, and where they do not the first difference is named."""

import hashlib
import json
import os
import shutil

import pytest
import torch
from training_runs import final_weights
from training_runs import logged as losses

from engine.convert.writing import save_safetensors
from engine.errors import UserError
from engine.run import replay as replaying
from engine.run.checkpoints import begin_checkpoint, scan
from engine.run.control import send_request
from engine.run.exit_codes import WorkerExit
from engine.run.replay import run_replay
from engine.run.replay_plan import plan_replay
from engine.run.replay_script import read_script
from engine.run.verifying import verify_run
from engine.run.worker_link import WorkerLink
from engine.train.build import build_trainer
from engine.train.replaying import Replay
from engine.train.requests import RequestDesk
from engine.worker.compare import compare


@pytest.fixture
def in_this_process(monkeypatch):
    """Replay without starting processes: the worker's and the comparison's own code, called here."""

    def work(plan, scratch, attempt, on_progress):
        link = WorkerLink(scratch, attempt, signals=False)
        trainer = Replay.of(build_trainer(link, RequestDesk(link)), read_script(scratch))
        with trainer.stream:
            stop = trainer.run()
        assert link.finish(stop.state, stop.reason, stop.message) is WorkerExit.DONE
        assert trainer.state.step == plan.until

    monkeypatch.setattr(replaying, "_work", work)
    monkeypatch.setattr(replaying, "compare_saved", lambda pairs: [compare(*pair) for pair in pairs])


def everything_in(folder):
    """Every file of a folder: its bytes' hash, its times, its mode."""
    found = {}
    for path in sorted(folder.rglob("*")):
        stat = path.stat()
        data = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(path.relative_to(folder))] = (data, stat.st_size, stat.st_mtime_ns, stat.st_mode)
    return found


def replays_left(workshop):
    place = workshop.folder / "cache" / "replays"
    return list(place.iterdir()) if place.exists() else []


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"optimizer": "muon", "log_interval": 3},
        {"num_experts": 4, "num_experts_per_tok": 2, "schedule": "wsd"},
    ],
    ids=["dense", "muon", "experts"],
)
def test_an_interrupted_run_repeats_bit_for_bit(workshop, in_this_process, options):
    run = workshop.make(keep_checkpoints=9, **options)
    workshop.train(run, (6, 1))
    workshop.train(run)
    before = everything_in(run.path)
    plan = plan_replay(run, 7, 4)
    assert (plan.step, plan.until) == (4, 11) and plan.target.step == 8
    result = run_replay(plan)
    assert result.identical and result.surroundings == []
    assert result.target == 8 and result.parts["weights"]["count"] == len(final_weights(run))
    assert result.parts["optimizer"]["count"] > result.parts["weights"]["count"]
    assert result.lines == len([step for step, _loss in losses(run) if 4 < step <= 11])
    assert everything_in(run.path) == before  # the run was only read
    assert replays_left(workshop) == []


def test_from_the_beginning_and_to_the_end(workshop, in_this_process):
    run = workshop.make(keep_checkpoints=9)
    end = workshop.train(run).horizon.end
    first = run_replay(plan_replay(run, 4, 0))
    assert first.identical and (first.start, first.target, first.lines) == (0, 4, 4)
    last = run_replay(plan_replay(run, 100, 16))
    assert last.identical and (last.until, last.target) == (end, end)


def test_what_is_chosen_without_a_step(workshop):
    run = workshop.make(keep_checkpoints=2)
    end = workshop.train(run).horizon.end
    steps = sorted(info.step for info in scan(run))
    assert steps[-1] == end
    plan = plan_replay(run, 100)
    assert (plan.step, plan.target.step) == (steps[-2], end)  # the newest that a later one can be compared with
    short = plan_replay(run, 1)
    assert short.target is None and short.step == steps[-2] and short.until == steps[-2] + 1  # compared with the log
    with pytest.raises(UserError, match="no checkpoint at step 5; there are"):
        plan_replay(run, 3, 5)
    with pytest.raises(UserError, match="nothing after step"):
        plan_replay(run, 3, end)
    with pytest.raises(UserError, match="1 or more"):
        plan_replay(run, 0)
    with pytest.raises(UserError, match="nothing after step 0"):
        plan_replay(workshop.make(), 3)


def test_a_changed_learning_rate_is_repeated_where_it_was_changed(workshop, in_this_process, monkeypatch):
    monkeypatch.setattr("engine.train.requests.POLL_SECONDS", 0.0)
    run = workshop.make(keep_checkpoints=9)
    trainer = workshop.trainer(run)
    advance = trainer._advance

    def advance_and_ask(*arguments):
        advance(*arguments)
        if trainer.state.step == 9:
            trainer.link.update()
            send_request(run, "set", {"lr_scale": 0.25})

    trainer._advance = advance_and_ask
    with trainer.stream:
        stop = trainer.run()
    trainer.link.finish(stop.state, stop.reason, stop.message)
    plan = plan_replay(run, 8, 4)
    assert set(plan.script.lr_scales.values()) == {0.25} and plan.target.step == 12
    assert run_replay(plan).identical
    without = plan_replay(run, 8, 4)
    without.script.lr_scales.clear()
    assert run_replay(without).line.name == "lr"


def test_a_run_that_time_ended_repeats_though_the_replay_has_its_own_pace(workshop, in_this_process, monkeypatch):
    with monkeypatch.context() as patch:  # as if the run had found out how slow it is
        patch.setattr("engine.train.budget.EndPlanner.plan", lambda _self, step, *_rest: {5: 16, 9: 13}.get(step))
        run = workshop.make(time_budget=3600, eval_interval=0, schedule="linear", keep_checkpoints=9)
        assert workshop.train(run).state.step == 13
    plan = plan_replay(run, 13, 4)
    assert plan.script.ends == {5: 16, 9: 13} and (plan.until, plan.target.step) == (13, 13)
    assert run_replay(plan).identical
    plan.script.ends.pop(9)
    assert run_replay(plan).line.name == "lr"


def test_a_fork_repeats_from_its_copy_of_the_checkpoint(workshop, in_this_process):
    from engine.run.fork import make_fork, plan_fork

    parent = workshop.make(keep_checkpoints=9)
    workshop.train(parent)
    fork = make_fork(plan_fork(parent, 8, {"learning_rate": 5e-3}), workshop.folder / "runs")
    workshop.train(fork)
    result = run_replay(plan_replay(fork, 4, 8))
    assert result.identical and result.surroundings == [] and result.start == 8
    with pytest.raises(UserError, match="no checkpoint at step 0"):
        plan_replay(fork, 4, 0)


def test_the_first_difference_is_named_in_the_log_and_in_the_checkpoint(workshop, in_this_process):
    run = workshop.make(keep_checkpoints=9, eval_interval=0)
    workshop.train(run)
    lines = run.metrics.read_text().splitlines()
    for number, line in enumerate(lines):
        record = json.loads(line)
        if record.get("kind") == "train" and record["step"] in (6, 7):
            record["grad_norm"] *= 1 + 1e-15 if record["step"] == 6 else 2.0
            lines[number] = json.dumps(record)
    run.metrics.write_text("\n".join(lines) + "\n")
    target = next(info for info in scan(run) if info.step == 8)
    weights = {name: tensor.clone() for name, tensor in _tensors(target).items()}
    name = "model.layers.1.self_attn.q_proj.weight"
    weights[name].view(-1)[3] += 0.5
    trainer = (target.path / "trainer.pth").read_bytes()
    with begin_checkpoint(run, 8) as staging:  # whole by its hashes, and still another training's
        save_safetensors(weights, staging.open("model.safetensors"), {})
        staging.open("trainer.pth").write(trainer)
        fields = target.record.model_dump(exclude={"files", "attempt", "step"})
        staging.commit(attempt=1, **(fields | {"surroundings": {**target.record.surroundings, "torch": "0.1"}}))
    result = run_replay(plan_replay(run, 4, 4))
    assert not result.identical
    assert (result.line.step, result.line.name) == (6, "grad_norm") and result.line.run != result.line.replay
    part = result.parts["weights"]
    assert (part["different"], part["first"]["name"]) == (1, name)
    assert (part["first"]["elements"], part["first"]["of"]) == (1, weights[name].numel())
    assert part["first"]["largest"] == pytest.approx(0.5, rel=1e-3)
    assert result.parts["optimizer"]["different"] == 0
    assert any("torch version" in reason for reason in result.surroundings)


def _tensors(info):
    from engine.convert.reading import read_weights

    return read_weights(info.path / "model.safetensors").tensors


def test_what_cannot_be_replayed_is_a_mistake_in_words(workshop, in_this_process):
    run = workshop.make(keep_checkpoints=9)
    workshop.train(run)
    path = run.checkpoints / "step-00000004" / "trainer.pth"
    path.write_bytes(b"\0" + path.read_bytes()[1:])
    with pytest.raises(UserError, match=r"trainer\.pth"):
        run_replay(plan_replay(run, 4, 4))
    workshop.texts.write_text(workshop.texts.read_text().replace("cats", "dogs"))
    with pytest.raises(UserError, match="training text"):
        run_replay(plan_replay(run, 4, 8))
    assert replays_left(workshop) == []


def test_the_real_worker_in_a_process_of_its_own(workshop, monkeypatch):
    run = workshop.make(keep_checkpoints=9)
    workshop.train(run)
    heard = []
    os.chmod(run.path, 0o555)  # noqa: PTH101 - a run that nobody may write
    monkeypatch.setenv("OMP_NUM_THREADS", "2")  # the run's own number of threads counts, not that of who asks
    try:
        result = run_replay(plan_replay(run, 4, 8), lambda phase, step: heard.append((phase, step)))
    finally:
        os.chmod(run.path, 0o755)  # noqa: PTH101
    assert result.identical and result.target == 12 and result.surroundings == []
    assert heard and replays_left(workshop) == []
    found = {finding.name: finding for finding in verify_run(run)}
    assert all(finding.verdict == "ok" for finding in found.values())
    assert "all" in found["pretrain_16.pth"].words
    # published weights that are not the checkpoint's
    published = run.weights / "pretrain_16.pth"
    tensors = torch.load(published, weights_only=True)
    tensors["model.norm.weight"][0] += 1
    torch.save(tensors, published)
    damaged = [finding for finding in verify_run(run) if finding.verdict == "damaged"]
    assert [(one.what, one.name) for one in damaged] == [("weights", "pretrain_16.pth")]
    assert "model.norm.weight" in damaged[0].words


def test_two_processes_repeat_as_two(workshop):
    from rank_runs import train_to_the_end

    run = workshop.make(nproc=2, batch_size=1, keep_checkpoints=9, max_steps=10, eval_interval=0)
    assert train_to_the_end(run).state == "finished"
    shutil.rmtree(workshop.folder / "cache" / "replays", ignore_errors=True)
    result = run_replay(plan_replay(run, 4, 4))
    assert result.identical and result.target == 8 and result.lines == 4
    assert replays_left(workshop) == []
