"""Complete or absent, whatever the disk does."""

import errno
import hashlib
import os
import threading
import time
from pathlib import Path

import pytest

from engine.run.atomic import HashingFile, hash_file, publish_file, publish_path, remove_unfinished, write_atomic


def refuse(*_arguments: object, **_options: object) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("call", ["write", "fsync", "open"])
def test_a_refused_write_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"old")
    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(OSError, match="No space"):
        write_atomic(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old" and names_in(tmp_path) == ["file"]


def test_the_unfinished_file_lies_in_the_same_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Path] = []
    real = os.open

    def watch(path: Path, *arguments: int) -> int:
        made.append(Path(path))
        return real(path, *arguments)

    monkeypatch.setattr(os, "open", watch)
    write_atomic(tmp_path / "file", b"x")
    assert all(path == tmp_path or path.parent == tmp_path for path in made)  # trap 63: never another file system


def test_a_durable_write_syncs_the_file_before_the_rename_and_the_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    real_fsync, real_replace = os.fsync, Path.replace

    def fsync(fd: int) -> None:
        order.append("folder" if os.path.isdir(f"/proc/self/fd/{fd}") else "file")  # noqa: PTH112
        real_fsync(fd)

    def replace(path: Path, target: Path) -> Path:
        order.append("rename")
        return real_replace(path, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    write_atomic(tmp_path / "file", b"x")
    assert order == ["file", "rename", "folder"]
    write_atomic(tmp_path / "file", b"y", durable=False)
    assert order[3:] == ["rename"]


def test_a_reader_sees_old_or_new_and_never_a_part(tmp_path: Path) -> None:
    path, stop = tmp_path / "file", threading.Event()
    contents = [bytes([65 + number]) * (1000 + 50_000 * number) for number in range(4)]
    write_atomic(path, contents[0], durable=False)

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            write_atomic(path, contents[number % 4], durable=False)

    writer = threading.Thread(target=write)
    writer.start()
    seen: set[bytes] = set()
    looks, deadline = 0, time.monotonic() + 20
    while looks < 300 or (len(seen) < 2 and time.monotonic() < deadline):
        seen.add(path.read_bytes())
        looks += 1
    stop.set()
    writer.join()
    assert seen <= set(contents) and len(seen) > 1


def test_hash_while_writing(tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    with HashingFile(tmp_path / "file") as file:
        for start in range(0, len(data), 70_001):
            assert file.write(memoryview(data)[start : start + 70_001]) > 0
        assert file.tell() == len(data)
    assert file.closed and (tmp_path / "file").read_bytes() == data
    assert file.print.sha256 == hashlib.sha256(data).hexdigest() and file.print.size == len(data)
    chunks: list[int] = []
    assert hash_file(tmp_path / "file", chunks.append) == file.print and sum(chunks) == len(data)


def test_a_wide_view_counts_in_bytes(tmp_path: Path) -> None:
    from array import array

    numbers = array("d", [1.5, 2.5])
    with HashingFile(tmp_path / "file") as file:
        assert file.write(memoryview(numbers)) == 16
    assert file.print.size == 16


def test_publishing_replaces_in_one_step(tmp_path: Path) -> None:
    target = tmp_path / "out" / "pretrain_512.pth"
    first = publish_file(target, lambda file: file.write(b"one") and None)
    assert target.read_bytes() == b"one" and first.size == 3

    def break_off(file: HashingFile) -> None:
        file.write(b"half")
        raise RuntimeError("serialiser")

    with pytest.raises(RuntimeError):
        publish_file(target, break_off)
    assert target.read_bytes() == b"one"
    second = publish_path(target, lambda path: path.write_bytes(b"three") and None)
    assert target.read_bytes() == b"three" and second.sha256 == hashlib.sha256(b"three").hexdigest()
    assert names_in(target.parent) == ["pretrain_512.pth"]


def test_what_killed_writers_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    def leave(name: str, age: float = 0.0) -> Path:
        path = tmp_path / name
        path.write_bytes(b"half")
        os.utime(path, (time.time() - age,) * 2)
        return path

    long_name = "n" * 100 + ".pth"
    gone = [
        leave(".tmp-999999-0123abcd-status.json"),
        leave(f".tmp-999999-0123abcd-{long_name[-80:]}"),
        leave(".tmp-999999-0123abcd-run.toml", age=7200),
    ]
    kept = [
        leave("status.json"),
        leave(".tmp-999999-0123abcd-annotations.json"),  # somebody may be writing it just now
        leave(f".tmp-{os.getpid()}-0123abcd-status.json"),  # so may a thread of this process
        leave(".tmp-of somebody else", age=7200),
    ]
    removed = remove_unfinished(tmp_path, ("status.json", long_name))
    assert sorted(removed) == sorted(path.name for path in gone)
    assert sorted(tmp_path.iterdir()) == sorted(kept)
    assert remove_unfinished(tmp_path / "missing", ("status.json",)) == []
