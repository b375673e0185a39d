"""Who is not of the run is never signalled, whatever status.json says; of many who start a run one wins."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from run_helpers import FakeRun, wait_for

from engine.errors import UserError
from engine.run.control import ask
from engine.run.delete import delete_run
from engine.run.folder import RunFolder
from engine.run.observe import observe
from engine.run.process import identify, runs_on
from engine.run.schema import Outcome, ProcessIdentity, Reason, State, Status
from engine.run.start import module_environment
from engine.run.status import encode_record, read_status

MakeRun = Callable[..., FakeRun]


@pytest.fixture
def stranger() -> Iterator[ProcessIdentity]:
    """A process that has nothing to do with any run, and notes signals by dying of them."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    found = identify(process.pid)
    assert found is not None
    yield found
    lived = process.poll() is None
    process.kill()
    process.wait()
    assert lived, "the stranger was signalled"


def forge(folder: RunFolder, process: ProcessIdentity, state: State = State.RUNNING) -> None:
    status = Status(attempt=1, step=5, state=state, host=process.host, supervisor=process, worker=process)
    folder.status.write_bytes(encode_record(status))


def test_a_reused_pid_is_nobody_and_the_run_is_deleted_without_a_signal(
    folder: RunFolder, stranger: ProcessIdentity
) -> None:
    forge(folder, stranger.model_copy(update={"start": stranger.start - 100}))
    assert observe(folder).state is State.CRASHED
    with pytest.raises(UserError):
        ask(folder, "stop", {"now": True}, timeout=0.2)
    delete_run(folder)
    assert not folder.path.exists()


def test_a_status_that_names_a_living_stranger_exactly_lets_nobody_signal_it(
    fake_run: MakeRun, stranger: ProcessIdentity
) -> None:
    run = fake_run(steps=100_000, fault="hang", fault_step=3)
    run.start()
    worker = run.wait_for_step(3).worker
    assert worker is not None
    run.signal(worker, signal.SIGSTOP)  # it writes nothing any more
    status = read_status(run.folder.status)
    assert status is not None
    outcome = Outcome(state=State.FAILED, reason=Reason.ERROR, message="gone")
    forged = status.model_copy(update={"worker": stranger, "outcome": outcome})
    run.folder.status.write_bytes(encode_record(forged))
    run.signal(worker, signal.SIGKILL)
    run.wait_for_end()


def test_a_stranger_is_told_from_a_worker_by_its_command(folder: RunFolder, stranger: ProcessIdentity) -> None:
    assert not runs_on(stranger, folder.path)
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", str(folder.path)])
    try:
        mine = identify(process.pid)
        assert mine is not None
        wait_for(lambda: runs_on(mine, folder.path), "its command line")
    finally:
        process.kill()
        process.wait()
    assert not runs_on(mine, folder.path)


@pytest.mark.parametrize("many", [2, 8])
def test_of_many_who_start_a_run_at_once_one_wins_and_the_others_say_so(fake_run: MakeRun, many: int) -> None:
    run = fake_run(steps=100_000)
    refusals: list[str] = []
    starts: list[int] = []
    together = threading.Barrier(many)

    def start() -> None:
        together.wait()
        try:
            run.start()
            starts.append(1)
        except UserError as error:
            refusals.append(str(error))

    threads = [threading.Thread(target=start) for _ in range(many)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(starts) == 1 and len(refusals) == many - 1
    assert all("running" in words for words in refusals), refusals
    assert [attempt.attempt for attempt in run.folder.read_manifest().attempts] == [1]
    ask(run.folder, "stop")
    run.wait_for_end()


def test_children_are_not_disturbed_by_what_a_person_set_for_other_programs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hostile = {"PYTHONINSPECT": "1", "PYTHONWARNINGS": "error", "PYTHONSTARTUP": "/nonexistent", "PYTHONOPTIMIZE": "2"}
    for name, value in (hostile | {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"}).items():
        monkeypatch.setenv(name, value)
    code = "import warnings, sys; warnings.warn('odd'); assert __debug__; print('训练')"
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env=module_environment(),
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.decode("utf-8").strip() == "训练"
    assert os.environ["PYTHONINSPECT"] == "1"  # ours is left alone
