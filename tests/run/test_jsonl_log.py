"""Whole lines only: what a writer leaves behind and what a reader makes of it."""

import os
import threading
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.run.jsonl_log import LineWriter, Tail, read_lines

GARBAGE = [b"not json", b"[1, 2]", b"3", b'"text"', b"\xff\xfe\x00", b'{"open": ', b"{}}", b"null", b"[" * 5000]


def write(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.jsonl"


def test_a_missing_file_is_empty_until_it_comes(path: Path) -> None:
    tail = Tail(path)
    assert tail.poll() == [] and tail.caught_up and tail.generation == 0
    write(path, b'{"a":1}\n')
    assert tail.poll() == [{"a": 1}] and tail.poll() == []


@given(
    pieces=st.lists(
        st.one_of(
            st.dictionaries(st.text(max_size=5), st.integers(-(2**53), 2**53) | st.text(max_size=20), max_size=3).map(
                orjson.dumps
            ),
            st.sampled_from([*GARBAGE, b"", b"\r", b'{"windows":1}\r']),
        ),
        max_size=25,
    ),
    cuts=st.lists(st.integers(0, 2000), max_size=12),
    closed=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_however_a_file_grows_each_whole_line_comes_once(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], cuts: list[int], closed: bool
) -> None:
    path = tmp_path_factory.mktemp("tail") / "log.jsonl"
    data = b"".join(piece + b"\n" for piece in pieces) if closed else b"\n".join(pieces)
    whole = pieces if closed else pieces[:-1]
    tail, found, at = Tail(path), [], 0
    for cut in [*sorted(cuts), len(data)]:
        write(path, data[at : max(at, cut)])
        at = max(at, min(cut, len(data)))
        found += tail.poll()
    expected, bad = [], 0
    for piece in whole:
        if not piece.strip(b"\r"):
            continue
        try:
            value = orjson.loads(piece)
        except orjson.JSONDecodeError:
            bad += 1
            continue
        if isinstance(value, dict):
            expected.append(value)
        else:
            bad += 1
    assert found == expected
    assert tail.bad_lines == bad
    assert tail.generation == 0


def test_a_torn_last_line_is_closed_and_spoils_itself_alone(path: Path) -> None:
    write(path, b'{"a":1}\n{"b":2,"c"')
    writer = LineWriter(path)
    writer.append({"d": 4})
    writer.append({"e": 5})
    tail = Tail(path)
    assert tail.poll() == [{"a": 1}, {"d": 4}, {"e": 5}] and tail.bad_lines == 1


def test_one_line_is_one_write_in_append_mode(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = LineWriter(path)
    writer.append({"first": 1})
    sizes: list[int] = []
    real = os.write

    def counting(fd: int, data: bytes) -> int:
        sizes.append(len(data))
        return real(fd, data)

    monkeypatch.setattr(os, "write", counting)
    writer.append({"text": "x" * 100_000})
    assert sizes == [path.stat().st_size - len(b'{"first":1}\n')]


def test_writers_at_the_same_time_do_not_mix_their_lines(path: Path) -> None:
    def work(name: int) -> None:
        writer = LineWriter(path)
        for number in range(200):
            writer.append({"name": name, "number": number, "padding": "x" * (name * 500)})

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    tail, seen = Tail(path), []
    while any(thread.is_alive() for thread in threads):
        seen += tail.poll()
    seen += tail.poll()
    assert tail.bad_lines == 0
    for name in range(4):
        assert [line["number"] for line in seen if line["name"] == name] == list(range(200))


def test_numbers_that_are_not_finite_become_null(path: Path) -> None:
    LineWriter(path).append({"loss": float("nan"), "grad_norm": float("inf"), "lr": 0.1})
    assert read_lines(path) == [{"loss": None, "grad_norm": None, "lr": 0.1}]


@pytest.mark.parametrize("how", ["truncated", "replaced", "rewritten in place"])
def test_a_file_that_is_not_the_same_any_more_is_read_anew(path: Path, how: str) -> None:
    write(path, b'{"n":1}\n{"n":2}\n')
    tail = Tail(path)
    tail.poll()
    if how == "truncated":
        path.write_bytes(b'{"n":7}\n')
    elif how == "replaced":
        other = path.with_name("other")
        write(other, b'{"n":7}\n{"n":8}\n{"n":9}\n')
        other.replace(path)
    else:  # the same inode, longer than before
        path.write_bytes(b'{"n":7}\n{"n":8}\n{"n":9}\n')
    assert next(line["n"] for line in tail.poll()) == 7
    assert tail.generation == 1
    write(path, b'{"n":10}\n')
    assert tail.poll() == [{"n": 10}] and tail.generation == 1


def test_a_file_that_vanishes_and_comes_back_is_a_new_one(path: Path) -> None:
    write(path, b'{"n":1}\n')
    tail = Tail(path)
    tail.poll()
    path.unlink()
    assert tail.poll() == [] and tail.generation == 1
    write(path, b'{"n":2}\n')
    assert tail.poll() == [{"n": 2}]


def test_a_line_longer_than_allowed_is_skipped_in_constant_memory(path: Path) -> None:
    write(path, b'{"n":1}\n')
    with path.open("ab") as file:
        for _ in range(5):
            file.write(b"x" * (1 << 20))
    tail = Tail(path, max_line=1 << 20)
    assert tail.poll() == [{"n": 1}]
    write(path, b'more of it\n{"n":2}\n' + b'{"long":"' + b"y" * (1 << 20) + b'"}\n{"n":3}\n')
    assert tail.poll() == [{"n": 2}, {"n": 3}]
    assert tail.bad_lines == 2


def test_long_lines_within_the_bound_come_whole(path: Path) -> None:
    text = "z" * (3 << 20)
    writer = LineWriter(path)
    writer.append({"text": text})
    writer.append({"n": 1})
    assert Tail(path).poll() == [{"text": text}, {"n": 1}]


def test_a_poll_out_of_time_goes_on_at_the_next(path: Path) -> None:
    writer = LineWriter(path)
    for number in range(300):
        writer.append({"number": number, "padding": "x" * 10_000})
    tail, found, polls = Tail(path), [], 0
    while not tail.caught_up or not polls:
        found += tail.poll(seconds=0.0)
        polls += 1
    assert [line["number"] for line in found] == list(range(300))
    assert 2 < polls < 10


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_disk_is_told_or_waited_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = LineWriter(Path("/dev/full"))
    with pytest.raises(OSError, match="No space left"):
        full.append({"n": 1})
    writer = LineWriter(path)
    assert writer.append_or_keep({"n": 1})
    real = os.write

    def refuse(fd: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", refuse)
    assert not writer.append_or_keep({"n": 2}) and not writer.append_or_keep({"n": 3})
    assert writer.pending == 2 and writer.error is not None and writer.error.errno == 28
    monkeypatch.setattr(os, "write", real)
    assert writer.append_or_keep({"n": 4})
    assert read_lines(path) == [{"n": 1}, {"n": 2}, {"n": 3}, {"n": 4}] and writer.lost == 0 and writer.error is None


def test_a_write_cut_short_by_a_full_disk_leaves_a_line_that_is_closed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = LineWriter(path)
    writer.append({"n": 1})
    real = os.write
    calls = 0

    def short(fd: int, data: bytes) -> int:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise OSError(28, "No space left on device")
        return real(fd, bytes(data)[:4])

    monkeypatch.setattr(os, "write", short)
    assert not writer.append_or_keep({"n": 2})
    monkeypatch.setattr(os, "write", real)
    assert writer.append_or_keep({"n": 3})
    tail = Tail(path)
    assert tail.poll() == [{"n": 1}, {"n": 2}, {"n": 3}] and tail.bad_lines == 1


def test_what_waits_in_memory_is_bounded_and_counted(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.run.jsonl_log._MAX_PENDING", 5)
    writer = LineWriter(path)
    real = os.write

    def refuse(fd: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", refuse)
    for number in range(8):
        writer.append_or_keep({"n": number})
    monkeypatch.setattr(os, "write", real)
    assert writer.flush() and writer.lost == 3
    assert [line["n"] for line in read_lines(path)] == [3, 4, 5, 6, 7]
