"""Sleep is not training time, and a pid alone is nobody."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from engine.run import clock
from engine.run.clock import ActiveClock, awake_seconds, now_utc_iso, parse_utc, seconds_since, utc_iso
from engine.run.process import identify, is_alive, is_here, rebooted_since, send_signal_safely, this_process
from engine.run.schema import ProcessIdentity


def test_moments_are_utc_with_milliseconds() -> None:
    assert utc_iso(1796094900.1239) == "2026-12-01T03:15:00.123Z"
    assert parse_utc("2026-12-01T03:15:00.123Z") == pytest.approx(1796094900.123, abs=1e-6)
    assert abs(parse_utc(now_utc_iso()) - time.time()) < 1
    assert seconds_since("yesterday") is None and seconds_since("") is None and seconds_since(None) is None


def test_the_zone_of_the_machine_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    try:
        assert utc_iso(0.0) == "1970-01-01T00:00:00.000Z" and parse_utc("1970-01-01T00:00:00") == 0.0
    finally:
        monkeypatch.undo()
        time.tzset()


def test_active_seconds_go_on_where_an_earlier_attempt_stopped() -> None:
    now = 1000.0
    active = ActiveClock(already=50.0, source=lambda: now)
    now = 1012.5
    assert active.seconds == 62.5 and active.here == 12.5


def test_the_clock_is_one_that_stops_in_sleep() -> None:  # trap 41
    if sys.platform == "linux":
        assert clock._AWAKE == time.CLOCK_MONOTONIC  # CLOCK_BOOTTIME would count the sleep
    elif sys.platform == "darwin":
        assert clock._AWAKE == time.CLOCK_UPTIME_RAW  # CLOCK_MONOTONIC would count it there
    before = awake_seconds()
    child = subprocess.check_output(
        [sys.executable, "-c", "from engine.run.clock import awake_seconds; print(awake_seconds())"]
    )
    assert before < float(child) < awake_seconds()  # all processes of a boot read one clock


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield process
    process.kill()
    process.wait()


def test_a_process_is_known_by_pid_start_and_host(child: subprocess.Popen[bytes]) -> None:
    identity = identify(child.pid)
    assert identity is not None and is_alive(identity) is True
    assert is_alive(identity.model_copy(update={"start": identity.start - 5})) is False  # the pid was reused
    assert is_alive(identity.model_copy(update={"host": "another"})) is None
    assert is_alive(this_process()) is True and this_process().pid == os.getpid()
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert is_alive(identity) is False  # a zombie trains nothing
    child.wait()
    assert is_alive(identity) is False and identify(child.pid) is None


@pytest.mark.skipif(sys.platform != "linux", reason="boot ids and pid namespaces are Linux's")
def test_another_boot_or_container_cannot_be_seen_from_here() -> None:
    me = this_process()
    assert me.boot and me.pid_space
    other_boot = me.model_copy(update={"boot": "another boot"})
    assert is_alive(other_boot) is None and rebooted_since(other_boot) and not rebooted_since(me)
    assert is_alive(me.model_copy(update={"pid_space": 1})) is None
    assert not is_here(other_boot) and is_here(me)


def test_a_start_survives_the_change_of_the_wall_clock(
    child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = identify(child.pid)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert identity is not None and is_alive(identity) is True


def test_a_stranger_with_the_same_pid_is_never_signalled(child: subprocess.Popen[bytes]) -> None:
    identity = identify(child.pid)
    assert identity is not None
    strangers = [
        identity.model_copy(update={"start": identity.start + 1}),
        identity.model_copy(update={"host": "another"}),
        ProcessIdentity(pid=2**22 - 1, start=1.0, host=identity.host),
    ]
    assert not any(send_signal_safely(stranger, signal.SIGKILL) for stranger in strangers)
    assert child.poll() is None
    assert send_signal_safely(identity, signal.SIGTERM)
    assert child.wait(timeout=10) == -signal.SIGTERM
    assert not send_signal_safely(identity, signal.SIGTERM)


def test_signals_work_without_pidfd(child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    identity = identify(child.pid)
    assert identity is not None
    assert not send_signal_safely(identity.model_copy(update={"start": 0.5}), signal.SIGTERM)
    assert send_signal_safely(identity, signal.SIGTERM) and child.wait(timeout=10) == -signal.SIGTERM


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_name_with_brackets_and_spaces_does_not_confuse() -> None:
    rename = "import ctypes, time; ctypes.CDLL(None).prctl(15, b'a) Z (b c', 0, 0, 0)"
    code = f"{rename}; print('ok', flush=True); time.sleep(600)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None and process.stdout.readline() == b"ok\n"
        identity = identify(process.pid)
        assert identity is not None and is_alive(identity) is True
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
