"""What `verify_run` finds: every kind of damage by its name, and nothing where a run is whole."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.errors import UserError
from engine.run.checkpoints import begin_checkpoint
from engine.run.create import create_run
from engine.run.folder import RunFolder
from engine.run.jsonl_log import LineWriter
from engine.run.log_check import check_metrics
from engine.run.publishing import PublishedBy, note_published
from engine.run.schema import AttemptHeader, AttemptRecord, Manifest, TrainLine
from engine.run.verifying import Finding, verify_run
from engine.settings.presets import load_preset
from engine.settings.run_toml import render_settings


def log(folder: RunFolder, attempt: int, start: int, steps: list[int]) -> None:
    writer = LineWriter(folder.metrics)
    writer.append(AttemptHeader(attempt=attempt, step=start, start_step=start).model_dump())
    for step in steps:
        line = TrainLine(attempt=attempt, step=step, epoch=1, tokens=step, elapsed=step, loss=1.0, lr=1.0)
        writer.append(line.model_dump())
    writer.close()


def save(folder: RunFolder, step: int, attempt: int = 1) -> None:
    with begin_checkpoint(folder, step) as staging:
        staging.open("model.safetensors").write(b"weights of %d" % step)
        staging.open("trainer.pth").write(b"state of %d" % step)
        staging.commit(attempt=attempt, surroundings={"compiled": False, "deterministic": True})


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A run of two attempts, saved at 10, 20 and 30."""
    attempts = [
        AttemptRecord(attempt=1, started="t", host="h", end_step=25),
        AttemptRecord(attempt=2, started="t", host="h", start_step=20, from_checkpoint="step-00000020", exact=True),
    ]
    folder = create_run(
        tmp_path / "runs",
        "mini",
        render_settings(load_preset("mini").settings(), "mini"),
        Manifest(weights_name="pretrain_8", attempts=attempts),
    )
    log(folder, 1, 0, list(range(1, 26)))
    log(folder, 2, 20, list(range(21, 31)))
    for step, attempt in ((10, 1), (20, 1), (30, 2)):
        save(folder, step, attempt)
    events = LineWriter(folder.events)
    events.append(AttemptHeader(attempt=1, step=0, start_step=0).model_dump())
    return folder


def found(folder: RunFolder, verdict: str = "damaged") -> list[tuple[str, str]]:
    return [(one.what, one.name) for one in verify_run(folder) if one.verdict == verdict]


def one_of(folder: RunFolder, name: str) -> Finding:
    return next(finding for finding in verify_run(folder) if finding.name == name)


def test_a_whole_run_holds_in_every_part(run: RunFolder) -> None:
    findings = list(verify_run(run))
    assert [(one.what, one.verdict) for one in findings] == [
        ("manifest", "ok"),
        ("settings", "ok"),
        ("checkpoint", "ok"),
        ("checkpoint", "ok"),
        ("checkpoint", "ok"),
        ("weights", "note"),
        ("metrics", "ok"),
        ("events", "ok"),
    ]
    newest = findings[2]
    assert (newest.facts["step"], newest.facts["exact"]) == (30, True) and "exact" in newest.words
    assert "steps 1 to 30 without a gap" in findings[6].words
    assert [one.name for one in verify_run(run, 20) if one.what == "checkpoint"] == ["step-00000020"]
    with pytest.raises(UserError, match="no checkpoint at step 5; there are: 10, 20, 30"):
        list(verify_run(run, 5))
    with pytest.raises(UserError, match="no run's folder"):
        list(verify_run(RunFolder(run.path / "nowhere")))


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "a flipped bit": lambda path: flip(path / "trainer.pth"),
    "cut short": lambda path: (path / "model.safetensors").write_bytes(b"w"),
    "a deleted file": lambda path: (path / "trainer.pth").unlink(),
    "an emptied folder": lambda path: [file.unlink() for file in path.iterdir()],
    "a broken record": lambda path: (path / "checkpoint.json").write_text("{"),
    "another step's record": lambda path: shutil.copy(
        path.with_name("step-00000010") / "checkpoint.json", path / "checkpoint.json"
    ),
    "a folder for a file": lambda path: ((path / "trainer.pth").unlink(), (path / "trainer.pth").mkdir()),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_every_damage_to_a_checkpoint_is_found(run: RunFolder, damage: Callable[[Path], object]) -> None:
    damage(run.checkpoints / "step-00000020")
    assert found(run) == [("checkpoint", "step-00000020")]
    assert one_of(run, "step-00000020").facts["problem"]


def test_one_set_aside_is_told_and_is_no_damage(run: RunFolder) -> None:
    (run.checkpoints / "step-00000020").rename(run.checkpoints / "step-00000020.bad-1")
    assert found(run) == [] and ("checkpoint", "step-00000020.bad-1") in found(run, "note")


