"""What status.json says, and what a viewer makes of it when the processes tell another story."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from run_helpers import wait_for

from engine.language import set_language
from engine.run.clock import awake_seconds, now_utc_iso, utc_iso
from engine.run.folder import RunFolder
from engine.run.lock import RunLock
from engine.run.observe import SILENCE_SECONDS, observe
from engine.run.phase_words import phase_word
from engine.run.process import this_process
from engine.run.schema import Outcome, Phase, ProcessIdentity, State, Status
from engine.run.status import StatusWriter, encode_record, read_status

ME = this_process()
GONE = ME.model_copy(update={"start": ME.start - 100.0})  # the pid lives, the process does not
ELSEWHERE = ME.model_copy(update={"host": "gpu-box"})


def put(folder: RunFolder, *, age: float = 0.5, idle: float | None = None, **values: Any) -> Status:
    """A status.json written `age` seconds ago, whose work advanced `idle` seconds ago."""
    idle = age if idle is None else idle
    defaults: dict[str, Any] = {
        "attempt": 1,
        "step": 50,
        "state": State.RUNNING,
        "host": ME.host,
        "supervisor": ME,
        "worker": ME,
        "last_checkpoint": 40,
        "heartbeat": utc_iso(time.time() - age),
        "heartbeat_clock": awake_seconds() - age,
        "progress_at": utc_iso(time.time() - idle),
        "progress_clock": awake_seconds() - idle,
        "usual_interval": 0.5,
        "phase": Phase.TRAINING,
    }
    status = Status.model_validate(defaults | values)
    folder.status.write_bytes(encode_record(status))
    return status


def refuse_with(number: int) -> Callable[..., None]:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


def test_never_started(folder: RunFolder) -> None:
    seen = observe(folder)
    assert seen.state is State.CREATED and seen.is_inferred and not seen.is_live and seen.status is None


def test_being_started(folder: RunFolder) -> None:
    lock = RunLock(folder.lock)
    lock.acquire()
    assert observe(folder).state is State.STARTING
    lock.release()


@pytest.mark.parametrize("state", [State.FINISHED, State.STOPPED, State.FAILED])
def test_a_final_state_is_believed_whatever_lives(folder: RunFolder, state: State) -> None:
    put(folder, state=state, supervisor=GONE, worker=None, age=1e6, message="the words")
    seen = observe(folder)
    assert seen.state is state and seen.message == "the words" and not seen.is_inferred and not seen.is_live


@pytest.mark.parametrize("state", [State.STARTING, State.RUNNING, State.STOPPING, State.PAUSED])
def test_processes_that_live_are_believed(folder: RunFolder, state: State) -> None:
    put(folder, state=state, worker=None if state is State.PAUSED else ME)
    seen = observe(folder)
    assert seen.state is state and seen.is_live and not seen.is_inferred
    assert seen.silent_s is not None and 0.4 < seen.silent_s < 5


@pytest.mark.parametrize("state", [State.STARTING, State.RUNNING, State.STOPPING, State.PAUSED])
def test_crashed_when_the_processes_are_gone_although_the_pid_lives(folder: RunFolder, state: State) -> None:
    put(folder, state=state, supervisor=GONE, worker=GONE)
    seen = observe(folder)
    assert seen.state is State.CRASHED and seen.is_inferred and not seen.is_live
    assert "step 40" in seen.message and "gone" in seen.how
    put(folder, state=state, supervisor=GONE, worker=None, last_checkpoint=None)
    assert "Nothing was saved" in observe(folder).message


def test_a_worker_left_alone_is_stopping(folder: RunFolder) -> None:
    put(folder, supervisor=GONE)
    seen = observe(folder)
    assert seen.state is State.STOPPING and seen.is_live and seen.is_inferred


def test_the_worker_s_last_words_count_when_the_supervisor_died_before_it_wrote_them(folder: RunFolder) -> None:
    put(
        folder,
        state=State.STOPPING,
        supervisor=GONE,
        worker=GONE,
        outcome=Outcome(state=State.FINISHED, reason="complete", message="all done"),
    )
    seen = observe(folder)
    assert seen.state is State.FINISHED and seen.is_inferred and seen.message == "all done"


@pytest.mark.parametrize(
    ("idle", "usual", "phase", "stalled"),
    [
        (50, 0.1, Phase.TRAINING, False),  # less than the least
        (70, 0.1, Phase.TRAINING, True),
        (70, 10, Phase.TRAINING, False),  # updates of ten seconds
        (210, 10, Phase.TRAINING, True),
        (300, 0.1, Phase.COMPILING, False),  # a compiler may take its time
        (2000, 0.1, Phase.COMPILING, True),
        (70, None, None, True),
        (70, 0.1, "a phase of the future", True),
    ],
)
def test_stalled_is_judged_by_the_usual_pace(
    folder: RunFolder, idle: float, usual: float | None, phase: str | None, stalled: bool
) -> None:
    put(folder, idle=idle, usual_interval=usual, phase=phase)
    seen = observe(folder)
    assert (seen.state is State.STALLED) is stalled
    if stalled:
        assert seen.is_live and seen.is_inferred and "step 50" in seen.message


def test_the_phase_of_a_stall_is_told_in_the_person_s_language(folder: RunFolder) -> None:
    put(folder, idle=5000, phase=Phase.TOKENISING)
    assert "tokenising" in observe(folder).message
    set_language("zh")
    message = observe(folder).message
    assert "tokenising" not in message and phase_word(Phase.TOKENISING) in message


def test_a_pause_is_never_a_stall(folder: RunFolder) -> None:
    put(folder, state=State.PAUSED, idle=1e5, worker=None)
    assert observe(folder).state is State.PAUSED


def test_a_night_asleep_and_a_changed_wall_clock_are_no_stall(folder: RunFolder) -> None:  # trap 41
    night = utc_iso(time.time() - 8 * 3600)
    put(folder, heartbeat=night, progress_at=night)  # the awake clocks say half a second ago
    assert observe(folder).state is State.RUNNING
    tomorrow = utc_iso(time.time() + 1e5)
    put(folder, heartbeat=tomorrow, progress_at=tomorrow)
    assert observe(folder).state is State.RUNNING
    put(folder, heartbeat=tomorrow, progress_at=tomorrow, progress_clock=awake_seconds() - 300)
    assert observe(folder).state is State.STALLED


def test_another_machine_is_judged_by_its_heartbeat(folder: RunFolder) -> None:
    put(folder, supervisor=ELSEWHERE, worker=ELSEWHERE, host="gpu-box", age=5)
    seen = observe(folder)
    assert seen.state is State.RUNNING and seen.is_live and "gpu-box" in seen.how
    put(folder, supervisor=ELSEWHERE, worker=ELSEWHERE, host="gpu-box", age=SILENCE_SECONDS + 30)
    seen = observe(folder)
    assert seen.state is State.CRASHED and "gpu-box" in seen.how and "90 s" in seen.how
    put(folder, supervisor=ELSEWHERE, worker=ELSEWHERE, host="gpu-box", heartbeat="")
    assert observe(folder).state is State.CRASHED


def test_a_restarted_machine_does_not_believe_its_old_heartbeat(folder: RunFolder) -> None:
    before = ME.model_copy(update={"boot": "the boot before"})
    put(folder, supervisor=before, worker=before, age=30)
    seen = observe(folder)
    assert seen.state is (State.CRASHED if ME.boot else State.RUNNING)
    put(folder, supervisor=before, worker=before, age=2)  # may be another machine of the same name
    assert observe(folder).is_live


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"state": "dancing"}', "\0" * 100])
def test_a_status_that_cannot_be_understood_is_no_reason_to_fall(folder: RunFolder, text: str) -> None:
    folder.status.write_text(text)
    assert read_status(folder.status) is None
    assert observe(folder).state is State.CRASHED
    lock = RunLock(folder.lock)
    lock.acquire()
    assert observe(folder).state is State.RUNNING
    lock.release()


def test_unknown_keys_and_states_of_a_newer_writer(folder: RunFolder) -> None:
    status = put(folder, brand_new={"a": 1})
    assert status.model_extra == {"brand_new": {"a": 1}}
    assert observe(folder).state is State.RUNNING


class TestWriter:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "status.json"

    def writer(self, path: Path, **options: Any) -> StatusWriter:
        return StatusWriter(path, Status(attempt=1, step=0, state=State.RUNNING), **options)

    def read(self, path: Path) -> Status:
        status = read_status(path)
        assert status is not None
        return status

    def test_an_update_is_on_disk_and_a_note_waits_for_the_heartbeat(self, path: Path) -> None:
        writer = self.writer(path, heartbeat_seconds=0.05)
        writer.update(step=3, loss=2.5)
        assert (self.read(path).step, self.read(path).loss) == (3, 2.5)
        writer.note(micro_batch=4)
        assert self.read(path).micro_batch is None
        writer.start()
        wait_for(lambda: self.read(path).micro_batch == 4)
        writer.stop()

    def test_the_heartbeat_goes_on_and_progress_does_not(self, path: Path) -> None:
        writer = self.writer(path, heartbeat_seconds=0.02)
        writer.update(step=1)
        first = self.read(path)
        writer.start()
        wait_for(lambda: self.read(path).heartbeat > first.heartbeat)
        writer.update(loss=1.0, message="no progress either")
        now = self.read(path)
        assert (now.progress_at, now.progress_clock) == (first.progress_at, first.progress_clock)
        time.sleep(0.005)
        writer.update(step=2)
        assert self.read(path).progress_clock > first.progress_clock  # type: ignore[operator]
        writer.stop()
        last = path.read_bytes()
        time.sleep(0.1)
        assert path.read_bytes() == last  # after stop nobody writes

    def test_the_promise_of_two_seconds_holds_without_any_call(self, path: Path) -> None:
        writer = self.writer(path)
        writer.start()
        first = self.read(path).heartbeat
        wait_for(lambda: self.read(path).heartbeat > first, patience=2.0)
        writer.stop()

    def test_the_usual_interval_follows_the_pace(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        now = 100.0
        monkeypatch.setattr("engine.run.status.awake_seconds", lambda: now)
        writer = self.writer(path)
        writer.update(phase=Phase.COMPILING)
        for gap, step in ((500.0, 1), (2.0, 2), (1.0, 3)):
            now += gap
            writer.update(step=step, phase=Phase.TRAINING)
        assert writer.status.usual_interval == pytest.approx(1.8)  # not the 500 s of another phase; the 2 s fade
        for step in range(4, 60):
            now += 1.0
            writer.update(step=step)
        assert writer.status.usual_interval == pytest.approx(1.0)

    def test_mistakes_of_the_programmer_are_told_and_change_nothing(self, path: Path) -> None:
        writer = self.writer(path)
        with pytest.raises(TypeError, match="stepp"):
            writer.update(stepp=1)
        with pytest.raises(ValidationError):
            writer.update(step="many")
        assert writer.status.step == 0

    def test_a_disk_that_refuses_stops_nobody(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        writer = self.writer(path)
        writer.update(step=1)
        with monkeypatch.context() as patch:
            patch.setattr("engine.run.status.write_atomic", refuse_with(errno.EIO))
            writer.update(step=2)
        assert writer.error is not None and self.read(path).step == 1
        writer.update()
        assert writer.error is None and self.read(path).step == 2

    def test_a_full_disk_is_still_told_of(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        writer = self.writer(path)
        with monkeypatch.context() as patch:
            patch.setattr("engine.run.status.write_atomic", refuse_with(errno.ENOSPC))
            writer.update(step=1)
            assert writer.error is not None  # there is no file yet to be overwritten
        writer.update(message="a long message " * 20)
        inode = path.stat().st_ino
        monkeypatch.setattr("engine.run.status.write_atomic", refuse_with(errno.ENOSPC))
        for message in ("short", "the disk is full, in many words " * 30, "short again"):
            writer.update(state=State.FAILED, message=message)
            assert writer.error is None and path.stat().st_ino == inode
            assert (self.read(path).state, self.read(path).message) == (State.FAILED, message)

    def test_many_threads_and_a_hammering_reader(self, path: Path) -> None:
        writer = self.writer(path, heartbeat_seconds=0.001)
        writer.start()

        def work() -> None:
            for number in range(100):
                writer.update(step=number, message="x" * (number * 30))

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        looks = 0
        while any(thread.is_alive() for thread in threads):
            status = self.read(path)  # whole at every look
            assert status.message is None or status.message == "x" * (status.step * 30)
            looks += 1
        writer.stop()
        assert looks > 10
        assert [one.name for one in path.parent.iterdir()] == ["status.json"]


def test_a_writer_killed_at_any_moment_leaves_a_whole_status(folder: RunFolder) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom engine.run.schema import Status\n"
        "from engine.run.status import StatusWriter\n"
        "writer = StatusWriter(Path(sys.argv[1]), Status(attempt=1, step=0, state='running'))\n"
        "n = 0\nwhile True:\n    n += 1\n    writer.update(step=n, message='y' * (n % 5000))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(folder.status)])
    wait_for(lambda: (read_status(folder.status) or Status(attempt=0, step=0, state=State.RUNNING)).step > 20)
    process.send_signal(signal.SIGKILL)
    process.wait()
    status = read_status(folder.status)
    assert status is not None and status.step > 20 and len(status.message or "") == status.step % 5000


def test_a_loss_that_is_not_finite_is_null_in_the_file(folder: RunFolder) -> None:
    writer = StatusWriter(folder.status, Status(attempt=1, step=0, state=State.RUNNING))
    writer.update(loss=float("nan"))
    assert b'"loss":null' in folder.status.read_bytes() and observe(folder).status is not None


def test_an_identity_survives_the_file(folder: RunFolder) -> None:
    status = put(folder)
    read = read_status(folder.status)
    assert read is not None and read.supervisor == status.supervisor == ME
    assert ProcessIdentity.model_validate_json(ME.model_dump_json()) == ME
    assert read.t <= now_utc_iso()
