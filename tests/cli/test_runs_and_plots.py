"""run, resume, attach, runs, plot: against real run folders, made by the real supervisor and a paced trainer."""

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_helpers import Called, Minimind, command, only_run
from run_folders import write_run

from engine.run.find import list_runs
from engine.run.observe import observe
from engine.run.schema import State
from engine.run.training_text import TrainingText

Plan = Callable[..., None]
RUN = ("run", "--preset", "mini", "--data-path", "texts.jsonl")


def wait_for(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def start(minimind: Minimind, workspace: Path, *more: str) -> str:
    """A run that trains by itself; returns its id once it makes steps."""
    known = {folder.id for folder in list_runs(workspace / "runs")}
    called = minimind(*RUN, "--detach", *more)
    assert called.code == 0, called.err
    [folder] = [folder for folder in list_runs(workspace / "runs") if folder.id not in known]
    wait_for(lambda: (status := observe(folder).status) is not None and status.step > 0)
    return folder.id


def test_a_run_is_followed_to_its_end_in_lines(minimind: Minimind, workspace: Path, plan: Plan) -> None:
    plan(steps=20, step_seconds=0.01)
    called = minimind(*RUN, "--learning-rate", "1e-3", "--name", "first try")
    folder = only_run(workspace)
    assert called.code == 0
    assert called.err == ""
    lines = called.out.splitlines()
    assert lines[0] == f"run {folder.id}" and folder.id.endswith("-first-try")
    assert "step 0  training on cpu fp32" in lines
    assert any(line.startswith("step 10  validation loss ") for line in lines)
    assert f"{folder.id}: finished, step 20 of 20" in called.out
    assert f"minimind generate {folder.id} --prompt TEXT" in called.out
    assert "\x1b" not in called.out
    manifest = folder.read_manifest()
    assert (manifest.preset, manifest.weights_name) == ("mini", "pretrain_160")
    assert manifest.data_path == str((workspace / "texts.jsonl").resolve())
    run_toml = folder.run_toml.read_text(encoding="utf-8")
    assert 'data_path = "texts.jsonl"' in run_toml and "learning_rate = 0.001" in run_toml


def test_run_toml_repeats_the_run(minimind: Minimind, workspace: Path, plan: Plan) -> None:
    plan(steps=2)
    assert minimind(*RUN, "--seed", "7", "--sample_prompts", "one", "--sample-prompts", "two").code == 0
    first = only_run(workspace)
    assert minimind("run", "--config", str(first.run_toml)).code == 0
    second = next(folder for folder in list_runs(workspace / "runs") if folder.id != first.id)
    assert second.run_toml.read_text() == first.run_toml.read_text()
    assert 'sample_prompts = ["one", "two"]' in first.run_toml.read_text()
    assert second.read_manifest().preset == "mini"


def test_json_is_for_machines(minimind: Minimind, workspace: Path, plan: Plan) -> None:
    plan(steps=20)
    called = minimind(*RUN, "--json")
    records = [json.loads(line) for line in called.out.splitlines()]
    assert records[0] == {"stream": "run", "id": only_run(workspace).id, "path": str(only_run(workspace).path)}
    steps = [record["step"] for record in records if record["stream"] == "metrics" and record["kind"] == "train"]
    assert steps == list(range(1, 21))
    assert {record["kind"] for record in records if record["stream"] == "events"} >= {"started", "sample", "checkpoint"}
    end = records[-1]
    assert (end["stream"], end["state"], end["step"], end["exit_code"]) == ("end", "finished", 20, 0)
    assert end["first_loss"] > end["last_loss"]


@pytest.mark.parametrize(
    ("behaviour", "code", "words"),
    [
        ({"fail_at": 5}, 1, "The device is on fire."),
        ({"user_error": True}, 2, "The tokenizer is another one."),
    ],
)
def test_how_a_run_ended_is_the_exit_code(
    behaviour: dict[str, object], code: int, words: str, minimind: Minimind, workspace: Path, plan: Plan
) -> None:
    plan(**behaviour)
    called = minimind(*RUN)
    assert called.code == code
    assert words in called.out
    assert "trainer.log" in called.out
    assert ("minimind resume" in called.out) == (code == 1)


def test_a_note_tells_that_another_path_was_used(minimind: Minimind, workspace: Path, plan: Plan) -> None:
    plan(steps=1)
    (workspace / "datasets").mkdir()
    (workspace / "texts.jsonl").rename(workspace / "datasets" / "mine.jsonl")
    called = minimind("run", "--preset", "mini", "--data_path", "dataset/mine.jsonl")
    assert called.code == 0
    assert "dataset/mine.jsonl does not exist; using" in called.err


def test_stop_then_resume(minimind: Minimind, workspace: Path, plan: Plan) -> None:
    plan(steps=4000, step_seconds=0.01)
    run = start(minimind, workspace)
    called = minimind("runs", "stop", run)
    assert (called.code, called.out) == (0, f"{run}: stopped. Everything is saved.\n")
    stopped_at = observe(only_run(workspace)).status.step
    plan(steps=stopped_at + 5)
    called = minimind("resume")
    assert called.code == 0
    assert f"Resuming {run}.\nIt goes on from step {stopped_at}.\n" in called.err
    assert f"step {stopped_at}  resumed exactly" in called.out
    assert f"finished, step {stopped_at + 5} of {stopped_at + 5}" in called.out
    called = minimind("resume", run)
    assert called.code == 2
    assert "is finished" in called.err and f"minimind fork {run} --epochs N" in called.err  # trap 14


def test_a_changed_setting_on_resume(minimind: Minimind, workspace: Path, plan: Plan) -> None:  # trap 12
    plan(fail_at=12)
    minimind(*RUN)
    before = only_run(workspace).run_toml.read_text()
    called = minimind("resume", "--learning-rate", "1e-2")
    assert called.code == 2
    assert "learning_rate (0.004 -> 0.01)" in called.err and "minimind fork" in called.err
    assert only_run(workspace).run_toml.read_text() == before
    plan(steps=14, why_inexact=["num_threads changed from auto to 3"])
    called = minimind("resume", "--num_threads", "3", "--save_interval", "50", "--data_path", "./texts.jsonl")
    assert called.code == 0, called.err
    assert "Changed: num_threads: auto -> 3, save_interval: 100 -> 50." in called.err
    assert "not bit for bit: num_threads changed from auto to 3." in called.err
    assert "resumed, not bit for bit: num_threads changed from auto to 3" in called.out
    assert "num_threads = 3" in only_run(workspace).run_toml.read_text()


def test_from_resume_takes_the_newest_unfinished_run_of_these_weights(
    minimind: Minimind, workspace: Path, plan: Plan
) -> None:
    called = minimind(*RUN, "--from_resume", "1")
    assert called.code == 2
    assert "no run of pretrain_160" in called.err
    plan(fail_at=12)
    minimind(*RUN)
    unfinished = only_run(workspace).id
    plan(steps=3)
    minimind(*RUN, "--hidden_size", "80", "--name", "narrow")
    plan(steps=15)
    called = minimind(*RUN, "--from-resume", "1")
    assert called.code == 0
    assert f"Resuming {unfinished}.\nIt goes on from step 10.\n" in called.err
    called = minimind(*RUN, "--from_resume=1")
    assert called.code == 2
    assert f"{unfinished} is finished" in called.err
    assert len(list_runs(workspace / "runs")) == 2


def test_a_running_run_is_neither_resumed_nor_removed_and_can_be_asked(
    minimind: Minimind, workspace: Path, plan: Plan
) -> None:
    plan(steps=4000, step_seconds=0.01, save_every=100_000)
    run = start(minimind, workspace)
    assert "is running already" in minimind("resume", run).err
    called = minimind("runs", "rm", run, "--yes")
    assert (called.code, "Stop it first" in called.err) == (2, True)
    assert minimind("runs", "set", run, "--lr_scale", "0.5").code == 0
    assert minimind("runs", "sample", "--prompt", "Once").code == 0
    assert "set is {" not in minimind("runs", "set", run).err
    assert minimind("runs", "set", run, "--lr_scale", "0").code == 2
    called = minimind("runs", "pause", run)
    assert (called.code, f"{run}: paused." in called.out) == (0, True)
    assert minimind("attach", run).code == 3
    assert minimind("runs", "continue", run).code == 0
    wait_for(lambda: observe(only_run(workspace)).state is State.RUNNING)
    assert minimind("runs", "stop", run, "--now").code == 0
    assert observe(only_run(workspace)).state is State.STOPPED
    assert "nothing can be asked" in minimind("runs", "save", run).err


def test_a_paused_run_is_stopped(minimind: Minimind, workspace: Path, plan: Plan) -> None:
    plan(steps=4000, step_seconds=0.01)
    run = start(minimind, workspace)
    assert f"{run}: paused." in minimind("runs", "pause", run).out
    called = minimind("runs", "stop", run)
    assert (called.code, f"{run}: stopped." in called.out) == (0, True)


def test_resume_wakes_a_paused_run(minimind: Minimind, workspace: Path, plan: Plan) -> None:
    plan(steps=150, step_seconds=0.01)
    run = start(minimind, workspace)
    minimind("runs", "pause", run)
    called = minimind("resume", run)
    assert called.code == 0
    assert f"{run}: finished, step 150 of 150" in called.out


def test_runs_are_listed_and_shown(minimind: Minimind, workspace: Path) -> None:
    assert "No runs in runs yet" in minimind("runs").out
    oldest = write_run(workspace)
    newest = write_run(workspace, "burnt", steps=5, total_steps=20, state=State.FAILED)
    rows = minimind("runs").out.splitlines()
    rows_of = {row.split()[0]: row.split()[1:] for row in rows[1:]}
    assert rows_of[newest.id][:4] == ["failed", "5/20", "2.000", "2.100"]
    assert rows_of[oldest.id][:2] == ["finished", "20/20"]
    records = {record["id"]: record for record in map(json.loads, minimind("runs", "--json").out.splitlines())}
    assert (records[newest.id]["state"], records[oldest.id]["state"]) == ("failed", "finished")
    assert records[oldest.id]["bytes"] > 1000
    shown = minimind("runs", "show", oldest.id).out
    assert "attempt 1: from step 0, finished at step 20" in shown
    assert "checkpoint 10" in shown and "checkpoint 20" in shown and "(best)" in shown
    record = json.loads(minimind("runs", "show", oldest.id, "--json").out)
    assert [one["step"] for one in record["checkpoints"]] == [20, 10]
    called = minimind("runs", "show", "burnd")
    assert called.code == 2 and newest.id in called.err


def test_removing_asks_and_says_what_it_frees(
    minimind: Minimind, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write_run(workspace)
    for answer, gone in (("n\n", False), ("\n", False), ("y\n", True)):
        monkeypatch.setattr("sys.stdin", __import__("io").StringIO(answer))
        called = minimind("runs", "rm", run.id)
        assert f"{run.id}  " in called.out and " kB" in called.out
        assert called.code == (0 if gone else 1)
        assert run.path.exists() != gone
    assert "are free again" in called.out


def test_attach_shows_a_run_and_leaves_it_alone(minimind: Minimind, workspace: Path, plan: Plan) -> None:
    plan(steps=120, step_seconds=0.01)
    run = start(minimind, workspace)
    called = minimind("attach")
    assert called.code == 0
    assert f"{run}: finished, step 120 of 120" in called.out


def test_a_follower_costs_next_to_nothing(workspace: Path, plan: Plan) -> None:  # trap 45
    plan(steps=200, step_seconds=0.01)
    code = (
        "import sys, time\nfrom minimind_tui.cli import main\nfrom minimind_tui.cli.follow import follow\n"
        "inner = follow._follow\n"
        "def timed(*a, **k):\n"
        "    cpu, wall = time.process_time(), time.monotonic()\n"
        "    code = inner(*a, **k)\n"
        "    print('SHARE', (time.process_time() - cpu) / (time.monotonic() - wall))\n"
        "    return code\n"
        "follow._follow = timed\nmain(sys.argv[1:])"
    )
    out = subprocess.run([command()[0], "-c", code, *RUN], capture_output=True, text=True, check=True).stdout
    assert float(out.split("SHARE ")[1]) < 0.1  # measured 0.02 alone; other work on the machine blurs it


def test_plot_draws_curves_and_says_them(minimind: Minimind, workspace: Path) -> None:
    write_run(workspace, steps=60)
    called = minimind("plot", "--width", "70", "--height", "15")
    lines = called.out.splitlines()
    assert called.code == 0
    assert "loss (" in lines[0] and "┤" in called.out and "oo validation" in lines[14]
    assert "loss: 7.429 -> 2.015, lowest 2.015 at step 60; validation loss: 2.115" in lines[15]
    assert max(map(len, lines[:15])) <= 70
    for x, label in (("tokens", "tokens"), ("time", "training time")):
        assert label in minimind("plot", "--metric", "lr", "--metric", "grad_norm", "--x", x, "--log").out
    assert "bits_per_byte" in minimind("plot", "--metric", "bits_per_byte").out


def test_plot_compares_runs(minimind: Minimind, workspace: Path) -> None:
    write_run(workspace, "one")
    write_run(workspace, "two")
    called = minimind("plot", "one", "two", "--width", "80")
    assert called.code == 0
    legend = called.out.splitlines()[19]
    assert "-one" in legend and "** " in legend and "-two" in legend


def test_plot_names_the_nearest(minimind: Minimind, workspace: Path) -> None:
    write_run(workspace, steps=10)
    called = minimind("plot", "--metric", "grad_nrom")
    assert called.code == 2
    assert "Did you mean grad_norm?" in called.err and "tokens_per_s" in called.err
    assert minimind("plot", "--x", "epochs").code == 2


def test_plot_survives_what_a_log_may_hold(minimind: Minimind, workspace: Path) -> None:
    write_run(workspace, steps=10)
    metrics = only_run(workspace).metrics
    whole = metrics.read_bytes()
    numbers = [(11, b"null"), (12, b"1e400"), (13, b"-5"), (14, b"0")]
    line = b'{"kind":"train","attempt":1,"step":%d,"epoch":1,"tokens":1,"elapsed":1,"lr":0,"loss":%s}\n'
    lines = [line % number for number in numbers]
    metrics.write_bytes(whole + b"garbage\n\xff\xfe\n" + b"".join(lines) + b'{"kind":"train","torn')
    called: Called = minimind("plot", "--log")
    assert called.code == 0 and "┤" in called.out
    assert minimind("plot", "--metric", "lr", "--log").code == 0
    metrics.write_bytes(b"")
    called = minimind("plot")
    assert (called.code, "nothing was logged yet" in called.err) == (2, True)
    metrics.unlink()
    assert minimind("plot").code == 2


def test_runs_from_elsewhere_are_found(minimind: Minimind, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_run(workspace, steps=2)
    elsewhere = workspace / "elsewhere"
    shutil.move(workspace / "runs", elsewhere)
    assert minimind("runs", "show", "last").code == 2
    monkeypatch.setenv("MINIMIND_RUNS", str(elsewhere))
    assert minimind("runs", "show", "last").code == 0


def test_a_text_that_is_gone_is_refused_with_the_ways_out_and_its_cache_serves_by_choice(
    minimind: Minimind, workspace: Path, plan: Plan
) -> None:
    plan(steps=12, fail_at=12)
    minimind(*RUN)
    folder = only_run(workspace)
    path = Path(str(folder.read_manifest().data_path))
    text = TrainingText(sha256="0" * 64, size=path.stat().st_size + 1, modified="2020-01-01T00:00:00.000Z")
    folder.change_manifest(lambda manifest: setattr(manifest, "text", text))
    plan(steps=14)
    called = minimind("resume")
    assert called.code == 2
    assert f"minimind resume {folder.id} --use_cache" in called.err and f"minimind fork {folder.id}" in called.err
    called = minimind("resume", "--use-cache")
    assert called.code == 0 and "with the token cache of that" in called.err
    kept = folder.read_manifest().text
    assert kept is not None and kept.use_cache


def test_a_fault_that_repeats_is_tried_once_more_unless_told_otherwise(
    minimind: Minimind, workspace: Path, plan: Plan
) -> None:
    plan(steps=20, fail_at=12)
    called = minimind(*RUN)
    assert called.code != 0 and "The device is on fire." in called.out and "twice at step 12" in called.out
    assert len(only_run(workspace).read_manifest().attempts) == 2