def test_manifest_and_settings(run: RunFolder) -> None:
    text = run.manifest.read_text()
    run.manifest.write_text(text.replace('"attempt": 2', '"attempt": 1'))
    assert found(run) == [("manifest", "manifest.json")]
    run.manifest.write_text(text.replace('"from_checkpoint": "step-00000020"', '"from_checkpoint": null'))
    assert found(run) == [("manifest", "manifest.json")]
    run.manifest.write_text(text[:50])
    assert ("manifest", "manifest.json") in found(run)
    run.manifest.write_text(text)
    run.run_toml.write_text("nonsense = [")
    assert found(run) == [("settings", "run.toml")]


def test_a_missing_line_a_torn_line_and_a_lost_end_of_the_log(run: RunFolder) -> None:
    whole = run.metrics.read_bytes().splitlines(keepends=True)

    def drop(*steps: int) -> None:
        kept = [line for line in whole if not any(b'"step":%d,' % step in line and b"train" in line for step in steps)]
        run.metrics.write_bytes(b"".join(kept))

    drop(7)
    assert (
        found(run) == [("metrics", "metrics.jsonl")]
        and "after step 6 comes step 8" in one_of(run, "metrics.jsonl").words
    )
    drop(29, 30)  # a checkpoint is newer than the log
    assert one_of(run, "metrics.jsonl").facts["gap"] == [28, 30]
    drop(23, 24)  # those of attempt 1 were undone, those of attempt 2 are missing
    assert one_of(run, "metrics.jsonl").facts["gap"] == [22, 25]
    run.metrics.write_bytes(b"".join(whole) + b'{"v":1,"step":31,"atte')
    assert found(run) == []
    run.metrics.write_bytes(b"".join(whole[:9]) + b"garbage\n" + b"".join(whole[9:]))
    assert found(run) == [] and "1 torn" in one_of(run, "metrics.jsonl").words
    run.metrics.unlink()
    assert found(run) == [("metrics", "metrics.jsonl")]


@pytest.mark.parametrize(
    ("first", "second", "gap"),
    [
        ([10, 20, 30], [40, 50, 55], None),  # 55: the run's end
        ([10, 20, 30], [32, 34, 36, 38], None),  # another log interval since the resume
        ([2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30], [40, 50, 60], None),
        ([10, 20, 40, 50], [60, 70], (20, 40)),
        ([10, 20, 30], [50, 60, 70], (30, 50)),
        ([20, 30], [40, 50], (0, 20)),
    ],
)
def test_other_log_intervals_are_no_gaps(
    folder: RunFolder, first: list[int], second: list[int], gap: tuple[int, int] | None
) -> None:
    log(folder, 1, 0, first)
    log(folder, 2, first[-1], second)
    check = check_metrics(folder, start=0, must_reach=0, log_interval=10)
    assert check.gap == gap


def test_a_run_that_has_not_begun_is_no_damage(tmp_path: Path) -> None:
    folder = create_run(tmp_path / "runs", "mini", render_settings(load_preset("mini").settings(), "mini"))
    assert found(folder) == []
    assert {one.what for one in verify_run(folder) if one.verdict == "note"} == {"checkpoint", "metrics", "events"}


def test_a_comparison_that_fails_says_nothing_of_the_weights(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    run.weights.mkdir()
    path = run.weights / "pretrain_8.safetensors"
    path.write_bytes(b"published")
    note_published(run.weights, "pretrain_8", PublishedBy(run=run.id, step=30))
    monkeypatch.setattr(
        "engine.run.comparing.python_module", lambda name: [sys.executable, "-c", "raise SystemExit(3)"]
    )
    finding = one_of(run, path.name)
    assert finding.verdict == "note" and "exit code 3" in finding.words
    answers = [{"weights": {"count": 2, "different": 1, "first": {"name": "model.norm.weight"}}}]
    monkeypatch.setattr("engine.run.verifying.compare_saved", lambda pairs: answers * len(pairs))
    assert one_of(run, path.name).verdict == "damaged" and "model.norm.weight" in one_of(run, path.name).words
    note_published(run.weights, "pretrain_8", PublishedBy(run=run.id, step=20))  # a crash came between the two
    same = {"weights": {"count": 2, "different": 0, "first": None}}
    monkeypatch.setattr(
        "engine.run.verifying.compare_saved",
        lambda pairs: [same if "30" in other.name else answers[0] for _one, other in pairs],
    )
    assert one_of(run, path.name).verdict == "note" and "newer than step 20" in one_of(run, path.name).words
