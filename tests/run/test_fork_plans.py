"""Planning and making forks without torch: what is refused, what is said, and a folder that is complete or absent."""

import os
import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from engine.errors import UserError
from engine.language import set_language
from engine.run import checkpoints
from engine.run.checkpoints import RECORD, CheckpointInfo, begin_checkpoint, scan, verify
from engine.run.clock import utc_iso
from engine.run.create import create_run
from engine.run.delete import delete_run, folder_bytes, freed_bytes
from engine.run.find import list_runs
from engine.run.folder import RunFolder
from engine.run.fork import find_checkpoint, make_fork, plan_fork
from engine.run.history import EventHistory, MetricsHistory
from engine.run.observe import observe
from engine.run.schema import Lineage, Manifest, State
from engine.settings.run_toml import parse_settings, render_settings
from engine.settings.schedule import Schedule
from engine.settings.settings import Settings

ROWS, GROUP = 100, 10  # ten updates an epoch


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MINIMIND_RUNS", raising=False)
    set_language("en")
    for name in ("text.jsonl", "other.jsonl", "tokenizer.json"):
        (tmp_path / name).write_text("{}\n")
    return tmp_path


def make_run(workspace: Path, **values: Any) -> RunFolder:
    settings = Settings.model_validate(
        {"data_path": "text.jsonl", "batch_size": GROUP, "accumulation_steps": 1, "epochs": 2, **values}
    )
    manifest = Manifest(
        data_path=str(workspace / "text.jsonl"), tokenizer_path=str(workspace / "tokenizer.json"), preset="full"
    )
    return create_run(workspace / "runs", "mini", render_settings(settings, "full"), manifest)


