"""fork, runs rename, runs note, runs report, and what resume says first: called as a person would."""

import io
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_helpers import Minimind, only_run
from run_folders import write_run

from engine.run.annotations import read_annotations
from engine.run.checkpoints import scan, verify
from engine.run.find import list_runs
from engine.run.folder import RunFolder
from engine.run.observe import observe
from engine.run.schema import State
from engine.settings.run_toml import parse_settings

Plan = Callable[..., None]
RUN = ("run", "--preset", "mini", "--data-path", "texts.jsonl")


@pytest.fixture
def parent(minimind: Minimind, workspace: Path, plan: Plan) -> RunFolder:
    """A run of the paced trainer, finished at step 20, saved at 10 and 20."""
    plan(steps=20)
    assert minimind(*RUN).code == 0
    return only_run(workspace)


def child_of(parent: RunFolder) -> RunFolder:
    [child] = [folder for folder in list_runs(parent.path.parent) if folder.id != parent.id]
    return child


def test_a_fork_is_announced_made_and_followed(minimind: Minimind, parent: RunFolder, plan: Plan) -> None:
    plan(steps=25)
    called = minimind("fork", "--learning-rate", "1e-3", "--epochs", "9", "--save_interval", "50", "--name", "lower")
    assert called.code == 0, called.err
    child = child_of(parent)
    assert called.err.splitlines()[:3] == [
        f"Forking {parent.id} at step 20.",
        "Changed: epochs: 1 -> 9, learning_rate: 0.004 -> 0.001, save_interval: 100 -> 50, warmup_steps: 20 -> 0.",
        "Taken over: the weights of step 20, 2,000 tokens behind them; the optimizer's state; the place in the data.",
    ]
    assert "Not taken over: the course of the learning rate: it begins anew at 1.00e-03." in called.err
    assert child.id.endswith("-lower") and f"{child.id}: finished, step 25 of 25" in called.out
    settings, preset = parse_settings(child.run_toml)
    assert (settings.learning_rate, settings.epochs, settings.save_interval, preset) == (1e-3, 9, 50, "mini")
    assert verify(scan(child)[-1]) == "" and child.read_manifest().attempts[0].from_checkpoint == "step-00000020"
    shown = minimind("runs", "show", "lower").out
    assert f"began from: fork of {parent.id} at step 20 (" in shown and "learning_rate: 0.004 -> 0.001" in shown
    assert json.loads(minimind("runs", "show", "lower", "--json").out)["lineage"]["step"] == 20


@pytest.mark.parametrize(("asked", "step"), [("10", 10), ("step-00000010", 10), ("best", 10), ("LAST", 20)])
def test_the_checkpoint_can_be_chosen(minimind: Minimind, parent: RunFolder, plan: Plan, asked: str, step: int) -> None:
    plan(steps=22)
    called = minimind("fork", parent.id, "--checkpoint", asked, "--detach")
    assert called.code == 0, called.err
    assert f"at step {step}." in called.err.splitlines()[0]
    assert child_of(parent).read_manifest().lineage.step == step  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--checkpoint", "newest"), "--checkpoint newest: expected a step"),
        (("--checkpoint", "7"), "there are: 10, 20"),
        (("--hidden_size", "64"), "hidden_size (160 -> 64)"),
        (("--from-weight", "x"), "would change nothing"),
        (("--learning_rate", "fast"), "learning_rate = fast (--learning_rate)"),
        (("--data_path", "bad.jsonl"), "bad.jsonl"),
        (("--lerning_rate", "1"), "Did you mean --learning_rate?"),
    ],
)
def test_what_cannot_be_forked_leaves_nothing_behind(
    minimind: Minimind, parent: RunFolder, workspace: Path, words: tuple[str, ...], said: str
) -> None:
    (workspace / "bad.jsonl").write_text("no json\n" * 100)
    called = minimind("fork", *words)
    assert called.code == 2 and said in called.err, called.err
    assert only_run(workspace).id == parent.id


