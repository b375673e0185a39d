"""Runs are made once each, found by what a person remembers, and deleted only when dead."""

import re
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import UserError
from engine.run.create import UNFINISHED, create_run, slug_of
from engine.run.delete import delete_run, folder_bytes
from engine.run.find import find_run, list_runs
from engine.run.folder import RunFolder
from engine.run.lock import RunLock
from engine.run.process import this_process
from engine.run.schema import FORMAT, Manifest, State, Status
from engine.run.status import StatusWriter


def plant(runs_dir: Path, *ids: str) -> None:
    for run_id in ids:
        (runs_dir / run_id).mkdir(parents=True)
        RunFolder(runs_dir / run_id).write_manifest(Manifest(id=run_id))


def test_a_new_run_is_complete(tmp_path: Path) -> None:
    made = create_run(tmp_path / "deep" / "runs", "mini", "epochs = 3\n", Manifest(preset="mini", seed=7))
    assert re.fullmatch(r"\d{8}-\d{6}-mini", made.id) and made.path.is_absolute()
    assert time.time() - time.mktime(time.strptime(made.id[:15], "%Y%m%d-%H%M%S")) + time.timezone < 60
    assert made.run_toml.read_text() == "epochs = 3\n"
    manifest = made.read_manifest()
    assert (manifest.id, manifest.preset, manifest.seed, manifest.format) == (made.id, "mini", 7, FORMAT)
    assert manifest.attempts == [] and made.checkpoints.is_dir()


def test_runs_made_at_once_get_an_id_each(tmp_path: Path) -> None:
    made: list[RunFolder] = []
    threads = [
        threading.Thread(target=lambda number=number: made.append(create_run(tmp_path, "same", f"n = {number}\n")))
        for number in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({run.id for run in made}) == 12 == len(list_runs(tmp_path))
    assert len({run.run_toml.read_text() for run in made}) == 12
    assert all(run.read_manifest().id == run.id for run in made)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(UNFINISHED)]


@given(
    name=st.text(max_size=300) | st.sampled_from(["../../etc", "/", "..", ".hidden", "a/b", "con\0", "-rf", "", "🙂"])
)
@settings(max_examples=200, deadline=None)
def test_no_name_leaves_the_folder(name: str) -> None:
    slug = slug_of(name)
    assert slug and "/" not in slug and "\0" not in slug and slug[0] not in ".-" and slug.isprintable()
    assert len(slug.encode()) < 200


def test_names_keep_what_they_can() -> None:
    assert slug_of("my run.v2") == "my-run.v2" and slug_of("小模型 一") == "小模型-一" and slug_of("../../x") == "x"


def test_a_folder_that_cannot_be_made_is_the_users_to_mend(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(UserError, match="runs"):
        create_run(tmp_path / "runs", "mini", "")


def test_left_overs_of_crashes_are_swept_after_a_day(tmp_path: Path) -> None:
    import os

    fresh, old = tmp_path / f"{UNFINISHED}1-aa", tmp_path / f"{UNFINISHED}1-bb"
    fresh.mkdir()
    old.mkdir()
    os.utime(old, (1, 1))
    create_run(tmp_path, "x", "")
    assert fresh.exists() and not old.exists()


def test_found_by_id_part_last_and_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = tmp_path / "runs"
    plant(runs, "20260101-000000-mini", "20260201-000000-full", "20260301-000000-mini")
    (runs / "notes").mkdir()
    (runs / "README.md").write_text("")
    assert [run.id[:8] for run in list_runs(runs)] == ["20260301", "20260201", "20260101"]
    assert find_run(runs, "20260201-000000-full").id == "20260201-000000-full"
    assert find_run(runs, "full").id == "20260201-000000-full"
    assert find_run(runs, "202602").id == "20260201-000000-full"
    assert find_run(runs, "last").id == "20260301-000000-mini"
    assert find_run(runs, str(runs / "20260101-000000-mini")).id == "20260101-000000-mini"
    monkeypatch.chdir(runs)
    assert find_run(tmp_path / "elsewhere", "20260101-000000-mini").path == runs / "20260101-000000-mini"
    assert find_run(tmp_path / "elsewhere", "./20260101-000000-mini").id == "20260101-000000-mini"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mini", "fits 2 runs: 20260301-000000-mini, 20260101-000000-mini"),
        ("2026", "fits 3 runs"),
        ("ful1", "Nearest: 20260201-000000-full"),
        ("20260202-000000-full", "Nearest: 20260201-000000-full"),
        ("zzz", "Nearest: 20260301-000000-mini"),
        ("", "Which run"),
        ("../secrets", "secrets"),
        ("notes", "No run notes"),
        ("nowhere/at-all", "manifest.json"),
    ],
)
def test_what_is_not_found_is_told_with_what_is_near(tmp_path: Path, text: str, words: str) -> None:
    plant(tmp_path, "20260101-000000-mini", "20260201-000000-full", "20260301-000000-mini")
    (tmp_path / "notes").mkdir()
    with pytest.raises(UserError, match=re.escape(words)):
        find_run(tmp_path, text)


