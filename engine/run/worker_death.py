"""Why a worker ended, in words, when it left none itself."""

import signal
from pathlib import Path

from engine.language import _
from engine.run.exit_codes import WorkerExit
from engine.run.folder import RunFolder
from engine.run.memory_limit import limit_words, words_of_last_lines
from engine.run.schema import Outcome, Reason, State
from engine.run.trainer_log import last_lines


def oom_kills() -> int:
    """How many processes of this control group the kernel has killed for memory; 0 where that cannot be read."""
    return sum(_count(path) for path in _counters())


def words_of_exit(code: int, oom_kills_before: int) -> str:
    """An exit code (minus the number of a signal) as one sentence."""
    if code >= 0:
        return _("The worker ended with exit code {code}, without saying why.").format(code=code)
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = str(-code)
    if code == -signal.SIGKILL:
        if oom_kills() > oom_kills_before:
            return _(
                "The kernel killed the worker because memory ran out. A smaller batch_size or max_seq_len needs less."
            )
        return _(
            "The worker was killed (SIGKILL): by hand, or by the kernel because memory ran out. If it was memory, a "
            "smaller batch_size or max_seq_len needs less."
        )
    if code in (-signal.SIGSEGV, -signal.SIGILL, -signal.SIGABRT, -signal.SIGFPE):
        told = _("The worker crashed in native code ({name}).").format(name=name)
        limit = limit_words()  # native code does not always survive memory that it cannot have
        return told + (" " + limit + " " + _("Memory may have run out.") if limit else "")
    if code == -signal.SIGBUS:
        return _("The worker crashed on mapped memory (SIGBUS): a disk is full, or a file it maps was cut short.")
    return _("The worker was ended by a signal ({name}) that did not come from its supervisor.").format(name=name)


def outcome_of_death(folder: RunFolder, code: int, oom_kills_before: int, log_offset: int) -> Outcome:
    """The outcome of a worker that ended without one: words for its exit, and the last it printed."""
    printed = last_lines(folder.trainer_log, log_offset)
    if code == WorkerExit.FAILED and (told := words_of_last_lines(printed)):
        return Outcome(
            state=State.FAILED, reason=Reason.USER_ERROR, message=told
        )  # another attempt would meet it again
    message = words_of_exit(code, oom_kills_before)
    if printed:
        message += " " + _("Last lines of trainer.log:") + "\n" + "\n".join(printed)
    reason = Reason.USER_ERROR if code == WorkerExit.USER_ERROR else Reason.WORKER_DIED
    return Outcome(state=State.FAILED, reason=reason, message=message)


def _counters() -> list[Path]:
    """The files in which cgroup v2 and v1 count kills of this process's group, as far as there are any."""
    try:
        groups = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    root, found = Path("/sys/fs/cgroup"), []
    for group in groups:
        _number, _colon, rest = group.partition(":")
        controllers, _colon, path = rest.partition(":")
        inside = path.lstrip("/")
        if not controllers:
            # within a container the group's own path may not be mounted: its root is then the container's group
            found += [root / inside / "memory.events", root / "unified" / inside / "memory.events"]
        elif "memory" in controllers.split(","):
            found.append(root / "memory" / inside / "memory.oom_control")
    return list(dict.fromkeys(found))


def _count(path: Path) -> int:
    try:
        for line in path.read_text(encoding="ascii").splitlines():
            name, _space, value = line.partition(" ")
            if name == "oom_kill" and value.strip().isdecimal():
                return int(value)
    except (OSError, UnicodeDecodeError):
        pass
    return 0
