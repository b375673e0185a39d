"""What a worker says reaches the folder, whatever the disk does; requests reach it, and nothing of it stays behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from engine.errors import UserError
from engine.run.attempts import begin_attempt, next_attempt
from engine.run.control import AnswerWatch, ControlInbox, is_stop_now, send_request, wait_for_answer
from engine.run.exit_codes import WorkerExit
from engine.run.folder import RunFolder
from engine.run.jsonl_log import LineWriter, encode_line, read_lines
from engine.run.lock import RunLock
from engine.run.observe import observe
from engine.run.parent_watch import ParentWatch
from engine.run.process import identify, this_process
from engine.run.schema import EventKind, Outcome, Phase, Reason, Request, State
from engine.run.start import module_environment
from engine.run.status import read_status
from engine.run.worker_link import SUPERVISOR_VARIABLE, WorkerLink

NUMBERS = {"epoch": 0, "tokens": 10, "elapsed": 0.5, "loss": 2.0, "lr": 1e-3}


@pytest.fixture
def link(folder: RunFolder) -> Iterator[WorkerLink]:
    """A worker's link without a supervisor."""
    begin_attempt(folder, 1, 0, lambda done, total: None)
    link = WorkerLink(folder, 1, signals=False)
    yield link
    link.finish(State.STOPPED, Reason.REQUEST, "the test is over")


def refuse(*_arguments: object) -> None:
    raise OSError(28, "No space left on device")


def test_an_attempt_nobody_opened_is_refused(folder: RunFolder) -> None:
    with pytest.raises(UserError, match="no attempt 1"):
        WorkerLink(folder, 1, signals=False)


def test_attempts_are_numbered_and_open_with_headers(folder: RunFolder) -> None:
    assert next_attempt(folder) == 1
    for number in (1, 2):
        record = begin_attempt(folder, number, 7, lambda done, total: None)
        assert (record.start_step, record.from_checkpoint, record.control_offset) == (0, None, 7)
    assert next_attempt(folder) == 3
    for path in (folder.metrics, folder.events):
        assert [(line["kind"], line["attempt"], line["start_step"]) for line in read_lines(path)] == [
            ("attempt", 1, 0),
            ("attempt", 2, 0),
        ]


def test_lines_carry_what_every_line_carries(link: WorkerLink) -> None:
    link.metric(5, **NUMBERS, mfu=0.3, mine="yes")
    link.validation(5, epoch=0, tokens=10, elapsed=0.6, loss=float("nan"), best=False)
    link.event("sample", 5, prompt="a", text="b")
    _header, train, validation = read_lines(link.folder.metrics)
    assert list(train)[:5] == ["v", "t", "attempt", "step", "kind"]
    assert (train["attempt"], train["step"], train["kind"], train["mfu"], train["mine"]) == (1, 5, "train", 0.3, "yes")
    assert "aux_loss" not in train  # what was not measured is not there, what is no number is null
    assert validation["loss"] is None and validation["kind"] == "validation"
    event = read_lines(link.folder.events)[-1]
    assert (event["v"], event["attempt"], event["step"], event["text"]) == (1, 1, 5, "b") and event["t"]
    status = read_status(link.folder.status)
    assert status is not None and (status.step, status.loss, status.tokens) == (5, 2.0, 10)


def test_a_line_of_the_wrong_type_is_the_programmer_s_error(link: WorkerLink) -> None:
    with pytest.raises(ValidationError):
        link.metric(5, **{**NUMBERS, "loss": "low"})
    with pytest.raises(ValidationError):
        link.metric(5, epoch=0)


def test_the_manifest_is_filled_and_the_rest_left(link: WorkerLink) -> None:
    link.describe_run(parameters=123, seed=7, brand_new="kept")
    link.describe_attempt(device="cpu", exact=False, why_inexact=["another thread count"], message="resumed inexactly")
    manifest = link.folder.read_manifest()
    assert (manifest.parameters, manifest.seed, manifest.name) == (123, 7, "mini")
    assert manifest.model_extra == {"brand_new": "kept"}
    assert manifest.attempts[0].why_inexact == ["another thread count"] == link.record.why_inexact
    event = read_lines(link.folder.events)[-1]
    assert (event["kind"], event["exact"], event["message"]) == ("started", False, "resumed inexactly")
    with pytest.raises(ValidationError):
        link.describe_run(parameters="many")


