"""Who may run a run: the one who gets its lock, unless the run is finished or lives elsewhere."""

import time

from engine.errors import UserError
from engine.language import _
from engine.run.atomic import remove_unfinished
from engine.run.ending import conclude
from engine.run.folder import RunFolder
from engine.run.jsonl_log import LineWriter
from engine.run.lock import RunLock, held_message
from engine.run.observe import Observation, observe
from engine.run.process import this_process
from engine.run.schema import FINAL_STATES, State, Status
from engine.run.status import StatusWriter

LOCK_PATIENCE = 5.0
"""Seconds given to a supervisor that is just about to end."""


def take_lock(folder: RunFolder, *, again: bool) -> RunLock:
    """The run's lock. Raises UserError when the run runs, or is finished and not to be run `again`; OSError."""
    lock = RunLock(folder.lock)
    deadline = time.monotonic() + LOCK_PATIENCE
    while True:
        try:
            lock.acquire()
            break
        except UserError:
            # a supervisor that has written its final state lets go within moments; one that lives does not
            if observe(folder).is_live or time.monotonic() >= deadline:
                raise UserError(held_message(folder.lock)) from None
            time.sleep(0.05)
    now = observe(folder)
    if now.state is State.FINISHED and not again:
        _close_books(folder, now)
        lock.release()
        raise UserError(
            _("Run {run} is finished: nothing is left to do. {message}").format(run=folder.id, message=now.message)
        )
    if now.status is not None and now.is_live:  # on a machine whose lock this file system does not show
        lock.release()
        raise UserError(
            _("Run {run} is {state}: {message} {how}").format(
                run=folder.id, state=now.state, message=now.message, how=now.how
            )
        )
    return lock


def _close_books(folder: RunFolder, now: Observation) -> None:
    """Write the end that a worker left word of, and that its supervisor did not live to write."""
    status = now.status
    if status is None or status.state in FINAL_STATES or status.outcome is None:
        return
    remove_unfinished(folder.path, (folder.status.name, folder.manifest.name))
    mine = Status.model_validate(dict(status) | {"worker": None, "supervisor": this_process()})
    conclude(folder, StatusWriter(folder.status, mine), LineWriter(folder.events), status.outcome)
