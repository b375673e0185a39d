"""Where the file system has no flock, a file that names the owner stands for the lock."""

import errno
import fcntl
import os

import pytest

from engine.run import lock as locking
from engine.run.folder import RunFolder
from engine.run.lock import RunLock, claim_of, is_held
from engine.run.process import this_process
from engine.run.schema import ProcessIdentity


class TestWithoutFileLocks:
    @pytest.fixture(autouse=True)
    def no_locks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def flock(fd: int, how: int) -> None:
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

        monkeypatch.setattr(fcntl, "flock", flock)

    def test_one_holds_it_and_it_comes_free(self, folder: RunFolder) -> None:
        first, second = RunLock(folder.lock), RunLock(folder.lock)
        first.acquire()
        assert is_held(folder.lock)
        with pytest.raises(Exception, match="already running"):
            second.acquire()
        first.release()
        assert not is_held(folder.lock) and not claim_of(folder.lock).exists()
        second.acquire()
        second.release()

    def test_a_dead_holder_s_claim_is_taken_over(self, folder: RunFolder) -> None:
        me = this_process()
        dead = me.model_copy(update={"start": me.start - 100.0})  # the pid is another process's by now
        claim_of(folder.lock).write_text(dead.model_dump_json())
        assert not is_held(folder.lock)
        lock = RunLock(folder.lock)
        lock.acquire()
        assert locking.holder_of(claim_of(folder.lock)) == me
        lock.release()

    def test_a_holder_on_another_machine_counts_and_the_way_out_is_told(self, folder: RunFolder) -> None:
        far = ProcessIdentity(pid=1, start=1.0, host="far", boot="other")
        for path in (claim_of(folder.lock), folder.lock):
            path.write_text(far.model_dump_json())
        with pytest.raises(Exception, match=r"far.*delete .*run\.lock\.owner"):
            RunLock(folder.lock).acquire()

    def test_who_was_quicker_keeps_it(self, folder: RunFolder) -> None:
        me = this_process()
        claim_of(folder.lock).write_text(me.model_dump_json())
        dead = me.model_copy(update={"start": me.start - 100.0})
        assert not locking._take_away(claim_of(folder.lock), dead)
        assert locking.holder_of(claim_of(folder.lock)) == me
