"""Starting a run: its supervisor, detached, so that neither the terminal nor this process matters to it."""

import os
import subprocess
import sys
import sysconfig
import threading
from dataclasses import dataclass
from pathlib import Path

from engine.errors import UserError
from engine.language import _
from engine.run.folder import RunFolder
from engine.run.readable import wait_readable
from engine.run.trainer_log import last_lines, open_log

WORKER = "engine.worker.train"
"""The module a supervisor runs as the worker."""

LAUNCHER = "engine.worker.launch"
"""The module a supervisor runs instead where a run has several processes."""

SUPERVISOR = "engine.run.supervisor"

READY = b"ready\n"
_TIMEOUT = 30.0


@dataclass(frozen=True)
class StartedRun:
    """A run whose supervisor holds the lock."""

    folder: RunFolder
    supervisor_pid: int


def start_run(
    folder: RunFolder, *, worker: str = WORKER, max_restarts: int = 0, timeout: float = _TIMEOUT, again: bool = False
) -> StartedRun:
    """Start a run, or go on with one from its newest valid checkpoint; returns once its supervisor holds the lock.

    The supervisor keeps this process's environment and current folder, its input is closed and its output goes to
    trainer.log. A finished run is refused unless `again`: it would have nothing to do. Raises UserError: it runs
    already (and who runs it), it is finished, or the supervisor did not start (and its last words).
    """
    read_end, write_end = os.pipe()
    try:
        log = open_log(folder.trainer_log)
        offset = os.fstat(log).st_size
        try:
            process = subprocess.Popen(
                python_module(SUPERVISOR)
                + [str(folder.path), "--worker", worker, "--max-restarts", str(max_restarts)]
                + ["--ready-fd", str(write_end)]
                + (["--again"] if again else []),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=module_environment(),
                pass_fds=(write_end,),
                start_new_session=True,
            )
        finally:
            os.close(log)
    except OSError as error:
        os.close(read_end)
        raise UserError(
            _("Cannot start run {run} in {path}: {problem}.").format(
                run=folder.id, path=folder.path, problem=error.strerror or str(error)
            )
        ) from error
    finally:
        os.close(write_end)
    try:
        said = _read_all(read_end, timeout)
    finally:
        os.close(read_end)
    if said == READY:
        # it lives on without us; should it end before us, somebody has to take its exit status
        threading.Thread(target=process.wait, name="supervisor-reaper", daemon=True).start()
        return StartedRun(folder, process.pid)
    if said is None:
        process.kill()
        process.wait()
        raise UserError(
            _("Run {run} did not start within {n} s; its supervisor was ended. See {log}.").format(
                run=folder.id, n=round(timeout), log=folder.trainer_log
            )
        )
    process.wait()
    if said:
        raise UserError(said.decode("utf-8", "replace").strip())
    raise UserError(
        _("The supervisor of run {run} ended at once with exit code {code}. {words}").format(
            run=folder.id, code=process.returncode, words=" / ".join(last_lines(folder.trainer_log, offset, lines=3))
        )
    )


def python_module(name: str) -> list[str]:
    """The command that runs a module with this Python. `-P`: the current folder is the user's, not a place for code."""
    return [sys.executable, "-P", "-m", name]


_FOR_OTHERS = ("PYTHONINSPECT", "PYTHONSTARTUP", "PYTHONWARNINGS", "PYTHONOPTIMIZE", "PYTHONBREAKPOINT")
"""Variables that a person set for programs of their own: a trainer must not fail of a warning, nor wait for input."""


def module_environment() -> dict[str, str]:
    """This environment, in which a child finds the package `engine` as this process did, and writes UTF-8 whatever the
    locale: what it prints is a file's content, in the language of the person.
    """
    environment = {name: value for name, value in os.environ.items() if name not in _FOR_OTHERS}
    environment |= {"PYTHONUTF8": "1", "PYTHONIOENCODING": "utf-8:backslashreplace"}
    root = Path(__file__).resolve().parents[2]
    if root not in {Path(sysconfig.get_paths()[kind]).resolve() for kind in ("purelib", "platlib")}:
        others = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = str(root) + (os.pathsep + others if others else "")
    return environment


def _read_all(fd: int, timeout: float) -> bytes | None:
    """What is written to a pipe until it is closed; None when it stays open for `timeout` seconds."""
    parts: list[bytes] = []
    while True:
        if not wait_readable(fd, timeout):
            return None
        part = os.read(fd, 65536)
        if not part:
            return b"".join(parts)
        parts.append(part)
