"""What a worker's death is called, and the log that tells of it."""

import os
import signal
from pathlib import Path

import pytest

from engine.run import memory_limit, worker_death
from engine.run.folder import RunFolder
from engine.run.schema import Reason, State
from engine.run.trainer_log import last_lines, open_log, rotate
from engine.run.worker_death import outcome_of_death, words_of_exit


class TestDeath:
    def test_codes_and_signals_in_words(self) -> None:
        assert "exit code 3" in words_of_exit(3, 0)
        assert "SIGABRT" in words_of_exit(-signal.SIGABRT, 0)
        assert "disk" in words_of_exit(-signal.SIGBUS, 0)
        assert "SIGUSR1" in words_of_exit(-signal.SIGUSR1, 0)
        assert "63" in words_of_exit(-63, 0)

    def test_the_kernel_s_count_tells_a_kill_for_memory(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        events = tmp_path / "memory.events"
        events.write_text("low 0\noom 3\noom_kill 2\noom_group_kill 0\n")
        monkeypatch.setattr(worker_death, "_counters", lambda: [events, tmp_path / "missing"])
        assert worker_death.oom_kills() == 2
        assert "because memory ran out" in words_of_exit(-signal.SIGKILL, 1)
        assert "by hand, or" in words_of_exit(-signal.SIGKILL, 2)
        events.write_text("oom_kill many\n")
        assert worker_death.oom_kills() == 0

    def test_the_last_words_are_this_attempt_s(self, folder: RunFolder) -> None:
        folder.trainer_log.write_bytes(b"older\n" + b"newer \xff\n\n" + "末行\n".encode())
        outcome = outcome_of_death(folder, 1, 0, len(b"older\n"))
        assert outcome.state == State.FAILED and outcome.reason == Reason.WORKER_DIED
        assert "older" not in outcome.message and outcome.message.endswith("newer �\n末行")
        assert outcome_of_death(folder, 2, 0, 0).reason == Reason.USER_ERROR


class TestTrainerLog:
    def test_rotation_goes_on_below_an_open_file(self, folder: RunFolder) -> None:
        fd = open_log(folder.trainer_log)
        os.write(fd, b"x" * 1000)
        assert not rotate(folder.trainer_log, max_bytes=1000)
        os.write(fd, b"y")
        assert rotate(folder.trainer_log, max_bytes=1000)
        os.write(fd, b"after\n")
        os.close(fd)
        assert folder.trainer_log.read_bytes() == b"after\n"
        assert folder.trainer_log.with_name("trainer.log.1").read_bytes() == b"x" * 1000 + b"y"
        assert not rotate(folder.path / "missing")

    def test_last_lines_are_bounded(self, folder: RunFolder) -> None:
        folder.trainer_log.write_text("".join(f"line {number}\n" for number in range(10_000)))
        assert last_lines(folder.trainer_log, lines=3) == ["line 9997", "line 9998", "line 9999"]
        folder.trainer_log.write_text("z" * 100_000)
        assert len(last_lines(folder.trainer_log)[0]) == 4000
        assert last_lines(folder.path / "missing") == []
        assert last_lines(folder.trainer_log, offset=10**9) != []  # it was rotated since


def test_a_death_under_a_limit_whose_last_lines_speak_of_memory_is_told_as_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory can fail the very handler that would have told it."""
    folder = RunFolder(tmp_path)
    folder.trainer_log.write_bytes(b"Traceback (most recent call last):\n  in get_data\nMemoryError\n")
    assert outcome_of_death(folder, 1, 0, 0).reason == Reason.WORKER_DIED  # no limit: it may be anything
    monkeypatch.setattr(memory_limit, "memory_limit", lambda: (307_200_000, "ulimit -v"))
    outcome = outcome_of_death(folder, 1, 0, 0)
    assert outcome.reason == Reason.USER_ERROR and outcome.message.startswith("Memory ran out: MemoryError.")
    assert "307 MB (ulimit -v)" in outcome.message and "\n" not in outcome.message
    folder.trainer_log.write_bytes(b"KeyError: 'x'\n")
    assert outcome_of_death(folder, 1, 0, 0).reason == Reason.WORKER_DIED
