"""Processes that torchrun or Slurm started together: which of them this one is, and becoming a rank of the run."""

import os
import re
import sys
from collections.abc import Callable, Mapping, MutableMapping
from typing import NamedTuple, NoReturn

from engine.errors import UserError
from engine.language import _
from engine.run.folder import RunFolder
from engine.run.start import module_environment, python_module

RANK = "engine.worker.by_hand"
"""The module such a process becomes."""

_SLURM_PORTS = 20000, 10000


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


def become_a_rank(started: Started, make: Callable[[], tuple[RunFolder, bool]]) -> NoReturn:
    """Turn this process into its rank of the run that `make` returns; `make` is called on rank 0 alone, and says also
    whether a finished run goes on. A UserError of it is told, and ends all ranks.
    """
    command = python_module(RANK)
    if started.rank == 0:
        try:
            folder, again = make()
            command += [str(folder.path), *(["--again"] if again else [])]
        except UserError as error:
            command += ["--error", str(error)]
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(command[0], command, module_environment())


def _first_host(nodes: str) -> str:
    """The first host of Slurm's list: `gpu[03-05,9],cpu1` begins with gpu03. Raises ValueError."""
    found = re.match(r"([^\[,]+)(?:\[([^\],-]+))?", nodes)
    if found is None:
        raise ValueError(nodes)
    return found[1] + (found[2] or "")
