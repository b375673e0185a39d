"""A checkpoint counts when its hashes hold; a failed save leaves all others alone and says so in words."""

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import UserError
from engine.run import checkpoints
from engine.run.atomic import HashingFile
from engine.run.checkpoints import (
    CheckpointError,
    CheckpointInfo,
    begin_checkpoint,
    best,
    clean_up,
    copy_checkpoint,
    newest,
    newest_valid,
    retain,
    scan,
    verify,
)
from engine.run.create import create_run
from engine.run.folder import RunFolder


def save(folder: RunFolder, step: int, data: bytes = b"weights", **fields: object) -> CheckpointInfo:
    with begin_checkpoint(folder, step) as staging:
        staging.open("model.safetensors").write(data)
        with staging.open("trainer.pth") as file:
            file.write(b"trainer")
            file.write(b" state")
        return staging.commit(attempt=1, **fields)
    raise AssertionError


def steps(folder: RunFolder) -> list[int]:
    return [info.step for info in scan(folder)]


def nothing_bad(info: CheckpointInfo, problem: str, aside: Path) -> None:
    raise AssertionError(f"{info.name}: {problem}")


def test_a_saved_checkpoint_holds(folder: RunFolder) -> None:
    info = save(folder, 100, epoch=1, tokens=5000, validation_loss=3.5, done=["log", "validate"], mine={"a": 1})
    assert info.path == folder.checkpoints / "step-00000100" and verify(info) == ""
    (found,) = scan(folder)
    assert found.record is not None and found == info
    record = found.record
    assert set(record.files) == {"model.safetensors", "trainer.pth"}
    assert record.files["trainer.pth"].size == 13 and found.size == 20
    assert (record.epoch, record.tokens, record.validation_loss, record.done) == (1, 5000, 3.5, ["log", "validate"])
    assert record.model_extra == {"mine": {"a": 1}}
    assert sorted(path.name for path in info.path.iterdir()) == ["checkpoint.json", "model.safetensors", "trainer.pth"]
    read: list[int] = []
    assert verify(found, read.append) == "" and sum(read) == 20
    assert newest_valid(folder, nothing_bad) == info


def test_a_serialiser_that_wants_a_path_is_hashed_too(folder: RunFolder) -> None:
    with begin_checkpoint(folder, 1) as staging:
        staging.add("model.bin", lambda path: path.write_bytes(b"abc") and None)
        info = staging.commit(attempt=1)
    assert verify(info) == "" and info.size == 3


@pytest.mark.parametrize("name", ["../outside", "a/b", "", ".", "..", "checkpoint.json"])
def test_files_stay_within_the_checkpoint(folder: RunFolder, name: str) -> None:
    with begin_checkpoint(folder, 1) as staging, pytest.raises(ValueError, match="no file of a checkpoint"):
        staging.open(name)
    info = save(folder, 2)
    record = (info.path / "checkpoint.json").read_text().replace("trainer.pth", "../../run.toml")
    (info.path / "checkpoint.json").write_text(record)
    assert "cannot be read" in verify(scan(folder)[0])


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: flip_a_bit(path / "model.safetensors"), "hash differs"),  # trap 51
        (lambda path: os.truncate(path / "trainer.pth", 5), "5 bytes instead of 13"),
        (lambda path: (path / "trainer.pth").unlink(), "cannot be read"),
        (lambda path: (path / "checkpoint.json").unlink(), "missing or broken"),
        (lambda path: (path / "checkpoint.json").write_text('{"files":'), "missing or broken"),
        (lambda path: path.rename(path.with_name("step-00000031")), "does not belong"),
    ],
)
def test_a_damaged_one_is_set_aside_and_the_one_before_is_used(folder: RunFolder, damage: object, words: str) -> None:
    for step in (10, 20, 30):
        save(folder, step, data=bytes([step]) * 1000)
    damage(folder.checkpoints / "step-00000030")  # type: ignore[operator]
    told: list[tuple[str, str, str]] = []
    found = newest_valid(folder, lambda info, problem, aside: told.append((info.name, problem, aside.name)))
    assert found is not None and found.step == 20
    ((name, problem, aside),) = told
    assert words in problem and aside == f"{name}.bad-1"
    assert (folder.checkpoints / aside).is_dir() and steps(folder) == [20, 10]  # kept, and out of the way


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_bad_ones_of_one_step_are_all_kept(folder: RunFolder) -> None:
    for number in (1, 2):
        flip_a_bit(save(folder, 10).path / "trainer.pth")
        assert newest_valid(folder, lambda *_found: None) is None
        assert (folder.checkpoints / f"step-00000010.bad-{number}").is_dir()


