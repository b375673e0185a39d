"""The end of an attempt, written in the order viewers rely on: event, manifest, and the state last."""

import contextlib
import time
from collections.abc import Callable

from engine.errors import UserError
from engine.run.clock import now_utc_iso
from engine.run.folder import RunFolder
from engine.run.jsonl_log import LineWriter
from engine.run.schema import Event, Manifest, Outcome
from engine.run.status import StatusWriter

AGAIN_SECONDS = 0.5
"""Between two tries."""


def close_attempt(folder: RunFolder, attempt: int, step: int, outcome: Outcome, exit_code: int | None) -> bool:
    """Write the attempt's end into the manifest; a manifest that makes no sense is passed over. False when the disk
    refuses.
    """

    def close(manifest: Manifest) -> None:
        for record in manifest.attempts:
            if record.attempt == attempt:
                record.ended = now_utc_iso()
                record.end_state, record.end_step = outcome.state, step
                record.reason, record.exit_code = outcome.reason, exit_code

    try:
        folder.change_manifest(close)
    except OSError:
        return False
    except UserError:
        pass
    return True


def conclude(
    folder: RunFolder,
    status: StatusWriter,
    events: LineWriter,
    outcome: Outcome,
    *,
    exit_code: int | None = None,
    patience: float = 0.0,
    wait: Callable[[float], None] = time.sleep,
) -> None:
    """Write that the current attempt ended as `outcome` says; what a full disk refuses is tried again for `patience`
    seconds. It loses what it must, and never raises here.

    Who sees the final state in status.json finds the event and the manifest complete, unless the disk refused them.
    """
    now = status.status
    event = Event(attempt=now.attempt, step=now.step, kind=outcome.state, message=outcome.message)
    events.append_or_keep(event.model_dump(exclude_none=True) | {"reason": outcome.reason})
    with contextlib.suppress(OSError):
        events.sync()
    closed = close_attempt(folder, now.attempt, now.step, outcome, exit_code)
    status.update(
        state=outcome.state,
        phase=None,
        phase_done=None,
        phase_total=None,
        micro_batch=None,
        eta_s=None,
        worker=None,
        next_attempt_at=None,
        outcome=None,
        reason=outcome.reason,
        message=outcome.message,
    )
    until = time.monotonic() + patience
    while not (closed and not events.pending and status.error is None) and time.monotonic() < until:
        wait(AGAIN_SECONDS)
        events.flush()
        closed = closed or close_attempt(folder, now.attempt, now.step, outcome, exit_code)
        if status.error is not None:
            status.update()
