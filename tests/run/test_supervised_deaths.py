"""The real supervisor with a fake trainer: crashes, kills, full disks, and what is left afterwards."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from run_helpers import FakeRun, assert_gap_free, wait_for

from engine.errors import UserError
from engine.run.checkpoints import newest
from engine.run.control import ask, send_request
from engine.run.exit_codes import WorkerExit
from engine.run.lock import is_held
from engine.run.process import is_alive, this_process
from engine.run.schema import Outcome, Reason, State, Status
from engine.run.start import start_run
from engine.run.status import encode_record
from engine.run.view import RunView

MakeRun = Callable[..., FakeRun]
ENDLESS = 100_000


def test_stop_now_ends_a_worker_that_answers_nothing(fake_run: MakeRun) -> None:
    run = fake_run(steps=40, fault="hang", spawn_child=True)
    run.start()
    run.wait_for_step(15)
    child = int(wait_for(lambda: _text(run.folder.path / "child.pid")))
    assert ask(run.folder, "pause", timeout=0.3) is None
    answer = ask(run.folder, "stop", {"now": True})
    assert answer is not None and answer.accepted
    end = run.wait_for_end()
    assert (end.state, end.status.reason) == (State.STOPPED, Reason.KILLED)  # type: ignore[union-attr]
    wait_for(lambda: not Path(f"/proc/{child}").exists() or _is_zombie(child), "the worker's child's end")
    (paused,) = [event for event in run.events("control") if event["op"] == "pause"]
    assert not paused["accepted"] and "ended" in paused["reason"]  # nothing stays without an answer


def test_every_way_to_end_is_told_in_words(fake_run: MakeRun) -> None:
    died, said = (State.FAILED, Reason.WORKER_DIED), (State.FAILED, Reason.ERROR)
    endings: list[tuple[dict[str, object], tuple[State, Reason], list[str]]] = [
        ({"fault": "signal SIGKILL"}, died, ["SIGKILL", "about to signal SIGKILL"]),
        ({"fault": "signal SIGSEGV"}, died, ["native code", "about to signal SIGSEGV"]),
        ({"fault": "exit 0"}, died, ["exit code 0", "about to exit 0"]),
        ({"fault": "raise", "silent": True}, died, ["exit code 1", "RuntimeError: the fake trainer broke"]),
        ({"fault": "raise"}, said, ["RuntimeError: the fake trainer broke"]),
        ({"fault": "user_error"}, (State.FAILED, Reason.USER_ERROR), ["data.jsonl is gone"]),
        ({"fault": "crash after finish"}, (State.FINISHED, Reason.COMPLETE), ["done"]),
    ]
    runs = [fake_run(steps=20, **plan) for plan, _end, _words in endings]
    lost = fake_run(steps=1)
    for run in runs:
        run.start(max_restarts=5 if run is runs[5] else 0)  # a user's mistake is not tried again
    start_run(lost.folder, worker="no_such_worker")
    for run, (plan, expected, words) in zip(runs, endings, strict=True):
        end = run.wait_for_end()
        assert end.status is not None
        assert (end.state, end.status.reason) == expected, plan
        assert all(word in end.message for word in words), end.message
        assert run.events(end.state)[0]["message"] == end.message
        assert end.status.attempt == 1
    assert runs[4].observe().message == "RuntimeError: the fake trainer broke"  # the worker's own words, and no more
    assert "crashed on leaving" in runs[6].events("warning")[0]["message"]
    assert runs[4].folder.read_manifest().attempts[0].exit_code == WorkerExit.FAILED
    assert "no_such_worker" in lost.wait_for_end().message


def test_restarts_within_the_limit(fake_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    run = fake_run(steps=30, fault="signal SIGKILL")
    run.start(max_restarts=1)
    assert run.wait_for_end().state is State.FINISHED
    assert_gap_free(run, 30)
    (restart,) = run.events("restart")
    assert "Restarts left: 0" in restart["message"]
    assert "SIGKILL" in run.events("error")[0]["message"]
    first, second = run.folder.read_manifest().attempts
    assert (first.end_state, first.exit_code, second.start_step) == ("failed", -signal.SIGKILL, 10)


def test_torn_logs_are_closed_and_rewound(fake_run: MakeRun) -> None:
    run = fake_run(steps=40, fault="tear")
    run.start()
    assert run.wait_for_end().state is State.FAILED
    run.start()
    assert run.wait_for_end().state is State.FINISHED
    assert_gap_free(run, 40)
    view = RunView(run.folder)
    view.read_all()
    assert view.bad_lines == 6  # three in each log: garbage, no object, torn
    assert [event["kind"] for event in view.events].count("attempt") == 2


def test_a_killed_supervisor_makes_its_worker_save_and_stop(fake_run: MakeRun) -> None:
    run = fake_run(steps=ENDLESS, step_seconds=0.005, save_every=ENDLESS)
    run.start()
    worker = run.wait_for_step(5).worker
    run.signal(run.supervisor, signal.SIGKILL)
    end = run.wait_for_state(State.STOPPED)
    assert end.status.reason == Reason.SUPERVISOR_LOST  # type: ignore[union-attr]
    wait_for(lambda: worker is not None and is_alive(worker) is False)
    saved = newest(run.folder)
    assert saved is not None and saved.step == end.status.step  # type: ignore[union-attr]
    assert_gap_free(run, saved.step)
    run.start()
    run.wait_for_step(saved.step + 1)
    ask(run.folder, "stop")
    run.wait_for_end()


def test_a_worker_left_alone_keeps_the_run_locked(fake_run: MakeRun) -> None:
    run = fake_run(steps=40, fault="hang")  # it notices, and cannot stop
    run.start()
    run.wait_for_step(15)
    supervisor, worker = run.supervisor, run.worker
    run.signal(supervisor, signal.SIGKILL)
    wait_for(lambda: supervisor is not None and is_alive(supervisor) is False)
    assert is_held(run.folder.lock)
    seen = run.observe()
    assert seen.state is State.STOPPING and seen.is_inferred and seen.written is State.RUNNING
    with pytest.raises(UserError, match="its worker still saves"):
        start_run(run.folder, worker="fake_trainer")
    run.signal(worker, signal.SIGKILL)
    assert run.wait_for_state(State.CRASHED).is_inferred
    wait_for(lambda: not is_held(run.folder.lock), "the lock")


def test_when_both_are_killed_a_viewer_infers_it(fake_run: MakeRun) -> None:
    run = fake_run(steps=ENDLESS, step_seconds=0.005)
    run.start()
    run.wait_for_step(12)
    run.signal(run.supervisor, signal.SIGSTOP)  # so that it cannot speak for its worker
    run.signal(run.worker, signal.SIGKILL)
    run.signal(run.supervisor, signal.SIGKILL)
    seen = run.wait_for_state(State.CRASHED)
    assert seen.is_inferred and not seen.is_live and seen.written is State.RUNNING
    assert "step 10" in seen.message or "step 20" in seen.message
    with pytest.raises(UserError, match="crashed"):
        send_request(run.folder, "stop")
    run.start()
    run.wait_for_step(13)
    assert run.folder.read_manifest().attempts[0].ended is None


def test_an_end_that_the_supervisor_did_not_live_to_write_is_written_by_the_next(fake_run: MakeRun) -> None:
    run = fake_run(steps=10)
    run.start()
    run.wait_for_end()
    end = run.status()
    outcome = Outcome(state=State.FINISHED, reason=Reason.COMPLETE, message="done")
    gone = this_process().model_copy(update={"pid": 2**22 - 1})
    changes = {"state": State.STOPPING, "outcome": outcome, "reason": None, "supervisor": gone, "worker": gone}
    run.folder.status.write_bytes(encode_record(Status.model_validate(dict(end) | changes)))
    (run.folder.path / ".tmp-999999-0123abcd-status.json").write_bytes(b"{")
    assert run.observe().is_inferred
    with pytest.raises(UserError, match="finished"):
        run.start()
    seen = run.observe()
    assert (seen.state, seen.is_inferred) == (State.FINISHED, False)
    assert seen.status.reason == Reason.COMPLETE  # type: ignore[union-attr]
    assert not list(run.folder.path.glob(".*"))


def test_what_the_last_attempt_knew_of_a_step_is_known_when_the_next_begins_there(fake_run: MakeRun) -> None:
    run = fake_run(steps=10)
    run.start()
    run.wait_for_end()
    loss = run.status().loss
    assert loss is not None
    run.start(again=True)  # no update is left to make, so no line is logged that would tell the loss
    run.wait_for_end()
    assert run.status().attempt == 2 and run.status().loss == loss


def test_a_viewer_that_dies_and_a_hangup_leave_the_run_alone(fake_run: MakeRun) -> None:  # traps 13, 42
    run = fake_run(steps=ENDLESS, step_seconds=0.005)
    viewer = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time\nfrom pathlib import Path\nfrom engine.run.folder import RunFolder\n"
            "from engine.run.start import start_run\nfrom engine.run.view import RunView\n"
            "folder = RunFolder(Path(sys.argv[1]))\nstart_run(folder, worker='fake_trainer')\nview = RunView(folder)\n"
            "while True: view.poll(); time.sleep(0.01)",
            str(run.folder.path),
        ],
        start_new_session=True,
    )
    wait_for(run.folder.status.exists)
    run.wait_for_step(1)
    for process in (run.supervisor, run.worker):
        assert process is not None and os.getsid(process.pid) != viewer.pid
    os.killpg(viewer.pid, signal.SIGKILL)
    viewer.wait()
    for process in (run.supervisor, run.worker):
        run.signal(process, signal.SIGHUP)
    run.wait_for_step(run.status().step + 20)
    for process in (run.supervisor, run.worker) if sys.platform == "linux" else ():
        assert process is not None
        opened = Path(f"/proc/{process.pid}/fd")
        assert (opened / "0").readlink() == Path("/dev/null")
        assert (opened / "1").readlink() == run.folder.trainer_log


def test_a_damaged_checkpoint_is_set_aside_and_named(fake_run: MakeRun) -> None:
    run = fake_run(steps=30, fault="signal SIGKILL", fault_step=25)
    run.start()
    run.wait_for_end()
    state = run.folder.checkpoints / "step-00000020" / "model.bin"
    state.write_bytes(b"\1" + state.read_bytes()[1:])
    run.start()
    assert run.wait_for_end().state is State.FINISHED
    assert_gap_free(run, 30)
    (bad,) = run.events("checkpoint_bad")
    assert bad["bad_step"] == 20 and "model.bin" in bad["problem"]
    assert (run.folder.checkpoints / "step-00000020.bad-1").is_dir()
    assert run.folder.read_manifest().attempts[1].start_step == 10


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_disk_too_full_to_open_an_attempt_says_so_and_loses_nothing(fake_run: MakeRun) -> None:
    run = fake_run(steps=30, step_seconds=0.003)
    run.start()
    run.wait_for_step(5)
    log = run.folder.metrics
    # the worker holds the old file open; the next attempt would open this one
    ask(run.folder, "pause")
    run.wait_for_state(State.PAUSED)
    log.rename(log.with_suffix(".kept"))
    log.symlink_to("/dev/full")
    ask(run.folder, "continue")
    end = run.wait_for_end()
    assert end.state is State.FAILED  # an attempt cannot be opened without its header
    assert "space" in end.message.lower()
    log.unlink()
    log.with_suffix(".kept").rename(log)
    run.start()
    assert run.wait_for_end().state is State.FINISHED
    assert_gap_free(run, 30)


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _is_zombie(pid: int) -> bool:
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True
