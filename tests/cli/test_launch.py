"""Planning a run: every mistake that needs no torch is found before a folder is made."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.errors import UserError
from engine.run.create import create_run
from engine.run.launch import RunPlan, make_run, newest_unfinished, plan_resume, plan_run, weights_name
from engine.run.schema import Manifest, State, Status
from engine.run.status import encode_record
from engine.settings.resolve import build_settings
from engine.settings.run_toml import parse_settings, render_settings
from engine.settings.settings import Settings


def settings(**values: object) -> Settings:
    return build_settings({"data_path": "texts.jsonl", **values})


def planned(**values: object) -> RunPlan:
    return plan_run(settings(**values), preset="mini")


def test_a_plan_finds_the_files_and_makes_nothing(workspace: Path) -> None:
    plan = planned()
    assert plan.data == (workspace / "texts.jsonl").resolve()
    assert plan.tokenizer.is_absolute()
    assert (plan.name, plan.weights_name, plan.start_weights, plan.deadline) == ("mini", "pretrain_512", None, None)
    assert not (workspace / "runs").exists()


def test_a_made_run_keeps_what_was_asked_and_names_what_it_meant(workspace: Path) -> None:
    plan = planned(save_dir="out", deadline="23:59", seed=5, device="cpu")
    folder = make_run(plan)
    assert parse_settings(folder.run_toml) == (plan.settings, "mini")
    manifest = folder.read_manifest()
    assert manifest.data_path == str(workspace / "texts.jsonl")
    assert manifest.tokenizer_path is not None and Path(manifest.tokenizer_path).is_absolute()
    assert manifest.seed == 5 and manifest.weights_name == "pretrain_512"
    assert manifest.deadline_at is not None
    moment = datetime.fromisoformat(manifest.deadline_at)
    assert timedelta(0) < moment - datetime.now(UTC) <= timedelta(days=1)
    assert moment.astimezone().strftime("%H:%M") == "23:59"
    assert (workspace / "out").is_dir()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"data_path": "text.jsonl"}, "Did you mean .*texts.jsonl"),
        ({"tokenizer": "nowhere.json"}, "No tokenizer at nowhere.json"),
        ({"hidden_size": 510}, "hidden_size is 510"),
        ({"num_attention_heads": 8, "num_key_value_heads": 3}, "num_key_value_heads 3"),
        ({"deadline": "2020-01-01T08:00"}, "deadline = 2020-01-01T08:00 is over"),
        ({"from_weight": "lost.pth"}, "no file lost.pth"),
        ({"from_weight": "texts.jsonl"}, "no file of weights"),
        ({"from_weight": "pretrian"}, "no file pretrian_512.pth or .safetensors in out"),
        ({"save_dir": "texts.jsonl"}, "is a file"),
    ],
)
def test_a_mistake_is_found_before_anything_is_written(values: dict[str, object], words: str, workspace: Path) -> None:
    with pytest.raises(UserError, match=words):
        planned(**values)
    assert not (workspace / "runs").exists()


def test_weights_are_found_by_file_name_and_run(workspace: Path) -> None:
    Path("out").mkdir()
    Path("out/pretrain_512.pth").write_bytes(b"")
    assert planned(from_weight="pretrain").start_weights.path == workspace / "out/pretrain_512.pth"
    assert planned(from_weight="out/pretrain_512.pth").start_weights.path == workspace / "out/pretrain_512.pth"
    with pytest.raises(UserError, match="pretrain_256"):
        planned(from_weight="pretrain", hidden_size=256)
    run = make_run(planned())
    with pytest.raises(UserError, match="saved no weights yet"):
        planned(from_weight="last")
    run.weights.mkdir()
    (run.weights / "pretrain_512.safetensors").write_bytes(b"")
    start = planned(from_weight="last").start_weights
    assert (start.path, start.run) == (run.weights / "pretrain_512.safetensors", run.id)
    assert make_run(planned(from_weight="last")).read_manifest().lineage.run == run.id


def test_weights_of_another_run_in_save_dir_are_not_overwritten(workspace: Path) -> None:  # trap 10
    Path("out").mkdir()
    first = make_run(planned(save_dir="out"))
    Path("out/pretrain_512.pth").write_bytes(b"")
    with pytest.raises(UserError, match=f"run {first.id}.*--save_weight.*--from_resume 1.*--force"):
        planned(save_dir="out")
    assert planned(save_dir="out", save_weight="other").save_dir == workspace / "out"
    assert plan_run(settings(save_dir="out"), force=True).save_dir == workspace / "out"
    first.weights.mkdir()
    (first.weights / "pretrain_512.safetensors").write_bytes(b"")
    assert planned(save_dir="out", from_weight=first.id).save_dir == workspace / "out"  # its own descendant


def test_a_save_dir_that_cannot_be_written_leaves_no_run(workspace: Path) -> None:
    plan = planned(save_dir="texts.jsonl.d/out")
    Path("texts.jsonl.d").write_text("a file in the way")
    with pytest.raises(UserError, match="Cannot write into --save_dir"):
        make_run(plan)
    assert list((workspace / "runs").iterdir()) == []


def ended(workspace: Path, state: State, **manifest: object) -> str:
    folder = create_run(
        workspace / "runs",
        "old",
        render_settings(settings(), "mini"),
        Manifest.model_validate({"weights_name": "pretrain_512", **manifest}),
    )
    folder.status.write_bytes(encode_record(Status(attempt=1, step=7, state=state)))
    return folder.id


def test_the_newest_unfinished_run_of_a_name(workspace: Path) -> None:
    with pytest.raises(UserError, match="no run of pretrain_512"):
        newest_unfinished("pretrain_512")
    ended(workspace, State.FINISHED)
    with pytest.raises(UserError, match="is finished: all its 7 steps"):
        newest_unfinished("pretrain_512")
    stopped = ended(workspace, State.STOPPED)
    ended(workspace, State.FINISHED)
    ended(workspace, State.STOPPED, weights_name="pretrain_768")
    assert newest_unfinished("pretrain_512").id == stopped


def test_a_run_whose_deadline_is_over_has_nothing_to_resume(workspace: Path) -> None:
    ended(workspace, State.STOPPED, deadline_at="2026-01-01T08:00:00.000Z")
    with pytest.raises(UserError, match="which is over"):
        newest_unfinished("pretrain_512")


def test_a_resume_keeps_what_a_run_keeps(workspace: Path) -> None:
    ended(workspace, State.STOPPED, data_path=str(workspace / "texts.jsonl"))
    folder = newest_unfinished("pretrain_512")
    with pytest.raises(UserError, match=r"epochs \(1 -> 2\)"):
        plan_resume(folder, {"epochs": "2"}, {})
    plan = plan_resume(folder, {"data_path": "./texts.jsonl", "save_interval": "5", "dtype": "float32"}, {})
    assert set(plan.change.changed) == {"save_interval", "dtype"}
    assert plan.change.why_inexact == ["dtype changed from auto to fp32"]


def test_names_follow_minimind() -> None:
    assert weights_name(Settings()) == "pretrain_512"
    assert weights_name(Settings(save_weight="zh", hidden_size=768, use_moe=True)) == "zh_768_moe"