def test_no_checkpoint_at_all(folder: RunFolder) -> None:
    shutil.rmtree(folder.checkpoints)
    assert scan(folder) == [] and newest(folder) is None and newest_valid(folder, nothing_bad) is None
    assert clean_up(folder) == [] and retain(folder, 3) == []
    assert save(folder, 1).path.is_dir()


class Refusing:
    """An open file that refuses every further write."""

    def __init__(self, file: Any, number: int) -> None:
        self._file, self._number = file, number

    def write(self, _data: object) -> int:
        raise OSError(self._number, os.strerror(self._number))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class TestAFailedSave:
    @pytest.fixture(autouse=True)
    def earlier(self, folder: RunFolder) -> None:
        save(folder, 10)

    def assert_untouched(self, folder: RunFolder) -> None:
        assert [path.name for path in folder.checkpoints.iterdir()] == ["step-00000010"]
        assert newest_valid(folder, nothing_bad) is not None

    @pytest.mark.parametrize(("number", "words"), [(errno.ENOSPC, "no space left"), (errno.EIO, "input/output error")])
    def test_the_disk_refuses_a_write(
        self, folder: RunFolder, monkeypatch: pytest.MonkeyPatch, number: int, words: str
    ) -> None:
        with pytest.raises(CheckpointError) as caught, begin_checkpoint(folder, 20) as staging:
            file = staging.open("model.safetensors")
            file.write(bytes(2_340_000))
            monkeypatch.setattr(file, "_file", Refusing(file._file, number))
            file.write(bytes(1000))
        message = str(caught.value)
        assert "step 20" in message and words in message and "2.3 MB or more" in message
        assert str(folder.path) in message and "Earlier checkpoints are untouched" in message
        self.assert_untouched(folder)

    def test_a_real_limit_of_the_kernel(self, folder: RunFolder) -> None:
        import resource
        import signal

        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
        try:
            with pytest.raises(CheckpointError, match="file too large"):
                save(folder, 20, data=bytes(3 << 20))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, before)
        self.assert_untouched(folder)

    def test_a_serialiser_that_hides_the_disks_error(self, folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(CheckpointError, match="no space left"), begin_checkpoint(folder, 20) as staging:
            file = staging.open("trainer.pth")
            monkeypatch.setattr(file, "_file", Refusing(file._file, errno.ENOSPC))
            try:
                file.write(b"x")
            except OSError:
                raise RuntimeError("PytorchStreamWriter failed writing file data/0") from None
        self.assert_untouched(folder)

    @pytest.mark.parametrize("call", ["fsync", "rename"])
    def test_the_last_moments(self, folder: RunFolder, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
        def refuse(*_arguments: object) -> None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        with pytest.raises(CheckpointError, match="input/output error"), begin_checkpoint(folder, 20) as staging:
            staging.open("model.safetensors").write(b"x")
            with monkeypatch.context() as patch:
                patch.setattr(*((os, "fsync") if call == "fsync" else (Path, "rename")), refuse)
                staging.commit(attempt=1)
        self.assert_untouched(folder)

    def test_a_disk_known_to_be_too_full_is_not_written_to(self, folder: RunFolder) -> None:
        opened: list[HashingFile] = []
        with (
            pytest.raises(CheckpointError, match="too full"),
            begin_checkpoint(folder, 20, expected_bytes=1 << 60) as staging,
        ):
            opened.append(staging.open("model.safetensors"))
        assert opened == []
        self.assert_untouched(folder)

    def test_an_error_that_is_not_the_disks_stays_what_it_is(self, folder: RunFolder) -> None:
        with pytest.raises(ZeroDivisionError), begin_checkpoint(folder, 20) as staging:
            staging.open("model.safetensors").write(b"x")
            raise ZeroDivisionError
        self.assert_untouched(folder)

    def test_without_a_commit_nothing_counts(self, folder: RunFolder) -> None:
        with begin_checkpoint(folder, 20) as staging:
            staging.open("model.safetensors").write(b"x")
        self.assert_untouched(folder)


def test_a_crash_at_any_moment_leaves_the_old_or_the_new(folder: RunFolder) -> None:
    """Every name the save makes is looked at as if the process had died right then."""
    save(folder, 10, data=b"old")
    moments: list[str] = []
    real = Path.rename

    def look(path: Path, target: Path) -> Path:
        if folder.checkpoints not in path.parents:
            return real(path, target)  # the cleaning up of a copy
        for moment in ("before", "after"):
            result = real(path, target) if moment == "after" else path
            copy = RunFolder(folder.path.with_name(f"crash-{len(moments)}"))
            shutil.copytree(folder.path, copy.path)
            removed = clean_up(copy)
            found = newest_valid(copy, nothing_bad)
            assert found is not None and found.step == 10
            model = (found.path / "model.safetensors").read_bytes()
            moments.append(model.decode())
            assert all(name.startswith((".staging-", ".replaced-")) for name in removed)
            assert [path.name for path in copy.checkpoints.iterdir()] == ["step-00000010"]
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "rename", look)
        save(folder, 10, data=b"new")
    assert moments == ["old", "old", "old", "new"]


def test_retention_keeps_the_last_the_best_and_the_asked_for(folder: RunFolder) -> None:
    losses = {10: 5.0, 20: 3.0, 30: 4.0, 40: None, 50: 4.5, 60: 4.6, 70: 4.7}
    for step, loss in losses.items():
        save(folder, step, validation_loss=loss, keep=step == 30)
    deleted = retain(folder, 3, keep_steps=[40])
    assert steps(folder) == [70, 60, 50, 40, 30, 20]
    assert [info.step for info in deleted] == [10] and deleted[0].size == 20
    found = best(scan(folder))
    assert found is not None and found.step == 20
    retain(folder, 0)
    assert steps(folder) == [70, 60, 30, 20]  # never fewer than two, whatever is asked
    assert sorted(path.name for path in folder.checkpoints.iterdir()) == [info.name for info in scan(folder)][::-1]


@given(saved=st.lists(st.tuples(st.none() | st.floats(1, 9), st.booleans()), max_size=8), keep_last=st.integers(-1, 5))
@settings(max_examples=30, deadline=None)
def test_retention_never_deletes_what_is_wanted(
    tmp_path_factory: pytest.TempPathFactory, saved: list[tuple[float | None, bool]], keep_last: int
) -> None:
    folder = create_run(tmp_path_factory.mktemp("retention"), "x", "")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _fd: None)
        for number, (loss, keep) in enumerate(saved):
            save(folder, number, validation_loss=loss, keep=keep)
    retain(folder, keep_last)
    left = set(steps(folder))
    numbers = range(len(saved))
    assert set(numbers[-max(2, keep_last) :]) <= left
    assert {number for number in numbers if saved[number][1]} <= left
    losses = [loss for loss, _keep in saved if loss is not None]
    if losses:
        assert any(saved[number][0] == min(losses) for number in left)
    assert len(left) <= max(2, keep_last) + 1 + sum(keep for _loss, keep in saved)


