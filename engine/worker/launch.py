"""All ranks of a run on one machine: `python -m engine.worker.launch FOLDER --attempt N`. Started by the supervisor,
and on a run's other machines by engine.run.joining.

Torch's elastic launcher starts them, and ends the others when one fails; this process forwards a stop to rank 0, and
when a rank is gone without a word it says in the run's status which one, and why.
"""

import argparse
import contextlib
import os
import shutil
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import psutil

from engine.errors import UserError
from engine.language import _
from engine.run.exit_codes import WorkerExit
from engine.run.folder import RunFolder
from engine.run.meeting import Meeting, announce, announced_endpoint, withdraw
from engine.run.rank_errors import FOLDER_VARIABLE, LAUNCHER_VARIABLE, RankError, read_errors
from engine.run.readable import wait_readable
from engine.run.schema import EventKind, Manifest, Outcome, Reason, State
from engine.run.status import read_status
from engine.run.trainer_log import soften_output
from engine.run.worker_death import oom_kills, words_of_exit
from engine.run.worker_link import WorkerLink, exit_of, keep_lock_here
from engine.settings.run_toml import parse_settings
from engine.worker.waiting_threads import let_waiting_threads_sleep

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig

RANK_MODULE = "engine.worker.train"
_END_SECONDS = 30
"""How long the ranks that are left have to save and end once one has failed."""
_MEETING_SECONDS = 1800
"""How long one machine waits for the others before it gives up, at least."""
_WORD_SECONDS = 5.0
_FORWARD_SECONDS = 0.1


def main(arguments: list[str] | None = None) -> int:
    """Run the ranks to their end; returns the exit code that a single worker would have."""
    parser = argparse.ArgumentParser(prog="python -m engine.worker.launch", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--attempt", type=int, required=True)
    parser.add_argument("--rdzv", default=None, help="where the machines meet, HOST:PORT")
    parser.add_argument("--node-rank", type=int, default=0, help="this machine's number")
    asked = parser.parse_args(arguments)
    folder = RunFolder(asked.folder.absolute())
    lock = keep_lock_here()
    forward_stops(folder, asked.node_rank)
    let_waiting_threads_sleep()
    ranks = Machine(folder, asked.attempt, asked.node_rank, asked.rdzv)
    try:
        failure = ranks.run()
    except UserError as error:
        failure = (Reason.USER_ERROR, str(error))
    finally:
        if lock is not None:
            with contextlib.suppress(OSError):
                os.close(lock)
    if asked.node_rank == 0:
        return _code_of(folder, asked.attempt, failure)
    if failure is not None:
        print(failure[1], file=sys.stderr, flush=True)  # noqa: T201 - into this machine's log
    return WorkerExit.DONE if failure is None else WorkerExit.FAILED


def forward_stops(folder: RunFolder, machine: int) -> None:
    """From now on SIGTERM and SIGINT reach the ranks that this process starts, once each; it lives on itself.

    Rank 0 stops for all. It gets a stop as soon as it can take one, which its word in the run's status tells: before,
    the signal would end it. The ranks of another machine than the first one ignore it.
    """
    read_end, write_end = os.pipe()

    def note(number: int, _frame: FrameType | None) -> None:
        os.write(write_end, bytes([number]))

    def forward() -> None:
        number = 0
        reached: set[int] = set()
        while True:
            if wait_readable(read_end, _FORWARD_SECONDS if number else None):
                number = os.read(read_end, 1)[0]
                reached.clear()
            for child in psutil.Process().children():
                if child.pid not in reached and (machine > 0 or _is_ready(folder, child.pid)):
                    reached.add(child.pid)
                    with contextlib.suppress(psutil.NoSuchProcess):
                        child.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, note)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    threading.Thread(target=forward, name="forward-stops", daemon=True).start()


def _is_ready(folder: RunFolder, pid: int) -> bool:
    """Whether this process is the rank that writes the status, by what the status says."""
    with contextlib.suppress(OSError):
        status = read_status(folder.status)
        return status is not None and status.worker is not None and status.worker.pid == pid
    return False


