"""Real trainings on disks that are full, broken or emptied: they go on, lose nothing that was saved, and say so."""

import errno
import os
import shutil
import sys
import time
from pathlib import Path

import pytest
from small_disk import mounted
from test_resume import assert_same
from training_runs import logged

from engine.run import checkpoints
from engine.run.checkpoints import CheckpointError, scan, verify
from engine.run.control import send_request
from engine.run.jsonl_log import read_lines
from engine.run.schema import Reason, State
from engine.run.status import read_status
from engine.train.ranks import Order


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr("engine.train.saves.FIRST_PAUSE", 0.02)
    monkeypatch.setattr("engine.train.saves.MOST_PAUSE", 0.02)
    monkeypatch.setattr("engine.train.saves._LOOK_SECONDS", 0.01)
    monkeypatch.setattr("engine.train.requests.POLL_SECONDS", 0.0)


def events(run, kind):
    return [line for line in read_lines(run.events) if line.get("kind") == kind]


class RefusingCalls:
    """The same without a mount: every way to write to the run's folder says that the disk is full."""

    def __init__(self, folder, monkeypatch, number=errno.ENOSPC):
        self.full = False
        self.number = number
        real_write, real_open, real_fsync = os.write, os.open, os.fsync
        real_file = checkpoints.HashingFile.write

        def write(fd, data):
            self._refuse(str(Path(f"/proc/self/fd/{fd}").readlink()) if sys.platform == "linux" else "")
            return real_write(fd, data)

        def open_(path, flags, *arguments, **options):
            if flags & os.O_CREAT:
                self._refuse(str(path))
            return real_open(path, flags, *arguments, **options)

        def write_file(file, data):
            self._refuse(str(file.path))
            return real_file(file, data)

        monkeypatch.setattr(os, "write", write)
        monkeypatch.setattr(os, "open", open_)
        monkeypatch.setattr(os, "fsync", lambda fd: self._refuse(str(folder)) or real_fsync(fd))
        monkeypatch.setattr(checkpoints.HashingFile, "write", write_file)
        self.folder = str(folder)

    def _refuse(self, path):
        if self.full and (not path or path.startswith(self.folder)):
            raise OSError(self.number, os.strerror(self.number))

    def fill(self):
        self.full = True

    def free(self):
        self.full = False


@pytest.fixture(params=["a small file system", "refusing calls"])
def disk(request, workshop, monkeypatch):
    runs = workshop.folder / "runs"
    if request.param == "refusing calls":
        runs.mkdir()
        yield RefusingCalls(runs, monkeypatch)
        return
    with mounted(runs) as small:
        yield small


def train_with(workshop, run, deeds):
    """One attempt, doing `deeds[step]` once that update is made; the trainer and how it ended."""
    trainer = workshop.trainer(run)
    advance = trainer._advance

    def advance_and_do(*arguments):
        advance(*arguments)
        if deed := deeds.pop(trainer.state.step, None):
            deed()

    trainer._advance = advance_and_do
    with trainer.stream:
        stop = trainer.run()
    trainer.link.finish(stop.state, stop.reason, stop.message)
    return trainer, stop


def while_waiting(trainer, deed, looks=3):
    """Do something while the trainer waits for room at its end."""
    note, seen = trainer.link.note, []

    def note_and_do(**changes):
        note(**changes)
        if changes.get("phase") == "waiting":
            seen.append(trainer.link.status)
            if len(seen) == looks:
                deed()

    trainer.link.note = note_and_do
    return seen