def save(
    run: RunFolder, step: int, *, loss: float | None = None, lr_scale: float = 1.0, **fields: Any
) -> CheckpointInfo:
    settings, _preset = parse_settings(run.run_toml)
    schedule = Schedule(settings.schedule, settings.learning_rate, settings.warmup_steps, settings.min_lr_ratio)
    total = settings.max_steps or settings.epochs * ROWS // GROUP
    course = {
        "kind": settings.schedule,
        "learning_rate": settings.learning_rate,
        "warmup_steps": settings.warmup_steps,
        "min_lr_ratio": settings.min_lr_ratio,
        "decay_share": settings.decay_ratio,
        "horizon": schedule.plan(total).to_list(),
        "lr_scale": lr_scale,
    }
    place = {"epoch": step // 10, "row": step % 10 * GROUP, "row_count": ROWS, "tokens": step * 1000}
    with begin_checkpoint(run, step) as staging:
        with staging.open("model.safetensors") as file:
            file.write(b"m" * 5000 + str(step).encode())
        with staging.open("trainer.pth") as file:
            file.write(b"t" * 3000 + str(step).encode())
        return staging.commit(attempt=1, validation_loss=loss, **({"course": course} | place | fields))
    raise AssertionError


@pytest.fixture
def run(workspace: Path) -> RunFolder:
    """A run with checkpoints at 5, 10 (the best) and 15 of 20 updates."""
    run = make_run(workspace)
    for step, loss in ((5, 3.0), (10, 2.0), (15, 2.5)):
        save(run, step, loss=loss)
    return run


def test_the_checkpoint_that_is_meant(run: RunFolder, workspace: Path) -> None:
    assert [find_checkpoint(run, wanted).step for wanted in (None, "last", "best", 5)] == [15, 15, 10, 5]  # type: ignore[arg-type]
    with pytest.raises(UserError, match="step 7; there are: 5, 10, 15"):
        find_checkpoint(run, 7)
    with pytest.raises(UserError, match="no checkpoint"):
        plan_fork(make_run(workspace))
    never = make_run(workspace)
    save(never, 3)
    with pytest.raises(UserError, match="none is the best"):
        find_checkpoint(never, "best")
    (scan(run)[0].path / RECORD).write_text("{")
    assert find_checkpoint(run).step == 10


def test_nothing_changed_keeps_everything(run: RunFolder) -> None:
    plan = plan_fork(run)
    assert plan.step == 15 and plan.end == 20 and plan.given == {} and plan.loses == [] and plan.why_inexact == []
    assert plan.keeps == [
        "the weights of step 15, 15,000 tokens behind them",
        "the optimizer's state",
        "the place in the data: 50 of 100 rows of epoch 2",
        "the course of the learning rate",
    ]
    assert plan.settings == parse_settings(run.run_toml)[0] and plan.preset == "full" and plan.name == "mini-fork"


def test_a_fork_is_a_whole_run_or_none(run: RunFolder, workspace: Path) -> None:
    child = make_fork(plan_fork(run, "best", {"learning_rate": 1e-4, "save_interval": 7}, name="try me"))
    assert child.path.parent == run.path.parent and child.id.endswith("-try-me")
    manifest = child.read_manifest()
    assert manifest.lineage == Lineage(
        kind="fork",
        run=run.id,
        step=10,
        path=str(run.checkpoints / "step-00000010"),
        settings={"learning_rate": [5e-4, 1e-4], "save_interval": [100, 7]},
    )
    assert (manifest.data_path, manifest.preset, manifest.weights_name) == (
        str(workspace / "text.jsonl"),
        "full",
        "pretrain_512",
    )
    settings, preset = parse_settings(child.run_toml)
    assert (settings.learning_rate, settings.save_interval, preset) == (1e-4, 7, "full")
    [copy] = scan(child)
    assert copy.step == 10 and verify(copy) == "" and copy.record is not None
    assert copy.record.attempt == 0 and copy.record.validation_loss == 2.0 and copy.record.course is not None
    assert observe(child).state is State.CREATED
    assert sorted(path.name for path in child.path.iterdir()) == ["checkpoints", "manifest.json", "run.toml"]


def test_its_files_are_links_and_outlive_the_parent(run: RunFolder) -> None:
    child = make_fork(plan_fork(run))
    ours, theirs = scan(child)[0], scan(run)[0]
    for name in ("model.safetensors", "trainer.pth"):
        assert (ours.path / name).stat().st_ino == (theirs.path / name).stat().st_ino
    assert (ours.path / RECORD).stat().st_ino != (theirs.path / RECORD).stat().st_ino
    size = ours.size
    before, parents = freed_bytes(child.path), folder_bytes(run.path)
    # what both runs hold frees nothing while one of them stays
    assert (
        before == folder_bytes(child.path) - size and freed_bytes(run.path) == parents - size
    )  # shared: frees nothing
    assert delete_run(run) < parents - size + 200  # its lock's few bytes
    assert verify(scan(child)[0]) == "" and freed_bytes(child.path) == before + size


def test_where_links_do_not_work_it_copies(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    child = make_fork(plan_fork(run))
    ours, theirs = scan(child)[0], scan(run)[0]
    assert verify(ours) == ""
    assert (ours.path / "trainer.pth").stat().st_ino != (theirs.path / "trainer.pth").stat().st_ino


@pytest.mark.parametrize("damage", ["flip", "gone"])
def test_a_damaged_checkpoint_makes_no_fork(run: RunFolder, damage: str) -> None:
    plan = plan_fork(run)
    path = plan.checkpoint.path / "trainer.pth"
    if damage == "flip":
        path.write_bytes(b"x" + path.read_bytes()[1:])
    else:
        path.unlink()
    with pytest.raises(UserError, match=r"trainer\.pth|is gone"):
        make_fork(plan)
    assert [one.id for one in list_runs(run.path.parent)] == [run.id]
    assert [path.name for path in run.path.parent.iterdir()] == [run.id]


def test_a_crash_while_it_is_made_leaves_no_run(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    class Crash(BaseException):
        pass

    def crash(*_arguments: object) -> None:
        raise Crash

    monkeypatch.setattr(checkpoints, "fsync_folder", crash)
    with pytest.raises(Crash):
        make_fork(plan_fork(run))
    assert [one.id for one in list_runs(run.path.parent)] == [run.id]


def test_the_bytes_it_verifies_are_told(run: RunFolder) -> None:
    plan, told = plan_fork(run), []
    make_fork(plan, on_bytes=told.append)
    assert sum(told) == plan.checkpoint.size > 8000


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"hidden_size": 256}, r"hidden_size \(512 -> 256\).*--from_weight"),
        ({"tokenizer": "elsewhere"}, r"tokenizer \(auto -> elsewhere\)"),
        ({"initializer": "normal"}, "initializer.*would change nothing"),
        ({"from_weight": "pretrain"}, "from_weight.*would change nothing"),
        ({"learning_rate": -1}, "learning_rate"),
        ({"max_steps": 15}, "max_steps = 15"),
        ({"epochs": 1}, "nothing is left"),
        ({"data_path": "missing.jsonl"}, r"missing\.jsonl"),
        ({"deadline": "2020-01-01T00:00"}, "is over"),
    ],
)
def test_what_no_fork_can_be_is_refused_by_name(run: RunFolder, values: dict[str, Any], words: str) -> None:
    before = sorted(run.path.parent.iterdir())
    with pytest.raises(UserError, match=words):
        plan_fork(run, None, values)
    assert sorted(run.path.parent.iterdir()) == before


