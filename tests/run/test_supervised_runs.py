"""The real supervisor with a fake trainer: starts, stops, pauses, requests, and going on without a gap."""

import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from run_helpers import FakeRun, assert_gap_free, wait_for

from engine.errors import UserError
from engine.run.checkpoints import newest, scan
from engine.run.control import ask
from engine.run.delete import delete_run
from engine.run.exit_codes import WorkerExit
from engine.run.folder import RunFolder
from engine.run.jsonl_log import LineWriter
from engine.run.lock import is_held
from engine.run.process import is_alive
from engine.run.schema import Reason, Request, State
from engine.run.start import start_run
from engine.run.view import RunView

MakeRun = Callable[..., FakeRun]
ENDLESS = 100_000


def test_a_run_finishes_and_tells_all_of_it(fake_run: MakeRun) -> None:
    run = fake_run(steps=25)
    run.start()
    end = run.wait_for_end()
    assert end.state is State.FINISHED and not end.is_inferred
    assert end.status is not None
    assert (end.status.step, end.status.total_steps, end.status.reason) == (25, 25, Reason.COMPLETE)
    assert end.status.worker is None and end.status.outcome is None
    assert_gap_free(run, 25)
    assert [event["kind"] for event in run.events()] == [
        "attempt", "started", "checkpoint", "checkpoint", "checkpoint", "finished",
    ]  # fmt: skip
    (attempt,) = run.folder.read_manifest().attempts
    assert (attempt.attempt, attempt.start_step, attempt.from_checkpoint) == (1, 0, None)
    assert (attempt.exact, attempt.device, attempt.versions) == (True, "none", {"fake": "1"})
    assert (attempt.end_state, attempt.end_step, attempt.exit_code) == ("finished", 25, WorkerExit.DONE)
    assert attempt.ended is not None and attempt.ended > attempt.started
    wait_for(lambda: not is_held(run.folder.lock), "the lock")
    with pytest.raises(UserError, match="finished"):  # trap 14: not resumed to zero steps in silence
        run.start()
    run.start(again=True)
    assert run.wait_for_end().status.attempt == 2  # type: ignore[union-attr]


def test_signals_save_and_stop_and_the_run_goes_on_gap_free(fake_run: MakeRun) -> None:
    run = fake_run(steps=60, step_seconds=0.01)
    starts = [0]
    for number in (signal.SIGTERM, signal.SIGINT):
        run.start()
        run.wait_for_step(starts[-1] + 7)
        run.signal(run.supervisor, number)
        end = run.wait_for_end()
        assert (end.state, end.status.reason) == (State.STOPPED, Reason.SIGNAL)  # type: ignore[union-attr]
        starts.append(end.status.step)  # type: ignore[union-attr]
        saved = newest(run.folder)
        assert saved is not None and starts[-2] + 7 <= saved.step == starts[-1] < 60
        assert_gap_free(run, saved.step)
    run.start()
    assert run.wait_for_end().state is State.FINISHED
    assert_gap_free(run, 60)
    assert [attempt.start_step for attempt in run.folder.read_manifest().attempts] == starts


def test_a_second_signal_stops_at_once_and_resume_repeats_only_the_unsaved(fake_run: MakeRun) -> None:
    run = fake_run(steps=40, step_seconds=0.005, fault="hang", fault_step=25)
    run.start()
    run.wait_for_step(25)
    run.signal(run.supervisor, signal.SIGTERM)
    wait_for(lambda: "about to hang" in run.folder.trainer_log.read_text())
    time.sleep(0.3)
    assert run.observe().state is State.RUNNING  # it hangs: the first signal alone does not kill
    run.signal(run.supervisor, signal.SIGTERM)
    end = run.wait_for_end()
    assert (end.state, end.status.reason) == (State.STOPPED, Reason.KILLED)  # type: ignore[union-attr]
    assert "20" in end.message
    run.start()
    assert run.wait_for_end().state is State.FINISHED
    assert run.folder.read_manifest().attempts[1].start_step == 20
    assert_gap_free(run, 40)


def test_a_stop_before_the_worker_took_its_signals(fake_run: MakeRun) -> None:
    run = fake_run(steps=ENDLESS)
    run.start()
    run.signal(run.supervisor, signal.SIGTERM)
    end = run.wait_for_end()
    assert (end.state, end.status.reason) == (State.STOPPED, Reason.SIGNAL)  # type: ignore[union-attr]


def test_requests_are_answered_and_done(fake_run: MakeRun) -> None:
    run = fake_run(steps=ENDLESS, step_seconds=0.005, save_every=ENDLESS)
    run.start()
    run.wait_for_step(2)
    answer = ask(run.folder, "save", {"keep": True})
    assert answer is not None and answer.accepted and answer.step >= 2
    assert [info.step for info in scan(run.folder) if info.record and info.record.keep] == [answer.step]
    assert ask(run.folder, "set", {"lr_scale": 0.5}).accepted  # type: ignore[union-attr]
    wait_for(lambda: RunView(run.folder).poll() and run.status().lr == 0.5e-3)
    assert ask(run.folder, "sample", {"prompt": "从前"}).accepted  # type: ignore[union-attr]
    assert run.events("sample")[0]["prompt"] == "从前"
    refused = ask(run.folder, "continue")
    assert refused is not None and not refused.accepted and "not paused" in refused.reason
    stopped = ask(run.folder, "stop")
    assert stopped is not None and stopped.accepted
    assert run.wait_for_end().state is State.STOPPED
    assert_gap_free(run, stopped.step)