def test_what_the_manifest_could_not_be_told_is_told_later(link: WorkerLink, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("engine.run.folder.write_atomic", refuse)
        link.describe_run(parameters=123)
        link.describe_attempt(device="cpu", dtype="fp32", exact=None)
        link.sync()
    assert link.folder.read_manifest().parameters is None and link.record.device == "cpu"
    (warning,) = [event for event in read_lines(link.folder.events) if event["kind"] == "warning"]
    assert "manifest.json" in warning["message"] and "No space" in warning["message"]
    link.sync()
    manifest = link.folder.read_manifest()
    assert (manifest.parameters, manifest.attempts[-1].device) == (123, "cpu")


def test_a_full_disk_keeps_the_lines_and_tells_when_it_is_over(
    link: WorkerLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    link.metric(1, **NUMBERS)
    with monkeypatch.context() as patch:
        patch.setattr(link._metrics, "_write", refuse)
        for step in (2, 3):
            link.metric(step, **NUMBERS)
        assert "No space left" in (link.status.message or "")
    link.metric(4, **NUMBERS)
    # a full disk takes a line now and then: only when nothing was refused for a while is it told as over
    assert not [event for event in read_lines(link.folder.events) if event["kind"] == "warning"]
    monkeypatch.setattr("engine.run.worker_link.QUIET_SECONDS", 0.0)
    link.metric(5, **NUMBERS)
    assert [line["step"] for line in read_lines(link.folder.metrics) if line["kind"] == "train"] == [1, 2, 3, 4, 5]
    (warning,) = [event for event in read_lines(link.folder.events) if event["kind"] == "warning"]
    assert "0 of them are lost" in warning["message"] and link.status.message is None


def test_without_a_supervisor_the_worker_writes_the_end_itself(folder: RunFolder) -> None:
    begin_attempt(folder, 1, 0, lambda done, total: None)
    link = WorkerLink(folder, 1, signals=False)
    link.update(state=State.RUNNING, phase=Phase.TRAINING, step=9)
    assert link.finish(State.FAILED, Reason.USER_ERROR, "no data") == WorkerExit.USER_ERROR
    assert link.finish(State.FINISHED, Reason.COMPLETE, "too late") == WorkerExit.USER_ERROR
    seen = observe(folder)
    assert (seen.state, seen.message) == (State.FAILED, "no data") and not seen.is_inferred
    (attempt,) = folder.read_manifest().attempts
    assert (attempt.end_state, attempt.end_step, attempt.reason, attempt.exit_code) == ("failed", 9, "user_error", 2)
    assert read_lines(folder.events)[-1]["kind"] == "failed"


def test_with_a_supervisor_the_outcome_is_left_for_it(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    begin_attempt(folder, 1, 0, lambda done, total: None)
    monkeypatch.setenv(SUPERVISOR_VARIABLE, this_process().model_dump_json())
    link = WorkerLink(folder, 1, signals=False)
    assert SUPERVISOR_VARIABLE not in os.environ  # a grandchild is no worker
    assert link.finish(State.PAUSED, Reason.REQUEST, "paused") == WorkerExit.PAUSED
    status = read_status(folder.status)
    assert status is not None and status.state is State.STOPPING
    assert status.outcome == Outcome(state=State.PAUSED, reason="request", message="paused")
    assert folder.read_manifest().attempts[0].ended is None


class Tripwire:
    """Whatever is done with it fails: the main thread may hold it when a signal comes."""

    def __enter__(self) -> None:
        raise AssertionError("the handler took a lock")

    def __exit__(self, *_error: object) -> None: ...

    def __call__(self, *_arguments: object) -> None:
        raise AssertionError("the handler wrote a file")


def test_a_signal_sets_a_flag_and_nothing_else(  # trap 64
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin_attempt(folder, 1, 0, lambda done, total: None)
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]
    try:
        link = WorkerLink(folder, 1)
        assert not link.stop_requested
        link._status.stop()
        with monkeypatch.context() as patch:
            patch.setattr(link._status, "_lock", Tripwire())
            patch.setattr(os, "write", Tripwire())
            signal.raise_signal(signal.SIGTERM)
        assert link.stop_requested and link.stop_reason is Reason.SIGNAL
        signal.raise_signal(signal.SIGHUP)  # and we are still here
        link.finish(State.STOPPED, link.stop_reason, "")
    finally:
        for number, handler in zip((signal.SIGTERM, signal.SIGINT, signal.SIGHUP), before, strict=True):
            signal.signal(number, handler)


def test_a_lost_parent_is_noticed_and_a_hung_child_ends() -> None:
    parent = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    identity = identify(parent.pid)
    assert identity is not None
    lost, hung = threading.Event(), threading.Event()
    watch = ParentWatch(identity, lost.set, hung.set, poll_seconds=0.01, patience=0.05)
    watch.start()
    assert not lost.wait(0.1)
    parent.kill()
    parent.wait()
    assert lost.wait(5) and hung.wait(5)
    watch.stop()
    lost.clear()
    quiet = ParentWatch(this_process(), lost.set, hung.set, poll_seconds=0.01)
    quiet.start()
    quiet.stop()
    assert not lost.is_set()


class TestInbox:
    @pytest.fixture
    def answers(self, folder: RunFolder) -> LineWriter:
        return LineWriter(folder.events)

    def request(self, folder: RunFolder, op: str, attempt: int = 2, request_id: str = "a", **args: object) -> None:
        request = Request(attempt=attempt, step=0, id=request_id, op=op, args=args)
        LineWriter(folder.control).append(request.model_dump())

    def test_each_request_comes_once(self, folder: RunFolder, answers: LineWriter) -> None:
        inbox = ControlInbox(folder, 2, answers)
        assert inbox.poll(5) == []
        self.request(folder, "save")
        self.request(folder, "save")  # the same id again
        (request,) = inbox.poll(5)
        assert inbox.poll(5) == [] and inbox.unanswered == ["a"]
        inbox.answer(request.id, True, "saved", 6)
        assert inbox.unanswered == []
        (answer,) = read_lines(folder.events)
        assert (answer["id"], answer["op"], answer["accepted"], answer["step"]) == ("a", "save", True, 6)

    def test_what_an_earlier_process_answered_is_left(self, folder: RunFolder, answers: LineWriter) -> None:
        self.request(folder, "save", request_id="old")
        self.request(folder, "save", request_id="new")
        inbox = ControlInbox(folder, 2, answers, answered={"old"})
        assert [request.id for request in inbox.poll(0)] == ["new"]

    def test_requests_before_the_attempt_are_not_read(self, folder: RunFolder, answers: LineWriter) -> None:
        self.request(folder, "stop", attempt=1)
        inbox = ControlInbox(folder, 2, answers, offset=folder.control.stat().st_size)
        assert inbox.poll(0) == [] and read_lines(folder.events) == []

    def test_a_picker_takes_only_its_own_and_answers_nothing(self, folder: RunFolder, answers: LineWriter) -> None:
        self.request(folder, "stop", request_id="soft")
        self.request(folder, "explode", request_id="wrong")
        LineWriter(folder.control).append({"garbage": True})
        self.request(folder, "stop", request_id="hard", now=True)
        inbox = ControlInbox(folder, 2, answers)
        assert [request.id for request in inbox.poll(0, only=is_stop_now)] == ["hard"]
        assert read_lines(folder.events) == []

    def test_a_flood_costs_little(self, folder: RunFolder, answers: LineWriter) -> None:
        folder.control.write_bytes(b"{}\n" * 1_000_000)
        inbox = ControlInbox(folder, 2, answers)
        before = time.process_time()
        inbox.poll(0)
        assert time.process_time() - before < 1.5
        (answer,) = read_lines(folder.events)  # one answer for all of them
        assert not answer["accepted"] and answer["id"] is None
        self.request(folder, "save")
        for _ in range(5):
            if inbox.poll(0):
                break
        else:
            raise AssertionError("the request behind the flood was not reached")

    def test_a_full_disk_delays_the_answer(self, folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
        answers = LineWriter(folder.events)
        inbox = ControlInbox(folder, 2, answers)
        self.request(folder, "pause")
        inbox.poll(0)
        with monkeypatch.context() as patch:
            patch.setattr(answers, "_write", refuse)
            inbox.answer("a", True, None, 0)
        assert answers.flush() and read_lines(folder.events)[0]["accepted"]

    @pytest.mark.parametrize(
        ("op", "args", "words"),
        [
            ("dance", {}, "save, stop, pause"),
            ("set", {}, "lr_scale"),
            ("set", {"lr_scale": 0}, "lr_scale"),
            ("set", {"lr_scale": "2"}, "lr_scale"),
            ("set", {"lr_scale": float("nan")}, "lr_scale"),
            ("stop", {"now": "yes"}, "now"),
            ("pause", {"for": 3}, "for"),
            ("sample", {"temperature": -1}, "temperature"),
            ("sample", {"prompt": "x" * 20_001}, "prompt"),
            ("save", {"keep": 1}, "keep"),
        ],
    )
    def test_a_wrong_request_is_refused_before_it_is_sent(
        self, folder: RunFolder, op: str, args: dict[str, object], words: str
    ) -> None:
        with pytest.raises(UserError, match=words):
            send_request(folder, op, args)
        assert not folder.control.exists()

    def test_a_request_to_nobody_says_so(self, folder: RunFolder) -> None:
        with pytest.raises(UserError, match="created"):
            send_request(folder, "stop")

    def test_answers_are_found_before_and_after(self, link: WorkerLink) -> None:
        folder = link.folder
        watch = AnswerWatch(folder)
        request_id = send_request(folder, "save")
        assert watch.poll(request_id) is None
        (request,) = link.poll_requests()
        assert request.id == request_id and request.attempt == 1
        link.answer(request.id, True, "saved", 3)
        answer = watch.poll(request_id)
        assert answer is not None and (answer.accepted, answer.reason, answer.step) == (True, "saved", 3)
        assert wait_for_answer(folder, request_id, 0.0) == answer
        assert wait_for_answer(folder, "another", 0.05) is None


def test_waiting_ends_with_the_run(folder: RunFolder) -> None:
    begin_attempt(folder, 1, 0, lambda done, total: None)
    link = WorkerLink(folder, 1, signals=False)
    request_id = send_request(folder, "save")
    link.finish(State.FINISHED, Reason.COMPLETE, "")
    before = time.monotonic()
    assert wait_for_answer(folder, request_id, 30.0) is None
    assert time.monotonic() - before < 20


def test_children_find_the_package_and_keep_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTHONPATH", "/some/where")
    monkeypatch.setenv("MINE", "kept")
    environment = module_environment()
    assert environment["MINE"] == "kept" and "/some/where" in environment["PYTHONPATH"].split(os.pathsep)
    (tmp_path / "orjson.py").write_text("raise SystemExit('the user has a file of that name')")
    code = [sys.executable, "-P", "-m", "engine.run.supervisor", "--help"]
    assert subprocess.run(code, cwd=tmp_path, env=environment, capture_output=True, check=False).returncode == 0


def test_a_lock_is_not_inherited_by_grandchildren(folder: RunFolder) -> None:
    lock = RunLock(folder.lock)
    lock.acquire()
    begin_attempt(folder, 1, 0, lambda done, total: None)
    code = (
        "import subprocess, sys\nfrom pathlib import Path\nfrom engine.run.schema import Reason, State\n"
        "from engine.run.worker_link import WorkerLink\nlink = WorkerLink(Path(sys.argv[1]), 1)\n"
        "sleep = [sys.executable, '-c', 'import time; time.sleep(600)']\n"
        "child = subprocess.Popen(sleep, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n"
        "print(child.pid)\nlink.finish(State.STOPPED, Reason.REQUEST, '')\n"
    )
    child = int(
        subprocess.check_output(
            [sys.executable, "-c", code, str(folder.path)],
            env={**os.environ, "MINIMIND_RUN_LOCK_FD": str(lock.fd)},
            pass_fds=(lock.fd,),
        )
    )
    try:
        lock.release()
        other = RunLock(folder.lock)
        other.acquire(patience=5)
        assert identify(child) is not None, "the grandchild lives, and holds nothing"
        other.release()
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_request_of_another_shape_is_not_found_by_chance(folder: RunFolder) -> None:
    folder.events.write_bytes(
        encode_line({"kind": "control", "accepted": True})
        + encode_line({"kind": "control", "id": 5, "accepted": True})
        + encode_line({"kind": "control", "id": "x", "accepted": "yes", "step": "1"})
    )
    answer = wait_for_answer(folder, "x", 0.0)
    assert answer is not None and not answer.accepted and answer.step == 0


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="the system does not list open descriptors")
def test_an_attempt_that_ended_leaves_no_descriptor_open(folder: RunFolder) -> None:
    def open_there() -> list[str]:
        targets = [path.readlink() for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
        return [str(target) for target in targets if target.is_relative_to(folder.path)]

    begin_attempt(folder, 1, 0, lambda done, total: None)
    link = WorkerLink(folder, 1, signals=False)
    link.metric(1, epoch=1, tokens=1, elapsed=1.0, loss=1.0, lr=1.0)
    link.event(EventKind.WARNING, 1, message="x")
    link.finish(State.STOPPED, Reason.REQUEST, "enough")
    assert open_there() == []
