"""All ranks of a run on this machine: `python -m engine.worker.launch FOLDER --attempt N`. Started by the supervisor.

Torch's elastic launcher starts them, and ends the others when one fails; this process forwards a stop to rank 0, and
when a rank is gone without a word it says in the run's status which one, and why.
"""

import argparse
import contextlib
import os
import signal
import sys
import tempfile
import threading
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import psutil

from engine.errors import UserError
from engine.language import _
from engine.run.exit_codes import WorkerExit
from engine.run.folder import RunFolder
from engine.run.rank_errors import FOLDER_VARIABLE, read_errors
from engine.run.schema import EventKind, Reason, State
from engine.run.status import read_status
from engine.run.worker_death import oom_kills, words_of_exit
from engine.run.worker_link import WorkerLink, exit_of, keep_lock_here
from engine.settings.run_toml import parse_settings
from engine.worker.waiting_threads import let_waiting_threads_sleep

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

RANK_MODULE = "engine.worker.train"
_END_SECONDS = 30
"""How long the ranks that are left have to save and end once one has failed."""


def main(arguments: list[str] | None = None) -> int:
    """Run the ranks to their end; returns the exit code that a single worker would have."""
    parser = argparse.ArgumentParser(prog="python -m engine.worker.launch", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--attempt", type=int, required=True)
    asked = parser.parse_args(arguments)
    folder = RunFolder(asked.folder.absolute())
    lock = keep_lock_here()
    forward_stops()
    let_waiting_threads_sleep()
    killed_before = oom_kills()
    try:
        with tempfile.TemporaryDirectory(prefix="minimind-ranks-") as place:
            os.environ[FOLDER_VARIABLE] = place
            failed = _launch(folder, asked.attempt, Path(place))
            if failed is None:
                return _code_of(folder, asked.attempt)
            reason, message = _cause(failed, Path(place), killed_before)
        return _code_of(folder, asked.attempt, (reason, message))
    except UserError as error:
        return _code_of(folder, asked.attempt, (Reason.USER_ERROR, str(error)))
    finally:
        if lock is not None:
            with contextlib.suppress(OSError):
                os.close(lock)


def forward_stops() -> None:
    """From now on SIGTERM and SIGINT reach the ranks that this process starts, once each; it lives on itself."""
    read_end, write_end = os.pipe()

    def note(number: int, _frame: FrameType | None) -> None:
        os.write(write_end, bytes([number]))

    def forward() -> None:
        while number := os.read(read_end, 1):
            for child in psutil.Process().children():
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.send_signal(number[0])

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, note)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    threading.Thread(target=forward, name="forward-stops", daemon=True).start()


def _launch(folder: RunFolder, attempt: int, place: Path) -> "ChildFailedError | None":
    """Run the ranks; the failures when not all of them ended well."""
    from torch.distributed.elastic.multiprocessing.api import DefaultLogsSpecs
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    settings, _preset = parse_settings(folder.run_toml)
    processes = 1 if settings.nproc == "auto" else settings.nproc
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=f"{folder.id}-{attempt}",
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="127.0.0.1",
        max_restarts=0,  # the supervisor starts again, from the last checkpoint
        logs_specs=DefaultLogsSpecs(log_dir=str(place / "logs")),
        signals_to_handle="SIGQUIT",  # not SIGTERM: rank 0 saves, however long that takes
        shutdown_timeout=_END_SECONDS,
    )
    rank: list[Any] = ["-P", "-m", RANK_MODULE, str(folder.path), "--attempt", str(attempt)]
    try:
        elastic_launch(config, sys.executable)(*rank)
    except ChildFailedError as error:
        return error
    return None


def _cause(failed: "ChildFailedError", place: Path, killed_before: int) -> tuple[Reason, str]:
    """Whose failure ended the run, in words."""
    left = read_errors(place)
    if left and not left[0].about_others:
        return left[0].reason, _("Rank {rank}: {problem}").format(rank=left[0].rank, problem=left[0].message)
    deaths = sorted(failed.failures.items(), key=lambda item: item[1].timestamp)
    silent = [(rank, death.exitcode) for rank, death in deaths if rank not in {error.rank for error in left}]
    if silent:
        rank, code = silent[0]
        return Reason.WORKER_DIED, _("Rank {rank}: {problem}").format(
            rank=rank, problem=words_of_exit(code, killed_before)
        )
    if left:
        return left[0].reason, _("Rank {rank}: {problem}").format(rank=left[0].rank, problem=left[0].message)
    return Reason.WORKER_DIED, _("The ranks ended without saying why.")


def _code_of(folder: RunFolder, attempt: int, failure: tuple[Reason, str] | None = None) -> WorkerExit:
    """The exit code of what rank 0 left in the status; when it left nothing, `failure` is written there first."""
    with contextlib.suppress(OSError):
        status = read_status(folder.status)
        if status is not None and status.attempt == attempt and status.outcome is not None:
            return exit_of(status.outcome)
    reason, message = failure or (Reason.WORKER_DIED, _("The ranks ended without saying how."))
    print(message, file=sys.stderr, flush=True)  # noqa: T201 - into trainer.log
    link = WorkerLink(folder, attempt, signals=False)
    link.event(EventKind.ERROR, link.status.step, message=message)
    return link.finish(State.FAILED, reason, message)


if __name__ == "__main__":
    sys.exit(main())