def test_a_disk_that_fills_up_pauses_saves_and_loses_nothing(workshop, disk):
    straight = workshop.make()
    workshop.train(straight)
    run = workshop.make()
    told = {}

    def look():
        told["status"] = read_status(run.status)
        told["saved"] = [info.step for info in scan(run) if not verify(info)]

    def wait_a_moment():
        time.sleep(0.1)
        disk.free()

    trainer, stop = train_with(workshop, run, {5: disk.fill, 13: look, 14: wait_a_moment})
    assert stop.state is State.FINISHED
    assert told["saved"] == [4]  # 8 and 12 were due while it was full
    assert told["status"].state is State.RUNNING and "could not be saved" in told["status"].message
    (failed,) = events(run, "checkpoint_failed")  # told once, not at every try
    assert failed["step"] == 8 and str(run.path) in failed["message"] and "free" in failed["message"]
    (again,) = events(run, "saving_again")
    assert again["step"] in (14, 15)  # not only when the next save was due
    assert [line["step"] for line in events(run, "checkpoint")][:2] == [4, again["step"]]
    assert_same(straight, run)  # the whole log is there, and the weights are those of a run that saved as it wanted
    assert trainer.link.status.message != failed["message"]


def test_at_the_end_it_waits_for_room_and_then_finishes(workshop, disk, monkeypatch):
    run = workshop.make(save_interval=0)
    trainer = workshop.trainer(run)
    advance = trainer._advance

    def advance_and_fill(*arguments):
        advance(*arguments)
        if trainer.state.step == trainer.horizon.end:
            disk.fill()

    trainer._advance = advance_and_fill
    told, tell = [], trainer.ranks.tell
    trainer.ranks.tell = lambda command: (told.append(command.order), tell(command))
    monkeypatch.setattr("engine.train.saves._BREATH_SECONDS", 0.0)
    seen = while_waiting(trainer, disk.free)
    with trainer.stream:
        stop = trainer.run()
    trainer.link.finish(stop.state, stop.reason, stop.message)
    assert stop.state is State.FINISHED and len(seen) >= 3
    assert told[-2:] == [Order.WAIT, Order.END]  # other ranks would take a silent one for lost
    assert seen[0].state is State.RUNNING and "waits" in seen[0].message and str(run.path) in seen[0].message
    assert seen[0].phase_total == 24 * 3600
    assert [info.step for info in scan(run)] == [trainer.horizon.end]
    assert len(logged(run)) == trainer.horizon.end
    assert len(events(run, "checkpoint_failed")) == 1 and len(events(run, "saving_again")) == 1


def test_a_stop_ends_the_wait_and_the_run_goes_on_later(workshop, disk):
    straight = workshop.make()
    workshop.train(straight)
    run = workshop.make()
    trainer = workshop.trainer(run)
    end = trainer.horizon.end
    advance, answers = trainer._advance, []

    def advance_and_fill(*arguments):
        advance(*arguments)
        if trainer.state.step == end - 1:
            disk.fill()

    def ask():
        disk.free()  # a request needs room in control.jsonl; the save itself is not tried before the request is seen
        trainer.link.update()
        answers.append((send_request(run, "pause"), send_request(run, "stop")))
        trainer.saves.trouble._next = float("inf")

    trainer._advance = advance_and_fill
    while_waiting(trainer, ask)
    with trainer.stream:
        stop = trainer.run()
    trainer.link.finish(stop.state, stop.reason, stop.message)
    assert (stop.state, stop.reason) == (State.STOPPED, Reason.REQUEST)
    last = max(info.step for info in scan(run))
    assert last < end - 1 and f"after step {last} is lost" in stop.message
    accepted = {line["id"]: line["accepted"] for line in events(run, "control")}
    ((pause, stopped),) = answers
    assert accepted == {pause: False, stopped: True}
    workshop.train(run)
    assert_same(straight, run)


def test_the_wait_has_an_end(workshop, monkeypatch):
    monkeypatch.setattr("engine.train.saves.END_PATIENCE", 0.05)
    monkeypatch.setattr("engine.train.saves.STOP_PATIENCE", 0.05)
    monkeypatch.setattr(checkpoints.shutil, "disk_usage", lambda _path: shutil._ntuple_diskusage(1, 1, 0))
    run = workshop.make(save_interval=0, eval_interval=0)
    with pytest.raises(CheckpointError, match="too full"):
        workshop.train(run)
    stopped = workshop.make(save_interval=0, eval_interval=0)
    trainer = workshop.train(stopped, stop_at=(3, 0))
    assert trainer.link.status.state is State.STOPPED and "after step 0 is lost" in trainer.link.status.message
    monkeypatch.undo()