def test_no_runs_at_all_says_how_to_start_one(tmp_path: Path) -> None:
    for text in ("last", "mini"):
        with pytest.raises(UserError, match="minimind run"):
            find_run(tmp_path / "none", text)


def test_an_id_that_begins_another_is_itself(tmp_path: Path) -> None:
    plant(tmp_path, "20260101-000000-mini", "20260101-000000-mini-2")
    assert find_run(tmp_path, "20260101-000000-mini").id == "20260101-000000-mini"
    assert find_run(tmp_path, "last").id == "20260101-000000-mini-2"


def test_a_renamed_run_is_sorted_by_its_birth(tmp_path: Path) -> None:
    plant(tmp_path, "20260101-000000-mini", "20260301-000000-mini")
    renamed = RunFolder(tmp_path / "my best run")
    renamed.path.mkdir()
    renamed.write_manifest(Manifest(created="2026-02-01T00:00:00.000Z"))
    assert [run.id for run in list_runs(tmp_path)][1] == "my best run"


def test_two_thousand_runs_are_listed_quickly(tmp_path: Path) -> None:
    for number in range(2000):
        path = tmp_path / f"202601{1 + number % 28:02d}-{number:06d}-mini"
        path.mkdir()
        (path / "manifest.json").write_bytes(b"{}")
    before = time.process_time()
    assert len(list_runs(tmp_path)) == 2000
    assert time.process_time() - before < 0.5


def test_a_newer_format_is_refused_by_name(folder: RunFolder) -> None:
    folder.write_manifest(Manifest(format=FORMAT + 1))
    with pytest.raises(UserError, match=f"format {FORMAT + 1}"):
        folder.read_manifest()
    folder.manifest.write_text("{broken")
    with pytest.raises(UserError, match=r"manifest\.json is not a run's manifest"):
        folder.read_manifest()


def test_unknown_keys_of_a_newer_writer_survive_a_change(folder: RunFolder) -> None:
    folder.write_manifest(Manifest.model_validate({"id": "x", "from_the_future": {"a": 1}}))
    folder.change_manifest(lambda manifest: setattr(manifest, "seed", 3))
    manifest = folder.read_manifest()
    assert manifest.model_extra == {"from_the_future": {"a": 1}} and manifest.seed == 3


def test_deleting_frees_what_it_says(folder: RunFolder) -> None:
    (folder.checkpoints / "step-00000001").mkdir()
    (folder.checkpoints / "step-00000001" / "model").write_bytes(bytes(100_000))
    outside = folder.path.parent.parent / "outside"
    outside.write_bytes(bytes(5000))
    (folder.path / "link").symlink_to(outside)
    size = folder_bytes(folder.path)
    assert 100_000 < size < 105_000
    assert delete_run(folder) >= size
    assert not folder.path.exists() and outside.exists() and list(folder.path.parent.iterdir()) == []


def test_a_run_that_lives_or_is_none_is_not_deleted(folder: RunFolder, tmp_path: Path) -> None:
    lock = RunLock(folder.lock)
    lock.acquire()
    with pytest.raises(UserError, match="already running"):
        delete_run(folder, patience=0.1)
    lock.release()
    me = this_process()
    elsewhere = me.model_copy(update={"host": "another"})
    status = Status(attempt=1, step=5, state=State.RUNNING, host="another", supervisor=elsewhere, worker=elsewhere)
    StatusWriter(folder.status, status).update()
    with pytest.raises(UserError, match="Stop it first"):  # its lock is not seen here, its heartbeat is
        delete_run(folder)
    (tmp_path / "link").symlink_to(folder.path)
    with pytest.raises(UserError, match="link"):
        delete_run(RunFolder(tmp_path / "link"))
    with pytest.raises(UserError, match=r"manifest\.json"):
        delete_run(RunFolder(tmp_path))
    assert folder.manifest.exists()


@pytest.mark.parametrize("manifest", [None, b"not json", b'{"format": 9999}'])
def test_a_broken_run_is_deleted_when_it_is_named_like_one(tmp_path: Path, manifest: bytes | None) -> None:
    for name in ("20261124-101500-mini", "precious"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "metrics.jsonl").write_bytes(b"x" * 500)
        if manifest is not None:
            (tmp_path / name / "manifest.json").write_bytes(manifest)
    assert delete_run(RunFolder(tmp_path / "20261124-101500-mini")) >= 500
    assert not (tmp_path / "20261124-101500-mini").exists()
    with pytest.raises(UserError):
        delete_run(RunFolder(tmp_path / "precious"))
    assert (tmp_path / "precious" / "metrics.jsonl").exists()


def test_the_lock_is_released_with_its_process_and_survives_deletion_races(folder: RunFolder) -> None:
    first, second = RunLock(folder.lock), RunLock(folder.lock)
    first.acquire()
    with pytest.raises(UserError, match=f"process {this_process().pid} on"):
        second.acquire()
    folder.lock.unlink()  # a deletion got in between: the lock on the old file is worth nothing
    second.acquire()
    with pytest.raises(UserError):
        RunLock(folder.lock).acquire()
    first.release()
    second.release()
    third = RunLock(folder.lock)
    third.acquire()
    third.release()