@pytest.mark.parametrize(
    ("values", "end", "lost"),
    [
        ({"epochs": 3}, 30, ["the end of the learning rate's course: it is now update 30"]),
        ({"batch_size": 20}, 18, ["the end of the learning rate's course: it is now update 18"]),
        ({"learning_rate": 1e-4}, 20, ["the course of the learning rate: it begins anew at 1.00e-04"]),
        ({"optimizer": "muon"}, 20, ["the optimizer's state: adamw became muon"]),
        (
            {"data_path": "other.jsonl"},
            None,
            [
                "the place in the data: the rows are others (data_path), and their epochs count from the beginning",
                "the end of the learning rate's course: it is planned anew",
                "the best validation loss so far: it was measured on other text",
            ],
        ),
        ({"weight_decay": 0.5}, 20, []),
        ({"save_interval": 5, "num_threads": 2}, 20, []),
    ],
)
def test_what_a_change_costs_is_said(run: RunFolder, values: dict[str, Any], end: int | None, lost: list[str]) -> None:
    plan = plan_fork(run, None, values)
    assert plan.end == end and plan.loses == lost
    changed = [f"{name} changed from" for name in values if name != "save_interval"]
    assert all(reason.startswith(begin) for reason, begin in zip(plan.why_inexact, changed, strict=False))
    assert plan.why_inexact[len(changed) :] == lost


def test_the_same_file_spelt_otherwise_is_no_change(run: RunFolder, workspace: Path) -> None:
    plan = plan_fork(run, None, {"data_path": str(workspace / "." / "text.jsonl")})
    assert plan.given == {} and plan.data == str(workspace / "text.jsonl")
    other = plan_fork(run, None, {"data_path": "other.jsonl"})
    assert other.data == str(workspace / "other.jsonl")
    assert scan(make_fork(other))[0].record.validation_loss is None  # type: ignore[union-attr]


def test_a_seed_leaves_the_epoch_it_was_in(run: RunFolder) -> None:
    plan = plan_fork(run, 5, {"seed": 1})
    assert plan.end == 5 + 10 and any("another seed" in word for word in plan.loses)
    with pytest.raises(UserError, match="nothing is left"):
        plan_fork(run, 15, {"seed": 1})
    assert plan_fork(run, 10, {"seed": 1}).end == 20


def test_a_finished_schedule_begins_anew_at_its_last_rate(workspace: Path) -> None:
    run = make_run(workspace, learning_rate=1e-3, warmup_steps=3)
    save(run, 20, lr_scale=0.5)
    with pytest.raises(UserError, match="nothing is left"):
        plan_fork(run)
    plan = plan_fork(run, None, {"epochs": 4})
    schedule = Schedule("cosine", 1e-3, warmup_steps=3)
    assert plan.settings.learning_rate == 0.5 * schedule.lr_at(19, schedule.plan(20))
    assert plan.settings.warmup_steps == 0 and plan.end == 40
    assert plan.given["learning_rate"][0] == 1e-3 and plan.given["warmup_steps"] == (3, 0)
    assert "the factor 0.5 on the learning rate" in plan.loses
    own = plan_fork(run, None, {"epochs": 4, "learning_rate": "2e-4", "warmup_steps": 5})
    assert (own.settings.learning_rate, own.settings.warmup_steps) == (2e-4, 5)