def test_a_failed_sync_makes_the_whole_checkpoint_anew(workshop, monkeypatch):
    """After a failed fsync the kernel calls the pages clean: what was written must never be taken for saved."""
    run = workshop.make()
    straight = workshop.make()
    workshop.train(straight)
    real, left, syncs = os.fsync, [1], []

    def fsync(fd):
        path = str(Path(f"/proc/self/fd/{fd}").readlink()) if sys.platform == "linux" else ""
        if ".staging" in path and "model.safetensors" in path:
            syncs.append(path)
            if left:
                left.pop()
                raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(fd)

    if sys.platform != "linux":
        pytest.skip("/proc tells which file is synced")
    monkeypatch.setattr(os, "fsync", fsync)
    workshop.train(run)
    (failed,) = events(run, "checkpoint_failed")
    assert failed["step"] == 4 and "input/output error" in failed["message"].lower()
    (again,) = events(run, "saving_again")
    assert again["step"] < 8
    assert len(set(syncs)) == len(syncs)  # each try wrote a file of its own
    assert_same(straight, run)


@pytest.mark.parametrize("number", [errno.EROFS, errno.ESTALE])
def test_whatever_the_disk_says_training_goes_on(workshop, monkeypatch, number):
    (workshop.folder / "runs").mkdir()
    disk = RefusingCalls(workshop.folder / "runs", monkeypatch, number)
    run = workshop.make(eval_interval=0)
    _trainer, stop = train_with(workshop, run, {5: disk.fill, 13: disk.free})
    assert stop.state is State.FINISHED
    assert [line["step"] for line in events(run, "checkpoint_failed")] == [8]
    assert len(logged(run)) == stop_step(run)
    assert not any(verify(info) for info in scan(run))


def stop_step(run):
    return max(info.step for info in scan(run))


def test_deleted_checkpoints_are_missed_soon_and_made_again(workshop, monkeypatch):
    monkeypatch.setattr("engine.train.saving.LOOK_SECONDS", 0.0)
    run = workshop.make(eval_interval=0)
    saved = {}

    def look():
        saved[6] = [info.step for info in scan(run)]

    _trainer, stop = train_with(workshop, run, {5: lambda: shutil.rmtree(run.checkpoints), 6: look})
    assert stop.state is State.FINISHED and saved[6] == [5]
    assert any("step-00000004 is gone" in line["message"] for line in events(run, "warning"))


def test_the_cache_may_be_deleted_while_it_is_mapped(workshop):
    straight = workshop.make()
    workshop.train(straight)
    run = workshop.make()
    cache = workshop.folder / "cache"
    trainer, _stop = train_with(workshop, run, {3: lambda: shutil.rmtree(cache)})
    assert trainer.state.step == trainer.horizon.end
    assert_same(straight, run)


def test_a_damaged_older_checkpoint_counts_for_none(workshop):
    run = workshop.make(keep_checkpoints=2, eval_interval=0, validation=0)

    def damage():
        path = run.checkpoints / "step-00000008" / "model.safetensors"
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)

    whole = {}

    def look():
        whole.update({info.step: not verify(info) for info in scan(run)})

    train_with(workshop, run, {9: damage, 13: look})
    assert whole == {4: True, 8: False, 12: True}  # two are kept that hold: the damaged one stands for none
    (told,) = [line["message"] for line in events(run, "warning") if "damaged" in line["message"]]
    assert "step-00000008" in told and "model.safetensors" in told
    assert sum(not verify(info) for info in scan(run)) >= 2
