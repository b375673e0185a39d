"""Starting again by itself: when, how often, after how long a wait, and when not."""

import signal
from collections.abc import Callable

import pytest
from run_helpers import FakeRun, assert_gap_free, wait_for

from engine.run.control import ask
from engine.run.observe import observe
from engine.run.restarts import BACKOFF_MOST, Restarts, Verdict
from engine.run.schema import Outcome, Phase, Reason, State

MakeRun = Callable[..., FakeRun]


def failed(message: str = "RuntimeError: no", reason: Reason = Reason.ERROR) -> Outcome:
    return Outcome(state=State.FAILED, reason=reason, message=message)


class TestJudging:
    def test_the_limit_holds_and_is_told(self) -> None:
        restarts = Restarts(2)
        assert restarts.judge(failed(), 1, 10, slack=0).wait is not None
        assert restarts.judge(failed(), 1, 20, slack=0).wait is not None
        last = restarts.judge(failed(), 1, 30, slack=0)
        assert last.wait is None and "2 times" in last.why

    def test_none_allowed_says_nothing(self) -> None:
        restarts = Restarts(0)
        assert [restarts.judge(failed(), 1, 10, slack=0) for _ in range(2)] == [Verdict(None, "")] * 2

    def test_a_fault_that_repeats_at_its_step_is_given_up(self) -> None:
        restarts = Restarts(9)
        restarts.judge(failed("RuntimeError: row 17 of 0x7f00a0"), 1, 10, slack=0)
        verdict = restarts.judge(failed("RuntimeError: row 99 of 0x1200b4"), 1, 10, slack=0)
        assert verdict.wait is None and "step 10" in verdict.why

    @pytest.mark.parametrize(
        ("message", "code", "step"),
        [("RuntimeError: another", 1, 10), ("RuntimeError: no", -9, 10), ("RuntimeError: no", 1, 9)],
    )
    def test_another_cause_or_step_is_not_the_same_fault(self, message: str, code: int, step: int) -> None:
        restarts = Restarts(9)
        restarts.judge(failed(), 1, 10, slack=0)
        assert restarts.judge(failed(message), code, step, slack=0).wait is not None

    def test_steps_between_two_log_lines_are_one(self) -> None:
        restarts = Restarts(9)
        restarts.judge(failed(reason=Reason.WORKER_DIED), -11, 105, slack=9)
        assert restarts.judge(failed(reason=Reason.WORKER_DIED), -11, 112, slack=9).wait is None

    def test_a_worker_that_could_not_be_started_is_tried_as_often_as_allowed(self) -> None:
        restarts = Restarts(3)
        waits = [restarts.judge(failed("EAGAIN"), None, 0, slack=0, ran=False).wait for _ in range(4)]
        assert waits == [1.0, 2.0, 4.0, None]

    def test_the_wait_doubles_up_to_its_most_and_progress_resets_it(self) -> None:
        restarts = Restarts(99)
        causes = iter(f"RuntimeError: {letter}" for letter in "abcdefghijkl")
        waits = [restarts.judge(failed(next(causes)), 1, 5, slack=0).wait for _ in range(8)]
        assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, BACKOFF_MOST]
        assert restarts.judge(failed(next(causes)), 1, 6, slack=0).wait == 1.0
        assert restarts.judge(failed(next(causes)), 1, 3, slack=0).wait == 2.0

    def test_memory_keeps_its_own_rule(self) -> None:
        restarts = Restarts(0)
        for _ in range(5):
            assert restarts.judge(failed(reason=Reason.MEMORY), 1, 10, slack=0).wait == 1.0
        assert restarts.left == 0


def test_a_fault_that_repeats_ends_the_run_and_names_step_and_cause(fake_run: MakeRun) -> None:
    run = fake_run(steps=30, fault="raise", fault_attempt="all")
    run.start(max_restarts=5)
    end = run.wait_for_end()
    assert end.state is State.FAILED and end.status is not None and end.status.attempt == 2
    assert "the fake trainer broke" in end.message and "step 15" in end.message
    assert len(run.events("restart")) == 1
    assert run.events("failed")[0]["message"] == end.message


def test_a_fault_that_moves_on_is_survived_to_the_end(fake_run: MakeRun) -> None:
    run = fake_run(steps=30, fault="signal SIGKILL", fault_attempt="all", fault_step=11, fault_moves=11, save_every=5)
    run.start(max_restarts=2)
    assert run.wait_for_end().state is State.FINISHED
    assert_gap_free(run, 30)
    assert [attempt.start_step for attempt in run.folder.read_manifest().attempts] == [0, 10, 20]
    assert ["begins in 1 s" in event["message"] for event in run.events("restart")] == [True, True]


def waits_long(fake_run: MakeRun) -> FakeRun:
    """A run that waits for 4 s to start again: nothing was gained by three attempts."""
    run = fake_run(steps=30, fault="raise", fault_attempt="all", fault_moves=-1, save_every=100)
    run.start(max_restarts=9)
    wait_for(lambda: len(run.events("restart")) == 3 and run.status().phase == Phase.WAITING, "the third wait")
    assert "begins in 4 s" in run.events("restart")[-1]["message"]
    return run


def test_the_wait_is_shown_with_its_cause_and_a_stop_ends_it(fake_run: MakeRun) -> None:
    run = waits_long(fake_run)
    seen = observe(run.folder)
    assert seen.state is State.STARTING and seen.is_live
    assert all(words in seen.message for words in ("step 13", "the fake trainer broke", "starts again by itself in"))
    refused = ask(run.folder, "pause")
    assert refused is not None and not refused.accepted and "waits to start again" in str(refused.reason)
    answer = ask(run.folder, "stop")
    assert answer is not None and answer.accepted
    end = run.wait_for_end()
    assert end.status is not None and (end.state, end.status.reason) == (State.STOPPED, Reason.REQUEST)
    assert end.status.next_attempt_at is None and len(run.folder.read_manifest().attempts) == 3


def test_a_signal_ends_the_wait(fake_run: MakeRun) -> None:
    run = waits_long(fake_run)
    run.signal(run.supervisor, signal.SIGTERM)
    end = run.wait_for_end()
    assert end.status is not None and (end.state, end.status.reason) == (State.STOPPED, Reason.SIGNAL)
    assert len(run.folder.read_manifest().attempts) == 3


def test_continue_begins_at_once(fake_run: MakeRun) -> None:
    run = waits_long(fake_run)
    planned = run.status().next_attempt_at
    answer = ask(run.folder, "continue")
    assert answer is not None and answer.accepted
    wait_for(lambda: len(run.folder.read_manifest().attempts) == 4, "the next attempt")
    assert planned is not None and run.folder.read_manifest().attempts[3].started < planned
    ask(run.folder, "stop")
    run.wait_for_end()