def test_a_schedule_that_came_to_nothing_needs_a_rate(workspace: Path) -> None:
    run = make_run(workspace, min_lr_ratio=0, epochs=30)
    save(run, 300)
    with pytest.raises(UserError, match="--learning_rate"):
        plan_fork(run, None, {"epochs": 31})
    assert plan_fork(run, None, {"epochs": 31, "learning_rate": 1e-4}).end == 310


def test_a_checkpoint_that_does_not_tell_its_course(workspace: Path) -> None:
    run = make_run(workspace)
    save(run, 5, course=None, row=None, row_count=None)
    plan = plan_fork(run, None, {"epochs": 3})
    assert plan.end is None and "the place in the data" in plan.keeps
    with pytest.raises(UserError, match="--learning_rate"):
        plan_fork(run, None, {"schedule": "linear"})
    assert plan_fork(run, None, {"schedule": "linear", "learning_rate": 1e-4}).settings.schedule == "linear"
    nonsense = save(run, 6)
    record = orjson.loads((nonsense.path / RECORD).read_bytes())
    record["course"] |= {"kind": "spiral", "horizon": [[0, 0.0]]}
    (nonsense.path / RECORD).write_bytes(orjson.dumps(record))
    assert plan_fork(run).step == 6


def test_deadlines(workspace: Path) -> None:
    run = make_run(workspace, deadline="08:00")
    save(run, 5)
    later, over = utc_iso(time.time() + 3600), utc_iso(time.time() - 1)
    run.change_manifest(lambda manifest: setattr(manifest, "deadline_at", later))
    assert plan_fork(run).deadline_at == later
    run.change_manifest(lambda manifest: setattr(manifest, "deadline_at", over))
    with pytest.raises(UserError, match="--deadline none"):
        plan_fork(run)
    assert plan_fork(run, None, {"deadline": "none"}).deadline_at is None
    child = make_fork(plan_fork(run, None, {"deadline": "09:00"}))
    assert str(child.read_manifest().deadline_at) > later[:10]


def test_weights_outside_belong_to_the_family(workspace: Path) -> None:
    run = make_run(workspace, save_dir="out")
    save(run, 5)
    (workspace / "out").mkdir()
    (workspace / "out" / "pretrain_512.pth").write_bytes(b"weights")
    beside = workspace / "out" / "pretrain_512.json"
    beside.write_bytes(orjson.dumps({"run": run.id}))
    plan = plan_fork(run)
    assert any("will hold this fork's weights" in note for note in plan.notes)
    child = make_fork(plan)
    assert orjson.loads(beside.read_bytes())["run"] == child.id
    grandchild = plan_fork(make_fork(plan_fork(child)))
    assert grandchild.save_dir == workspace / "out"
    beside.write_bytes(orjson.dumps({"run": "somebody-else"}))
    with pytest.raises(UserError, match="somebody-else"):
        plan_fork(run)
    assert plan_fork(run, force=True).save_dir == workspace / "out"


def test_a_fork_begins_its_own_history(run: RunFolder) -> None:
    """Charts begin where the fork does: the parent's lines are not copied, the lineage points there."""
    child = make_fork(plan_fork(run))
    metrics, events = MetricsHistory(), EventHistory()
    metrics.feed([{"kind": "attempt", "attempt": 1, "step": 15, "start_step": 15}])
    metrics.feed([{"kind": "train", "attempt": 1, "step": 16, "loss": 1.0}])
    events.feed([{"kind": "attempt", "attempt": 1, "step": 15, "start_step": 15}])
    assert list(metrics.train.steps) == [16] and metrics.refused == 0 and len(events.events) == 1
    assert not child.metrics.exists() and not child.events.exists()
