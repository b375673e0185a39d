"""The guard through a real run: supervisor, worker, launcher, ranks, requests, kills."""

import json
import os

import pytest
import torch
from poison import GRADIENT, KILLED, NOT_FINITE, poison
from rank_runs import ended, train_to_the_end, wait_for_step
from training_runs import final_weights, logged

from engine.data.tokenizer import Tokenizer
from engine.run.control import ask
from engine.run.guard_record import read_guard
from engine.run.jsonl_log import read_lines
from engine.run.schema import Reason, State
from engine.run.start import start_run

LINE = 71


@pytest.fixture
def poisoned(workshop, monkeypatch, tmp_path):
    """Put a fault into the processes of the runs to come: it strikes whoever computes document LINE."""
    text = json.loads(workshop.texts.read_text().splitlines()[LINE - 1])["text"]
    ids = Tokenizer.load(workshop.tokenizer).encode(text)[:4]
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")

    def put(what, value="nan"):
        poison(tmp_path, what, ids=ids, value=value, marker=str(tmp_path / "killed"))

    return put


def test_a_run_goes_back_by_itself_and_a_kill_in_between_changes_nothing(workshop, poisoned):
    straight, run = (workshop.make(nonfinite="rollback", eval_interval=0, epochs=1) for _run in range(2))
    poisoned(NOT_FINITE)
    end = train_to_the_end(straight)  # no restarts are allowed: this is none
    assert (end.state, end.message) == (State.FINISHED, "All epochs are done.")
    first, second = straight.read_manifest().attempts
    assert (first.end_state, first.reason, second.start_step, second.exact) == ("stopped", "rollback", 4, False)
    assert [one.line for one in read_guard(straight).autopsies[0].documents] == [LINE]
    assert [step for step, _loss in logged(straight)] == list(range(1, 11))

    poisoned(NOT_FINITE + KILLED)
    end = train_to_the_end(run, restarts=1)
    assert end.state is State.FINISHED, end.message
    assert [one.reason for one in run.read_manifest().attempts] == ["worker_died", "complete"]
    assert [one.step for one in read_guard(run).rollbacks] == [5]
    ours, theirs = final_weights(run), final_weights(straight)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_what_diverged_is_not_tried_again_whatever_restarts_are_left(workshop, poisoned):
    poisoned(GRADIENT)
    run = workshop.make(nonfinite="stop", eval_interval=0, epochs=1)
    end = train_to_the_end(run, restarts=3)
    assert end.state is State.FAILED and end.status.reason == Reason.DIVERGED
    assert "gradient of update 5" in end.message and f"texts.jsonl line {LINE}" in end.message
    assert len(run.read_manifest().attempts) == 1


SMALL = {"eval_interval": 0, "epochs": 1, "accumulation_steps": 1, "save_interval": 2}


def test_two_ranks_skip_the_same_spike(workshop, poisoned):
    poisoned(NOT_FINITE, value="40")
    one = workshop.make(**SMALL, spikes="skip", batch_size=6)
    two = workshop.make(**SMALL, spikes="skip", batch_size=3, nproc=2)
    for run in (one, two):
        end = train_to_the_end(run)
        assert end.state is State.FINISHED and end.status.skipped == 1, end.message
    ours, theirs = dict(logged(two)), dict(logged(one))
    assert ours.keys() == theirs.keys() == set(range(1, 11))
    assert all(abs(ours[step] - theirs[step]) < 1e-4 for step in ours if step != 5)


def test_two_ranks_go_back_together(workshop, poisoned):
    poisoned(NOT_FINITE, value="40")
    run = workshop.make(**SMALL, spikes="rollback", batch_size=3, nproc=2)
    end = train_to_the_end(run)
    assert end.state is State.FINISHED and end.status.skipped == 1, end.message
    assert [(one.step, one.row, one.rows) for one in read_guard(run).rollbacks] == [(5, 24, 6)]
    assert [record.reason for record in run.read_manifest().attempts] == ["rollback", "complete"]
    assert [step for step, _loss in logged(run)] == list(range(1, 11))


def test_documents_are_excluded_while_it_runs(workshop):
    run = workshop.make(epochs=12, eval_interval=0, save_interval=0)
    start_run(run)
    wait_for_step(run, 12)
    refused = ask(run, "exclude", {"documents": [{"line": 2, "hash": "0" * 16}]})
    assert refused is not None and not refused.accepted and "Line 2" in refused.reason
    from engine.data.encoding import text_hash

    text = json.loads(workshop.texts.read_text().splitlines()[LINE - 1])["text"]
    document = {"line": LINE, "hash": f"{text_hash(text.encode()):016x}"}
    answer = ask(run, "exclude", {"documents": [document]})
    assert answer is not None and answer.accepted, answer
    end = ended(run)
    assert end.state is State.FINISHED, end.message
    first, second = run.read_manifest().attempts
    assert (first.reason, second.start_step, second.exact) == ("exclusion", first.end_step, False)
    assert any("excluded documents changed from 0 to 1" in reason for reason in second.why_inexact)
    assert [step for step, _loss in logged(run)] == list(range(1, 121))
    tokens = [line["tokens"] for line in read_lines(run.metrics) if line["kind"] == "train"]
    assert tokens[-1] - tokens[-11] < tokens[9]  # the last pass against the first
