"""Another machine's part in a run: it finds the run in the shared folder, and starts its ranks for each attempt."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from engine.errors import UserError
from engine.language import _
from engine.run.folder import RunFolder
from engine.run.meeting import find_meeting
from engine.run.observe import observe
from engine.run.schema import State
from engine.run.start import LAUNCHER, module_environment, python_module

_LOOK_SECONDS = 0.5


def join_run(runs_dir: Path, endpoint: str, machine: int, say: Callable[[str], None]) -> bool:
    """Be machine number `machine` of the run that meets at `endpoint`, attempt after attempt, until the run ends.

    Returns whether it ended well (finished, or stopped on request). Interrupted, it takes its ranks with it. Raises
    UserError when the run wants fewer machines.
    """
    say(_("Waiting for the run that meets at {endpoint}, in {folder}.").format(endpoint=endpoint, folder=runs_dir))
    served: tuple[str, int] | None = None
    run: RunFolder | None = None
    while True:
        found = find_meeting(runs_dir, endpoint)
        if found is not None and (found[0].id, found[1].attempt) != served:
            run, meeting = found
            if machine >= meeting.machines:
                raise UserError(
                    _("Run {run} has {n} machines, numbered from 0: there is no number {machine}.").format(
                        run=run.id, n=meeting.machines, machine=machine
                    )
                )
            served = (run.id, meeting.attempt)
            say(_("Run {run}, attempt {attempt}: joined.").format(run=run.id, attempt=meeting.attempt))
            _run_ranks(run, meeting.attempt, endpoint, machine)
        elif run is not None:
            seen = observe(run)
            if not seen.is_live:
                say(f"{run.id}: {seen.state}. {seen.message}")
                return seen.state in (State.FINISHED, State.STOPPED)
        time.sleep(_LOOK_SECONDS)


def _run_ranks(run: RunFolder, attempt: int, endpoint: str, machine: int) -> None:
    asked = ["--attempt", str(attempt), "--rdzv", endpoint, "--node-rank", str(machine)]
    with (run.path / f"machine-{machine}.log").open("ab") as log:
        process = subprocess.Popen(
            [*python_module(LAUNCHER), str(run.path), *asked],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=module_environment(),
            process_group=0,
        )
        try:
            process.wait()
        finally:
            process.kill()  # its ranks notice and end
            process.wait()
