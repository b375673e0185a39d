"""The end of an attempt, written in the order viewers rely on: event, manifest, and the state last."""

import contextlib

from engine.errors import UserError
from engine.run.clock import now_utc_iso
from engine.run.folder import RunFolder
from engine.run.jsonl_log import LineWriter
from engine.run.schema import Event, Manifest, Outcome
from engine.run.status import StatusWriter


def close_attempt(folder: RunFolder, attempt: int, step: int, outcome: Outcome, exit_code: int | None) -> None:
    """Write the attempt's end into the manifest; a disk or a manifest that refuses is passed over."""

    def close(manifest: Manifest) -> None:
        for record in manifest.attempts:
            if record.attempt == attempt:
                record.ended = now_utc_iso()
                record.end_state, record.end_step = outcome.state, step
                record.reason, record.exit_code = outcome.reason, exit_code

    with contextlib.suppress(OSError, UserError):
        folder.change_manifest(close)


def conclude(
    folder: RunFolder, status: StatusWriter, events: LineWriter, outcome: Outcome, *, exit_code: int | None = None
) -> None:
    """Write that the current attempt ended as `outcome` says. A full disk loses what it must, and never raises here.

    Who sees the final state in status.json finds the event and the manifest complete.
    """
    now = status.status
    event = Event(attempt=now.attempt, step=now.step, kind=outcome.state, message=outcome.message)
    events.append_or_keep(event.model_dump(exclude_none=True) | {"reason": outcome.reason})
    with contextlib.suppress(OSError):
        events.sync()

    close_attempt(folder, now.attempt, now.step, outcome, exit_code)
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