class Machine:
    """The ranks of one machine, number `number` of those of the run, through one attempt."""

    def __init__(self, folder: RunFolder, attempt: int, number: int, endpoint: str | None) -> None:
        self._folder = folder
        self._attempt = attempt
        self._number = number
        self._endpoint = endpoint
        self._settings, _preset = parse_settings(folder.run_toml)
        self._place = folder.path / "ranks" / f"attempt-{attempt}"
        self._killed_before = oom_kills()

    def run(self) -> tuple[Reason, str] | None:
        """Run the ranks to their end; why, when not all of them ended well. Raises UserError."""
        from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
        from torch.distributed.launcher.api import elastic_launch

        config = self._config()
        (self._place / f"machine-{self._number}").mkdir(parents=True, exist_ok=True)
        os.environ[FOLDER_VARIABLE] = str(self._place)
        os.environ[LAUNCHER_VARIABLE] = str(os.getpid())
        rank: list[Any] = ["-P", "-m", RANK_MODULE, str(self._folder.path), "--attempt", str(self._attempt)]
        try:
            elastic_launch(config, sys.executable)(*rank)
        except ChildFailedError as error:
            return self._cause(error)
        except RuntimeError as error:  # the machines did not meet
            return Reason.ERROR, _("The machines did not meet at {endpoint}: {problem}").format(
                endpoint=self._endpoint, problem=error
            )
        finally:
            if self._number == 0:
                withdraw(self._folder)
                shutil.rmtree(self._place.parent, ignore_errors=True)
        return None

    def _config(self) -> "LaunchConfig":
        from torch.distributed.elastic.multiprocessing.api import DefaultLogsSpecs
        from torch.distributed.launcher.api import LaunchConfig

        settings, machines = self._settings, self._settings.nnodes
        common: dict[str, Any] = {
            "min_nodes": machines,
            "max_nodes": machines,
            "nproc_per_node": 1 if settings.nproc == "auto" else settings.nproc,
            "run_id": f"{self._folder.id}-{self._attempt}",
            "max_restarts": 0,  # the supervisor starts again, from the last checkpoint
            "logs_specs": DefaultLogsSpecs(log_dir=str(self._place / f"machine-{self._number}")),
            "signals_to_handle": "SIGQUIT",  # not SIGTERM: rank 0 saves, however long that takes
            "shutdown_timeout": _END_SECONDS,
        }
        if machines == 1:
            from engine.worker import loopback

            loopback.register()
            return LaunchConfig(
                rdzv_backend=loopback.BACKEND, rdzv_endpoint=f"{loopback.HOST}:0", local_addr=loopback.HOST, **common
            )
        endpoint = self._endpoint = self._endpoint or announced_endpoint(machines)
        address = _address_towards(endpoint)
        _speak_through(address)
        if self._number == 0:
            announce(self._folder, Meeting(endpoint=endpoint, attempt=self._attempt, machines=machines))
        return LaunchConfig(
            rdzv_backend="static",  # the machine of number 0 has rank 0, which writes
            rdzv_endpoint=endpoint,
            rdzv_configs={"rank": self._number, "timeout": int(max(settings.rank_timeout, _MEETING_SECONDS))},
            local_addr=address,
            **common,
        )

    def _cause(self, failed: "ChildFailedError") -> tuple[Reason, str]:
        """Whose failure ended the run, in words."""
        left = read_errors(self._place)
        until = time.monotonic() + (_WORD_SECONDS if self._settings.nnodes > 1 else 0.0)
        while all(error.about_others for error in left) and time.monotonic() < until:
            time.sleep(0.1)  # the word of another machine's rank comes through a shared folder
            left = read_errors(self._place)
        if left and not left[0].about_others:
            if left[0].reason is Reason.MEMORY:
                return self._smaller(left[0])
            return left[0].reason, _of_rank(left[0].rank, left[0].message)
        deaths = sorted(failed.failures.items(), key=lambda item: item[1].timestamp)
        silent = [(rank, death.exitcode) for rank, death in deaths if rank not in {error.rank for error in left}]
        if silent:
            rank, code = silent[0]
            return Reason.WORKER_DIED, _of_rank(rank, words_of_exit(code, self._killed_before))
        if left:
            return left[0].reason, _of_rank(left[0].rank, left[0].message)
        return Reason.WORKER_DIED, _("The ranks ended without saying why.")

    def _smaller(self, error: RankError) -> tuple[Reason, str]:
        """Memory ran out on a rank: let the next attempt compute half the rows at a time, on all of them."""
        rows: list[int] = []

        def halve(manifest: Manifest) -> None:
            for record in manifest.attempts:
                if record.attempt == self._attempt and record.micro_batch is not None:
                    rows.append(record.micro_batch)
                    record.micro_batch = (record.micro_batch + 1) // 2

        with contextlib.suppress(OSError):
            self._folder.change_manifest(halve)
        if not rows:
            return Reason.ERROR, _of_rank(error.rank, error.message)
        (before,) = rows
        if before == 1:
            return Reason.USER_ERROR, _(
                "Memory ran out on rank {rank} with a single row: nothing smaller can be computed. Free the memory "
                "that other programs hold, use fewer processes a device, or take a smaller max_seq_len or network."
            ).format(rank=error.rank)
        return Reason.MEMORY, _(
            "Memory ran out on rank {rank} with {before} rows at a time. All ranks start again from the last "
            "checkpoint with {rows}; the rows of an update stay the same."
        ).format(rank=error.rank, before=before, rows=(before + 1) // 2)


def _of_rank(rank: int, problem: str) -> str:
    return _("Rank {rank}: {problem}").format(rank=rank, problem=problem)


def _address_towards(endpoint: str) -> str:
    """This machine's own address on the way to `endpoint`. Raises UserError for a host nobody knows."""
    host, _colon, port = endpoint.rpartition(":")
    try:
        family, kind, _protocol, _name, address = socket.getaddrinfo(host, int(port), type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as probe:
            probe.connect(address)  # of a datagram socket: it only looks up the route
            return str(probe.getsockname()[0])
    except OSError as error:
        raise UserError(
            _("--rdzv {endpoint} cannot be reached from here: {problem}.").format(endpoint=endpoint, problem=error)
        ) from error


def _speak_through(address: str) -> None:
    """Let gloo and nccl use the network of `address`, unless the environment names one."""
    for name, addresses in psutil.net_if_addrs().items():
        if any(found.address == address for found in addresses):
            for variable in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
                os.environ.setdefault(variable, name)


def _code_of(folder: RunFolder, attempt: int, failure: tuple[Reason, str] | None = None) -> WorkerExit:
    """The exit code of what rank 0 left in the status; when it left nothing, `failure` is written there first."""
    with contextlib.suppress(OSError):
        status = read_status(folder.status)
        if status is not None and status.attempt == attempt:
            if status.outcome is not None:
                return exit_of(status.outcome)
            if status.reason is not None:  # without a supervisor rank 0 has written the end itself
                return exit_of(Outcome(state=status.state, reason=status.reason, message=status.message or ""))
    reason, message = failure or (Reason.WORKER_DIED, _("The ranks ended without saying how."))
    print(message, file=sys.stderr, flush=True)  # noqa: T201 - into trainer.log
    link = WorkerLink(folder, attempt, signals=False)
    link.event(EventKind.ERROR, link.status.step, message=message)
    return link.finish(State.FAILED, reason, message)


if __name__ == "__main__":
    soften_output()
    sys.exit(main())
