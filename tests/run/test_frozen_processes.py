"""Processes stopped by a signal: shown as what they are, with the way out, and going on as if nothing had been."""

import signal
from collections.abc import Callable

from run_helpers import FakeRun, assert_gap_free, wait_for

from engine.run.control import ask
from engine.run.observe import observe
from engine.run.schema import State

MakeRun = Callable[..., FakeRun]


def test_a_frozen_worker_is_stalled_at_once_and_recovers(fake_run: MakeRun) -> None:
    run = fake_run(steps=400, step_seconds=0.005)
    run.start()
    worker = run.wait_for_step(3).worker
    assert worker is not None
    run.signal(worker, signal.SIGSTOP)
    seen = run.wait_for_state(State.STALLED)
    assert f"kill -CONT {worker.pid}" in seen.message and "worker" in seen.message and seen.is_live
    run.signal(worker, signal.SIGCONT)
    assert run.wait_for_end().state is State.FINISHED
    assert_gap_free(run, 400)


def test_a_frozen_worker_can_be_stopped_at_once(fake_run: MakeRun) -> None:
    run = fake_run(steps=100_000)
    run.start()
    run.signal(run.wait_for_step(3).worker, signal.SIGSTOP)
    run.wait_for_state(State.STALLED)
    answer = ask(run.folder, "stop", {"now": True})
    assert answer is not None and answer.accepted
    assert run.wait_for_end().state is State.STOPPED


def test_under_a_frozen_supervisor_the_run_trains_and_says_so(fake_run: MakeRun) -> None:
    run = fake_run(steps=600, step_seconds=0.005)
    run.start()
    run.wait_for_step(3)
    supervisor = run.supervisor
    assert supervisor is not None
    run.signal(supervisor, signal.SIGSTOP)
    wait_for(lambda: "supervisor" in observe(run.folder).message, "the word about it")
    assert observe(run.folder).state in (State.RUNNING, State.STALLED)
    # the worker ends; nobody but the supervisor can write the final state
    seen = run.wait_for_state(State.STALLED)
    assert f"kill -CONT {supervisor.pid}" in seen.message
    run.signal(supervisor, signal.SIGCONT)
    assert run.wait_for_end().state is State.FINISHED
    assert_gap_free(run, 600)
