"""A run of two processes over gloo: the numbers of one, exact resume, and an end for all when one ends."""

import os
import subprocess
import sys

import pytest
import torch
from rank_runs import kill, ranks_of, stop_at, train_lines, train_to_the_end, wait_for_step, wait_until
from training_runs import final_weights, logged

from engine.run.attempts import begin_attempt
from engine.run.control import ask
from engine.run.exit_codes import WorkerExit
from engine.run.jsonl_log import read_lines
from engine.run.launch import apply_changes, plan_resume
from engine.run.observe import observe
from engine.run.rank_errors import LAUNCHER_VARIABLE
from engine.run.schema import Reason, State
from engine.run.start import start_run
from engine.run.worker_link import WorkerLink
from engine.worker import launch

FIFTY = {"epochs": 7, "max_steps": 50, "learning_rate": 3e-3, "save_interval": 20, "eval_interval": 25}


def two(workshop, **values):
    """A run of two processes whose update is that of TINY's one: half the micro-batches for each."""
    return workshop.make(**{"nproc": 2, "batch_size": 1, "accumulation_steps": 3, "rank_timeout": 60.0, **values})


def test_two_processes_make_the_curve_of_one(workshop):
    alone, both = workshop.make(**FIFTY), two(workshop, **FIFTY)
    workshop.train(alone)
    end = train_to_the_end(both)
    assert end.state is State.FINISHED, end.message
    assert end.status.world_size == 2
    for kind in ("train", "validation"):
        ours, theirs = dict(logged(both, kind)), dict(logged(alone, kind))
        assert ours.keys() == theirs.keys()
        assert max(abs(ours[step] - theirs[step]) for step in ours) < 1e-5
    assert len(logged(both)) == 50
    line = train_lines(both)[-1]
    assert line["tokens"] == train_lines(alone)[-1]["tokens"]
    assert len(line["rank_seconds"]) == len(line["rank_data_wait"]) == 2
    assert all(0 < seconds < 60 for seconds in line["rank_seconds"])
    assert not ranks_of(both)


def test_experts_are_balanced_and_counted_over_all_ranks(workshop):
    # a batch-wise auxiliary loss is not additive over micro-batches: without it the curves are the same
    experts = {"use_moe": True, "aux_loss_coef": 0.0, "epochs": 1}
    alone, both = workshop.make(**experts), two(workshop, **experts)
    workshop.train(alone)
    end = train_to_the_end(both)
    assert end.state is State.FINISHED, end.message
    ours, theirs = dict(logged(both)), dict(logged(alone))
    assert ours.keys() == theirs.keys()
    assert max(abs(ours[step] - theirs[step]) for step in ours) < 1e-5
    for line, other in zip(train_lines(both), train_lines(alone), strict=True):
        assert [sum(layer) for layer in line["expert_load"]] == pytest.approx([1.0, 1.0], abs=1e-3)
        assert line["expert_load"][0] == pytest.approx(other["expert_load"][0], abs=2e-2)


def test_stopped_paused_and_resumed_it_ends_bit_for_bit_as_if_it_had_not_been(workshop):
    straight, broken = two(workshop), two(workshop)
    assert train_to_the_end(straight).state is State.FINISHED
    assert stop_at(broken, 3).state is State.STOPPED
    assert stop_at(broken, 8, "pause").state is State.PAUSED
    assert not ranks_of(broken)
    assert ask(broken, "continue").accepted
    wait_until(lambda: observe(broken).state is State.FINISHED, "the end")
    attempts = broken.read_manifest().attempts
    assert [record.world_size for record in attempts] == [2, 2, 2]
    assert [record.exact for record in attempts[1:]] == [True, True]
    ours, theirs = final_weights(broken), final_weights(straight)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert logged(broken) == logged(straight)
    assert logged(broken, "validation") == logged(straight, "validation")


def test_resumed_with_another_number_it_keeps_update_and_order_and_says_that_it_is_not_exact(workshop):
    whole, run = workshop.make(), two(workshop)
    workshop.train(whole)
    stop_at(run, 4)
    plan = plan_resume(run, {"nproc": 1})
    assert (plan.settings.batch_size, plan.settings.accumulation_steps, plan.settings.rows_per_update) == (1, 6, 6)
    apply_changes(plan)
    workshop.train(run)
    record = run.read_manifest().attempts[-1]
    assert record.exact is False
    assert any("the number of processes changed from 2 to 1" in reason for reason in record.why_inexact)
    ours, theirs = dict(logged(run)), dict(logged(whole))
    assert ours.keys() == theirs.keys()
    assert max(abs(ours[step] - theirs[step]) for step in ours) < 1e-5