def test_a_run_in_training_can_be_forked(minimind: Minimind, workspace: Path, plan: Plan) -> None:
    plan(steps=4000, step_seconds=0.01)
    assert minimind(*RUN, "--detach").code == 0
    parent = only_run(workspace)
    deadline = time.monotonic() + 20
    while not scan(parent):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    plan(steps=5)
    assert minimind("fork", parent.id).code == 0
    assert observe(parent).state is State.RUNNING
    assert minimind("runs", "stop", parent.id).code == 0


def test_title_and_note(minimind: Minimind, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, other = write_run(workspace, "one"), write_run(workspace, "two")
    assert minimind("runs", "rename", "one", "A [bold]wide[/bold]\x1b[31m run").code == 0
    assert minimind("runs", "rename", "two", "Other").code == 0
    assert read_annotations(run).title == "A [bold]wide[/bold][31m run"
    listed = minimind("runs").out
    assert "A [bold]wide[/bold][31m run" in listed and "\x1b" not in listed
    assert minimind("runs", "note", "other", "first\nsecond").out == f"{other.id}: the note is written.\n"
    assert minimind("runs", "note", "OTHER").out == "first\nsecond\n"
    assert "first\nsecond" in minimind("runs", "show", "other").out
    monkeypatch.setattr("sys.stdin", io.StringIO("from a pipe\n"))
    assert minimind("runs", "note", "two", "-").code == 0
    assert minimind("runs", "note", "two").out == "from a pipe\n"
    assert minimind("runs", "note", "two", "").code == 0
    assert minimind("runs", "note", "two").out == f"{other.id} has no note.\n"
    [record] = [json.loads(line) for line in minimind("runs", "--json").out.splitlines() if "one" in line]
    assert record["title"] == "A [bold]wide[/bold][31m run" and record["note"] == ""
    assert minimind("runs", "rename", "two", "").out == f"{other.id}: it has no title any more.\n"
    assert minimind("runs", "rename", "two", "x" * 81).code == 2


def test_report(minimind: Minimind, workspace: Path) -> None:
    run = write_run(workspace)
    assert minimind("runs", "report").out == f"The report is in runs/{run.id}/report.html\n"
    assert (run.path / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert minimind("runs", "report", "last", "--format", "md", "--output", "here.txt").out.endswith(" here.txt\n")
    assert (workspace / "here.txt").read_text(encoding="utf-8").startswith("# ")
    wrong = minimind("runs", "report", "--format", "pdf")
    assert wrong.code == 2 and "html | md" in wrong.err
    assert minimind("runs", "report", "nothing").code == 2


def test_resume_says_first_what_it_will_be(minimind: Minimind, workspace: Path, plan: Plan) -> None:
    plan(fail_at=15)
    minimind(*RUN)
    run = only_run(workspace)
    plan(steps=20)
    called = minimind("resume")
    assert called.err.splitlines()[:3] == [
        f"Resuming {run.id}.",
        "It goes on from step 10.",
        "5 updates beyond that were not saved: they are made again.",
    ]
    (workspace / "texts.jsonl").unlink()
    plan(fail_at=30, steps=40)
    again = write_run(workspace, state=State.STOPPED)
    again.change_manifest(lambda manifest: setattr(manifest, "data_path", str(workspace / "texts.jsonl")))
    refused = minimind("resume", again.id)
    assert refused.code == 2 and "training text is gone" in refused.err and not again.lock.exists()


def test_the_help_shows_what_a_fork_may_change(minimind: Minimind) -> None:
    text = minimind("fork", "--help").out
    shown = {word for word in text.split() if word.startswith("--")}
    assert {"--checkpoint", "--name", "--learning_rate", "--epochs", "--batch_size", "--num_threads"} <= shown
    assert not {"--hidden_size", "--tokenizer", "--from_weight", "--initializer"} & shown