def test_equal_losses_prefer_the_newer(folder: RunFolder) -> None:
    for step in (1, 2, 3):
        save(folder, step, validation_loss=2.0)
    found = best(scan(folder))
    assert found is not None and found.step == 3
    assert best([]) is None


def test_a_fork_copies_only_what_holds(folder: RunFolder, tmp_path: Path) -> None:
    info = save(folder, 40, tokens=123, validation_loss=2.5, surroundings={"torch": "2"})
    child = create_run(tmp_path / "forks", "child", "")
    copied = copy_checkpoint(info, child, keep=True)
    assert copied.path.parent == child.checkpoints and verify(copied) == "" and copied.step == 40
    assert copied.record is not None and info.record is not None
    assert copied.record.files == info.record.files and copied.record.keep
    assert (copied.record.tokens, copied.record.surroundings) == (123, {"torch": "2"})
    flip_a_bit(info.path / "model.safetensors")
    other = create_run(tmp_path / "forks", "other", "")
    with pytest.raises(CheckpointError, match="hash differs"):
        copy_checkpoint(info, other)
    assert scan(other) == [] and list(other.checkpoints.iterdir()) == []


def test_names_of_great_steps_still_sort_and_match(folder: RunFolder) -> None:
    for step in (99_999_999, 100_000_000):
        save(folder, step)
    (folder.checkpoints / "step-1").mkdir()
    (folder.checkpoints / "step-00000007.txt").write_text("")
    assert steps(folder) == [100_000_000, 99_999_999]
    assert checkpoints.checkpoint_name(100) == "step-00000100"


@pytest.mark.parametrize("shape", ["same fields", "other fields"])
def test_a_newer_format_is_refused_and_stays_where_it_is(folder: RunFolder, shape: str) -> None:
    save(folder, 1)
    info = save(folder, 2)
    record = orjson.loads((info.path / "checkpoint.json").read_bytes())
    changed = {**record, "format": 2} if shape == "same fields" else {"format": 2, "parts": []}
    (info.path / "checkpoint.json").write_bytes(orjson.dumps(changed))
    with pytest.raises(UserError, match=r"step-00000002.*format 2.*Update"):
        newest_valid(folder, nothing_bad)
    assert steps(folder) == [2, 1]
