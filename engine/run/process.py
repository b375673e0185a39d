"""Which process is meant: a pid counts only together with its start time and its host."""

import os
import signal
import socket
import sys
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from engine.run.schema import ProcessIdentity

_START_TOLERANCE = 0.02 if sys.platform == "linux" else 1.0  # seconds; Linux counts in ticks of 10 ms


def this_process() -> ProcessIdentity:
    """The identity of the calling process."""
    return _identity(os.getpid(), _start_of(os.getpid()) or 0.0)


def identify(pid: int) -> ProcessIdentity | None:
    """The identity of a process of this machine; None when there is none of that pid."""
    start = _start_of(pid)
    return None if start is None else _identity(pid, start)


def is_here(identity: ProcessIdentity) -> bool:
    """Whether this machine can look `identity` up: same host, same boot, same pid namespace."""
    return (
        identity.host == _host()
        and (not identity.boot or identity.boot == _boot_id())
        and (not identity.pid_space or identity.pid_space == _pid_space())
    )


def is_alive(identity: ProcessIdentity) -> bool | None:
    """Whether the process still lives; None when it cannot be seen from here. A zombie does not live."""
    if not is_here(identity):
        return None
    start = _start_of(identity.pid)
    if start is None:
        return None if _is_hidden(identity.pid) else False
    return abs(start - identity.start) <= _START_TOLERANCE


def runs_on(identity: ProcessIdentity, folder: Path) -> bool:
    """Whether the process was started for the run in `folder`, by its command line: what status.json says of a process
    is a file's content, and no reason to signal a stranger.
    """
    psutil: Any = import_module("psutil")
    try:
        return str(folder) in psutil.Process(identity.pid).cmdline()
    except psutil.Error:
        return False


def is_frozen(identity: ProcessIdentity) -> bool:
    """Whether the process lives here and was stopped by a signal (SIGSTOP, Ctrl-Z, a debugger): it does nothing."""
    if not is_alive(identity):
        return False
    if sys.platform != "linux":
        psutil: Any = import_module("psutil")
        try:
            return bool(psutil.Process(identity.pid).status() == psutil.STATUS_STOPPED)
        except psutil.Error:
            return False
    try:
        stat = Path(f"/proc/{identity.pid}/stat").read_bytes()
    except OSError:
        return False
    return stat[stat.rindex(b")") + 2 :][:1] in (b"T", b"t")


def rebooted_since(identity: ProcessIdentity) -> bool:
    """Whether a host of this name was started anew since the process was seen: it may be this one."""
    return identity.host == _host() and bool(identity.boot) and identity.boot != _boot_id()


def send_signal_safely(identity: ProcessIdentity, number: signal.Signals) -> bool:
    """Send a signal to exactly this process; False when it is gone or not here. Raises PermissionError.

    On Linux a pidfd holds the process while its start time is compared, so a reused pid is never hit.
    """
    if not is_here(identity):
        return False
    if hasattr(os, "pidfd_open"):
        try:
            fd = os.pidfd_open(identity.pid)
        except ProcessLookupError:
            return False
        except OSError:
            return _send_by_pid(identity, number)  # a kernel without pidfd
        try:
            if not is_alive(identity):
                return False
            signal.pidfd_send_signal(fd, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(fd)
        return True
    return _send_by_pid(identity, number)


def _send_by_pid(identity: ProcessIdentity, number: signal.Signals) -> bool:
    if not is_alive(identity):
        return False
    try:
        os.kill(identity.pid, number)
    except ProcessLookupError:
        return False
    return True


def _identity(pid: int, start: float) -> ProcessIdentity:
    return ProcessIdentity(pid=pid, start=start, host=_host(), boot=_boot_id(), pid_space=_pid_space())


@cache
def _host() -> str:
    return socket.gethostname()


@cache
def _boot_id() -> str:
    if sys.platform == "darwin":
        return _mac_boot_session()
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _mac_boot_session() -> str:
    import ctypes

    try:
        system = ctypes.CDLL(None)
        value = ctypes.create_string_buffer(64)
        size = ctypes.c_size_t(len(value))
        failed = system.sysctlbyname(b"kern.bootsessionuuid", value, ctypes.byref(size), None, 0)
    except (OSError, AttributeError):
        return ""
    return "" if failed else value.value.decode("ascii", "replace")


@cache
def _pid_space() -> int:
    try:
        return Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return 0


def _start_of(pid: int) -> float | None:
    """When a living process started, in seconds after boot (Linux) or POSIX seconds; None for none and for a zombie."""
    if sys.platform != "linux":
        return _start_by_psutil(pid)
    # psutil's create_time on Linux moves with the wall clock; the ticks in /proc do not.
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    fields = stat[stat.rindex(b")") + 2 :].split()
    if fields[0] in (b"Z", b"X"):
        return None
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")


def _is_hidden(pid: int) -> bool:
    """Whether there is such a process, of another user, that this system does not show (/proc with hidepid)."""
    if sys.platform != "linux" or Path(f"/proc/{pid}").exists():
        return False
    try:
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, PermissionError)
    return False


def _start_by_psutil(pid: int) -> float | None:
    psutil: Any = import_module("psutil")  # without type stubs of its own
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
    except psutil.NoSuchProcess:
        return None