def test_the_error_of_one_rank_ends_the_run_with_its_words(workshop, monkeypatch, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import os\n"
        "if os.environ.get('RANK') == '1':\n"
        "    import engine.train.loop as loop\n"
        "    gather = loop.Trainer._gather_seconds\n"
        "    def fail(self):\n"
        "        self.seen = getattr(self, 'seen', 0) + 1\n"
        "        if self.seen == 3: raise ValueError('the disk of rank one is gone')\n"
        "        return gather(self)\n"
        "    loop.Trainer._gather_seconds = fail\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    run = two(workshop, rank_timeout=20.0)
    end = train_to_the_end(run)
    assert end.state is State.FAILED
    assert "Rank 1" in end.message and "the disk of rank one is gone" in end.message
    assert not ranks_of(run)


def test_memory_that_runs_out_on_one_rank_starts_all_again_with_fewer_rows(workshop, monkeypatch, tmp_path):
    straight, run = workshop.make(), two(workshop, batch_size=3, accumulation_steps=1, save_interval=2)
    workshop.train(straight)
    (tmp_path / "sitecustomize.py").write_text(
        "import os\n"
        "if os.environ.get('RANK') == '1':\n"
        "    import engine.train.update as update\n"
        "    loss_of, seen = update.Updater.loss_of, []\n"
        "    def fail(self, batch):\n"
        "        seen.append(1)\n"
        "        if len(seen) > 4 and batch.ids.shape[0] > 2: raise MemoryError\n"
        "        return loss_of(self, batch)\n"
        "    update.Updater.loss_of = fail\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    end = train_to_the_end(run)  # no restarts were allowed: this one is not for a failure
    assert end.state is State.FINISHED, end.message
    first, second = run.read_manifest().attempts
    assert (first.reason, first.end_state, second.micro_batch) == ("memory", "failed", 2)
    assert second.exact is False and any("micro-batch" in reason for reason in second.why_inexact)
    ours, theirs = dict(logged(run)), dict(logged(straight))
    assert ours.keys() == theirs.keys()
    assert max(abs(ours[step] - theirs[step]) for step in ours) < 1e-5


@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_rank_ends_the_run_and_the_supervisor_goes_on_from_the_last_checkpoint(workshop, rank):
    straight, run = two(workshop), two(workshop, save_interval=2)
    train_to_the_end(straight)
    start_run(run, max_restarts=1)
    wait_for_step(run, 5)
    kill(ranks_of(run)[rank])
    wait_until(lambda: observe(run).state is State.FINISHED, "the end after a restart")
    first, second = run.read_manifest().attempts
    assert (first.end_state, second.end_state, second.exact) == ("failed", "finished", True)
    assert second.start_step >= 2
    told = [event["message"] for event in _errors(run)]
    assert any(f"Rank {rank}" in message and "SIGKILL" in message for message in told), told
    ours, theirs = final_weights(run), final_weights(straight)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_killed_launcher_leaves_no_rank_behind(workshop):
    run = two(workshop, epochs=1000)
    start_run(run)
    wait_for_step(run, 2)
    ranks = ranks_of(run)
    kill(ranks[0].parent())
    wait_until(lambda: not any(rank.is_running() and rank.status() != "zombie" for rank in ranks.values()), "their end")
    wait_until(lambda: observe(run).state is State.FAILED, "the word of the supervisor")


def _errors(run):
    return [event for event in read_lines(run.events) if event.get("kind") == "error"]


def test_a_rank_whose_launcher_was_killed_while_it_began_ends_at_once(workshop):
    run = two(workshop)
    begin_attempt(run, 1, 0, lambda done, total: None)
    environment = os.environ | {"RANK": "0", "WORLD_SIZE": "2", LAUNCHER_VARIABLE: "1"}
    command = [sys.executable, "-m", "engine.worker.train", str(run.path), "--attempt", "1"]
    assert subprocess.run(command, env=environment, check=False).returncode == WorkerExit.FAILED
    assert not run.status.exists()  # nothing of it may follow the supervisor's last word


def test_an_end_that_rank_0_wrote_without_a_supervisor_stays(workshop):
    run = two(workshop)
    begin_attempt(run, 1, 0, lambda done, total: None)
    link = WorkerLink(run, 1, signals=False)
    assert link.finish(State.STOPPED, Reason.SUPERVISOR_LOST, "saved") is WorkerExit.DONE
    assert launch._code_of(run, 1) is WorkerExit.DONE
    assert observe(run).state is State.STOPPED and observe(run).status.reason == Reason.SUPERVISOR_LOST
