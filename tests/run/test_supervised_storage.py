"""The real supervisor over a disk that fills up, and over a folder that somebody deletes while its run trains."""

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from run_helpers import FakeRun, assert_gap_free, losses_of, uninterrupted_losses, wait_for
from small_disk import mounted

from engine.errors import UserError
from engine.run.checkpoints import newest_valid, scan, verify
from engine.run.control import ask, send_request
from engine.run.jsonl_log import LineWriter
from engine.run.observe import observe
from engine.run.schema import Reason, State

MakeRun = Callable[..., FakeRun]


def test_a_disk_that_is_full_to_the_end_is_told_and_the_end_is_written_once_there_is_room(
    fake_run: MakeRun, tmp_path: Path
) -> None:
    with mounted(tmp_path / "runs") as disk:
        run = fake_run(steps=60, step_seconds=0.01)
        run.start()
        run.wait_for_step(25)
        disk.fill()
        end = run.wait_for_state(State.FINISHED)  # status.json is written in place
        assert end.status is not None and end.status.step == 60
        assert [info.step for info in scan(run.folder) if not verify(info)][-1] <= 20
        disk.free()
        wait_for(lambda: run.events("finished"), "the event of the end")  # the supervisor tries for a while
        wait_for(lambda: run.folder.read_manifest().attempts[-1].end_state, "the end in the manifest")
        run.wait_for_end()
        # what was lost with the worker is made again from the last checkpoint that holds
        run.start(again=True)
        run.wait_for_end()
        assert_gap_free(run, 60)
        run.clean_up()


def test_a_deleted_folder_comes_back_while_its_run_lives(fake_run: MakeRun) -> None:
    run = fake_run(steps=400, step_seconds=0.005, save_every=20)
    run.start()
    run.wait_for_step(30)
    gone = run.folder.path.rename(run.folder.path.with_name("gone"))  # else it writes while it is deleted
    shutil.rmtree(gone)
    wait_for(lambda: run.folder.status.exists() and run.events("warning"), "the folder")
    assert "manifest.json" in run.events("warning")[0]["message"]
    assert observe(run.folder).is_live  # it can be seen, and asked
    with pytest.raises(Exception, match=r"is (already )?running"):
        run.start()
    answer = ask(run.folder, "save", {"keep": True})
    assert answer is not None and answer.accepted
    end = run.wait_for_end()
    assert end.state is State.FINISHED
    steps, losses = losses_of(run)
    assert steps == list(range(steps[0], 401)) and losses == uninterrupted_losses(400)[steps[0] - 1 :]
    found = newest_valid(run.folder, lambda info, problem, aside: pytest.fail(problem))
    assert found is not None and found.step == 400
    assert run.folder.read_manifest().attempts[-1].end_state == "finished"


def test_a_folder_that_is_moved_away_and_back_loses_nothing(fake_run: MakeRun) -> None:
    run = fake_run(steps=300, step_seconds=0.005)
    run.start()
    run.wait_for_step(30)
    away = run.folder.path.with_name("away")

    def move() -> None:
        run.folder.path.rename(away)
        time.sleep(0.3)
        away.rename(run.folder.path)

    mover = threading.Thread(target=move)
    mover.start()
    mover.join()
    assert run.wait_for_end().state is State.FINISHED
    assert_gap_free(run, 300)


def test_a_stop_reaches_a_run_whose_folder_cannot_be_written(
    fake_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = fake_run(steps=100_000, step_seconds=0.005)
    run.start()
    run.wait_for_step(5)

    def refuse(writer: LineWriter, record: object, *, durable: bool = False) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(LineWriter, "append", refuse)
    with pytest.raises(UserError, match="No space"):
        send_request(run.folder, "pause")
    send_request(run.folder, "stop")  # by a signal
    end = run.wait_for_end()
    assert end.state is State.STOPPED and end.status is not None and end.status.reason == Reason.SIGNAL
    monkeypatch.undo()


def test_a_stop_at_once_too(fake_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    run = fake_run(steps=40, step_seconds=0.005, fault="hang", fault_step=15)
    run.start()
    run.wait_for_step(15)

    def refuse(writer: LineWriter, record: object, *, durable: bool = False) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(LineWriter, "append", refuse)
        send_request(run.folder, "stop", {"now": True})
    end = run.wait_for_end()
    assert end.state is State.STOPPED and end.status is not None and end.status.reason == Reason.KILLED
