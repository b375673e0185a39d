"""A run whose ranks torchrun or Slurm started: rank 0 makes or resumes it, the others hear which it is."""

import os
import re
import time
from collections.abc import Callable, Mapping, MutableMapping
from datetime import timedelta
from typing import NamedTuple

import orjson

from engine.errors import UserError
from engine.language import _
from engine.run.attempts import begin_attempt, next_attempt, size_of
from engine.run.exit_codes import WorkerExit
from engine.run.folder import RunFolder
from engine.run.supervisor import take_lock

_KEY, _HEARD = "minimind/run", "minimind/heard"
_HEAR_SECONDS = 10.0
_SLURM_PORTS = 20000, 10000
_WAIT = timedelta(minutes=10)


class Started(NamedTuple):
    """This process among those that were started together."""

    rank: int
    processes: int
    machines: int


def started_by_hand(environ: MutableMapping[str, str] = os.environ) -> Started | None:
    """Whether torchrun or srun started this process with others; None for one alone.

    Slurm's variables are given torchrun's names in `environ` on the way. Raises UserError when they say too little.
    """
    if "RANK" not in environ and int(environ.get("SLURM_NTASKS", "1") or 1) > 1 and "SLURM_STEP_ID" in environ:
        environ.update(from_slurm(environ))
    if int(environ.get("WORLD_SIZE", "1")) == 1 or "RANK" not in environ:
        return None
    world = int(environ["WORLD_SIZE"])
    local = int(environ.get("LOCAL_WORLD_SIZE", world))
    machines = world // local if world % local == 0 else 1
    return Started(int(environ["RANK"]), world // machines, machines)


def from_slurm(environ: Mapping[str, str]) -> dict[str, str]:
    """Torchrun's variables for a task of `srun`. Raises UserError when Slurm's are incomplete."""
    try:
        tasks, nodes = int(environ["SLURM_NTASKS"]), int(environ.get("SLURM_NNODES", "1"))
        first = _first_host(environ.get("SLURM_STEP_NODELIST") or environ["SLURM_NODELIST"])
        base, room = _SLURM_PORTS
        return {
            "RANK": environ["SLURM_PROCID"],
            "WORLD_SIZE": str(tasks),
            "LOCAL_RANK": environ["SLURM_LOCALID"],
            "LOCAL_WORLD_SIZE": str(tasks // nodes if tasks % nodes == 0 else tasks),
            "MASTER_ADDR": environ.get("MASTER_ADDR", first),
            "MASTER_PORT": environ.get("MASTER_PORT", str(base + int(environ["SLURM_JOB_ID"]) % room)),
        }
    except (KeyError, ValueError) as error:
        raise UserError(
            _("Slurm started several tasks but does not say which is which ({problem}). Start it with srun.").format(
                problem=error
            )
        ) from error


def train_by_hand(started: Started, make: Callable[[], tuple[RunFolder, bool]]) -> int:
    """Be this rank of the run that `make` returns (called on rank 0 alone) to its end; returns the exit code.

    `make` also says whether a finished run goes on.

    No supervisor watches: whoever started the ranks does. Raises UserError.
    """
    import torch.distributed as dist

    from engine.worker.train import main

    store = dist.TCPStore(  # type: ignore[attr-defined]
        os.environ["MASTER_ADDR"],
        int(os.environ["MASTER_PORT"]),
        is_master=started.rank == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True",
        timeout=_WAIT,
        multi_tenant=True,  # the process group takes the same one
        wait_for_workers=False,
    )
    key = f"{_KEY}/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}"
    if started.rank != 0:
        told = orjson.loads(store.get(key))
        if "error" in told:  # rank 0 says it
            store.add(_HEARD, 1)
            return WorkerExit.USER_ERROR
        return main([told["folder"], "--attempt", str(told["attempt"])])
    try:
        folder, again = make()
        lock = take_lock(folder, again=again)
        control = size_of(folder.control)
        record = begin_attempt(folder, next_attempt(folder), control, lambda _done, _total: None)
    except UserError as error:
        store.set(key, orjson.dumps({"error": str(error)}).decode())
        until = time.monotonic() + _HEAR_SECONDS
        while store.add(_HEARD, 0) < started.processes * started.machines - 1 and time.monotonic() < until:
            time.sleep(0.05)  # the store may end with this process
        raise
    store.set(key, orjson.dumps({"folder": str(folder.path), "attempt": record.attempt}).decode())
    try:
        return main([str(folder.path), "--attempt", str(record.attempt)])
    finally:
        lock.release()


def _first_host(nodes: str) -> str:
    """The first host of Slurm's list: `gpu[03-05,9],cpu1` begins with gpu03. Raises ValueError."""
    found = re.match(r"([^\[,]+)(?:\[([^\],-]+))?", nodes)
    if found is None:
        raise ValueError(nodes)
    return found[1] + (found[2] or "")