def test_pause_frees_the_worker_and_continue_is_gap_free(fake_run: MakeRun) -> None:
    run = fake_run(steps=60, step_seconds=0.005)
    run.start()
    worker = run.wait_for_step(5).worker
    assert worker is not None
    paused_at = ask(run.folder, "pause")
    assert paused_at is not None and paused_at.accepted
    paused = run.wait_for_state(State.PAUSED)
    assert is_alive(worker) is False
    assert paused.is_live and paused.status.worker is None  # type: ignore[union-attr]
    for op, accepted in (("save", True), ("pause", False), ("sample", False)):
        answer = ask(run.folder, op)
        assert answer is not None and answer.accepted is accepted, op
    with pytest.raises(UserError, match="already running"):
        start_run(run.folder, worker="fake_trainer")
    answer = ask(run.folder, "continue")
    assert answer is not None and answer.accepted
    assert run.wait_for_end().state is State.FINISHED
    assert_gap_free(run, 60)
    first, second = run.folder.read_manifest().attempts
    assert (first.end_state, first.exit_code) == ("paused", WorkerExit.PAUSED)
    assert second.start_step == first.end_step == paused_at.step


def test_a_paused_run_can_be_stopped(fake_run: MakeRun) -> None:
    runs = {how: fake_run(steps=ENDLESS).start() for how in ("request", "signal")}
    for run in runs.values():
        run.wait_for_step(3)
        ask(run.folder, "pause")
        run.wait_for_state(State.PAUSED)
    assert ask(runs["request"].folder, "stop").accepted  # type: ignore[union-attr]
    runs["signal"].signal(runs["signal"].supervisor, signal.SIGTERM)
    for how, run in runs.items():
        end = run.wait_for_end()
        assert end.state is State.STOPPED and end.status.reason == how  # type: ignore[union-attr]


def test_a_request_expires_with_its_attempt(fake_run: MakeRun) -> None:
    run = fake_run(steps=40, step_seconds=0.005, fault="signal SIGKILL")
    run.start()
    run.wait_for_end()
    old_stop = Request(attempt=1, step=15, id="old-stop", op="stop")
    writer = LineWriter(run.folder.control)
    writer.append(old_stop.model_dump())
    run.start()
    assert run.wait_for_end().state is State.FINISHED
    (answer,) = [event for event in run.events("control") if event["id"] == "old-stop"]
    assert not answer["accepted"] and "attempt 1" in answer["reason"]


def test_broken_requests_hurt_nobody(fake_run: MakeRun) -> None:
    run = fake_run(steps=ENDLESS)
    run.start()
    run.wait_for_step(1)
    with run.folder.control.open("ab") as control:
        control.write(b'not json\n[]\n{"op": "stop"}\n\xff\xfe\n' + b"x" * 200_000 + b"\n")
        control.write(b'{"v":1,"attempt":1,"step":0,"id":"a","op":"explode"}\n')
        control.write(b'{"v":1,"attempt":1,"step":0,"id":"b","op":"set","args":{"lr_scale":-1}}\n')
        control.write(b'{"v":1,"attempt":"x","step":0,"id":"c","op":"stop"}\n')
        control.write(b'{"v":1,"attempt":1,"step":0,"id":"d","op":"stop","args":{"later":true}}\n{"torn')
    answer = ask(run.folder, "save")  # closes the torn line, and is still understood
    assert answer is not None and answer.accepted
    answers = {event["id"]: event for event in run.events("control")}
    assert all(not answers[request_id]["accepted"] for request_id in "abcd")
    assert "explode" in answers["a"]["reason"] and "lr_scale" in answers["b"]["reason"]
    assert "attempt" in answers["c"]["reason"] and "later" in answers["d"]["reason"]
    assert run.observe().state is State.RUNNING
    broken = [event for event in run.events("control") if event["id"] is None]
    assert sum(int(event["reason"].split()[0]) for event in broken) == 6


def test_two_starts_at_once_one_wins(fake_run: MakeRun) -> None:
    run = fake_run(steps=ENDLESS)
    refused: list[UserError] = []

    def start() -> None:
        try:
            start_run(run.folder, worker="fake_trainer")
        except UserError as error:
            refused.append(error)

    threads = [threading.Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 2
    run.wait_for_step(1)
    assert run.supervisor is not None
    assert all(f"process {run.supervisor.pid} on" in str(error) for error in refused)
    assert len(run.folder.read_manifest().attempts) == 1
    with pytest.raises(UserError, match="already running"):
        delete_run(run.folder)


def test_readers_never_see_half_a_status(fake_run: MakeRun) -> None:
    run = fake_run(steps=150, step_seconds=0.0005, save_every=50)
    run.start()
    looks, last = 0, (0, 0)
    while (seen := run.observe()).state is not State.FINISHED:
        assert seen.state in (State.STARTING, State.RUNNING, State.STOPPING), seen
        assert seen.status is not None
        now = (seen.status.attempt, seen.status.step)
        assert now >= last
        last = now
        looks += 1
    assert looks > 50


def test_a_supervisor_that_cannot_begin_says_why(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with pytest.raises(UserError, match=r"manifest\.json"):
        start_run(folder)
