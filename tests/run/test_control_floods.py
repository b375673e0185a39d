"""control.jsonl written by somebody who means harm: a look stays short, memory bounded, and a stop gets through."""

import json
import os

import pytest

from engine.run import control
from engine.run.control import MAX_REQUEST, MOST_AT_ONCE, ControlInbox, answered_ids
from engine.run.folder import RunFolder
from engine.run.jsonl_log import LineWriter, read_lines

MEGABYTE = 1 << 20


@pytest.fixture
def inbox(folder: RunFolder) -> ControlInbox:
    return ControlInbox(folder, 2, LineWriter(folder.events))


def line(op: str, number: object = 0, args: object = None) -> bytes:
    record = {"v": 1, "t": "", "attempt": 2, "step": 0, "id": f"{op}-{number}", "op": op, "args": args or {}}
    return json.dumps(record).encode() + b"\n"


def test_of_a_million_requests_in_one_burst_each_look_takes_a_few(
    folder: RunFolder, inbox: ControlInbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "_MOST_SEEN", 500)
    count = 100_000
    with folder.control.open("wb") as file:
        for number in range(count):
            file.write(line("save", number))
        file.write(line("stop", "a person's"))
        file.write(line("sample", "the last"))
    looks, got, answered = 0, [], 0
    while inbox._tail.offset < folder.control.stat().st_size:
        before = inbox._tail.offset
        fresh = inbox.poll(7)
        looks += 1
        assert len(fresh) <= MOST_AT_ONCE + 3
        assert inbox._tail.offset - before <= MEGABYTE
        answers = read_lines(folder.events)
        assert len(answers) - answered <= 2, "one line about all that were not taken"
        answered = len(answers)
        got += [request.id for request in fresh]
        for request in fresh:
            inbox._open.pop(request.id)
    assert looks >= count * len(line("save", count)) // MEGABYTE
    assert "stop-a person's" in got, "the stop came behind a flood and was lost"
    assert len(got) + sum(int(one["reason"].split()[0]) for one in read_lines(folder.events)) == count + 2
    assert len(inbox._seen) <= 500


def test_a_flood_of_rubbish_is_one_line_of_answer_a_look(folder: RunFolder, inbox: ControlInbox) -> None:
    folder.control.write_bytes(b"rubbish\n" * 50_000 + b"[]\n" * 50_000 + b'{"id": 3}\n' * 10_000 + line("pause"))
    ops = []
    for _look in range(3):
        ops += [request.op for request in inbox.poll(0)]
    assert ops == ["pause"]
    assert len(read_lines(folder.events)) <= 4


def test_a_line_of_a_gigabyte_is_passed_over_in_pieces(folder: RunFolder, inbox: ControlInbox) -> None:
    with folder.control.open("wb") as file:
        file.truncate(1 << 30)
        file.seek(0, os.SEEK_END)
        file.write(b"\n" + line("stop"))
    inbox.poll(0)
    assert inbox._tail.offset <= 2 * MEGABYTE
    inbox._tail.offset = (1 << 30) - MEGABYTE  # what lies between is the same again and again
    inbox._tail._print = b""
    found = [request.op for _look in range(4) for request in inbox.poll(0)]
    assert found == ["stop"]


@pytest.mark.parametrize(
    "record",
    [
        line("sample", 1, {"prompt": "x" * MAX_REQUEST}),
        b'{"id": "a", "op": "save", "attempt": 2, "step": 0, "args": '
        + b'{"a":' * 9_000
        + b"1"
        + b"}" * 9_000
        + b"}\n",
        b"[" * 60_000 + b"\n",
        b'{"id": "a\\u0000b", "op": "save\\u001b[2J", "attempt": 2, "step": 0}\n',
        b'{"id": "a", "id": "b", "op": "save", "op": "rm", "attempt": 2, "step": 0}\n',
        b'{"id": "a", "op": "save", "attempt": 1e400, "step": 0}\n',
        b'{"id": "a", "op": "save", "attempt": 2, "step": 99999999999999999999999999}\n',
        b'{"id": "a", "op": "set", "attempt": 2, "step": 0, "args": {"lr_scale": NaN}}\n',
        b'{"id": "a", "op": "set", "attempt": 2, "step": 0, "args": {"lr_scale": "\\ud800"}}\n',
        b'{"id": "a", "op": "set", "attempt": 2, "step": 0, "args": {"lr_scale": true}}\n',
        b'{"id": "a", "op": "stop", "attempt": 2, "step": 0, "args": {"now": "yes"}}\n',
        b'{"id": "' + b"a" * 65 + b'", "op": "save", "attempt": 2, "step": 0}\n',
    ],
)
def test_what_is_no_request_is_refused_in_a_short_answer(record: bytes, folder: RunFolder, inbox: ControlInbox) -> None:
    folder.control.write_bytes(record)
    fresh = inbox.poll(0)
    assert [request.op for request in fresh] in ([], ["save"])
    if not fresh:
        [answer] = read_lines(folder.events)
        assert answer["accepted"] is False and len(json.dumps(answer)) < 2_000


def test_a_pipe_in_place_of_the_file_holds_nobody_up(folder: RunFolder, inbox: ControlInbox) -> None:
    os.mkfifo(folder.control)
    assert inbox.poll(0) == []


def test_who_was_answered_is_read_in_pieces(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = LineWriter(folder.events)
    for number in range(30_000):
        writer.append({"kind": "control", "id": f"{number}", "more": "x" * 50})
    read: list[int] = []
    monkeypatch.setattr("engine.run.jsonl_log.os.pread", lambda *call: _counted(read, os_pread(*call)))
    assert len(answered_ids(folder)) == 30_000
    assert max(read) <= MEGABYTE


os_pread = os.pread


def _counted(read: list[int], data: bytes) -> bytes:
    read.append(len(data))
    return data
