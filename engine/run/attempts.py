"""Opening an attempt: the checkpoint it goes on from, its number, its record and its headers."""

import time
from collections.abc import Callable
from pathlib import Path

from engine.language import _
from engine.run.atomic import remove_unfinished
from engine.run.checkpoints import CheckpointInfo, clean_up, newest_valid, scan
from engine.run.clock import now_utc_iso
from engine.run.folder import RunFolder
from engine.run.jsonl_log import LineWriter
from engine.run.process import this_process
from engine.run.schema import AttemptHeader, AttemptRecord, Event, EventKind

Progress = Callable[[int, int], None]
"""Hears bytes verified and bytes in all."""


def next_attempt(folder: RunFolder) -> int:
    """The number of the next attempt. Raises UserError for a broken manifest."""
    return 1 + max((earlier.attempt for earlier in folder.read_manifest().attempts), default=0)


def begin_attempt(folder: RunFolder, number: int, control_offset: int, on_progress: Progress) -> AttemptRecord:
    """Open attempt `number` from the newest checkpoint whose hashes hold; damaged ones are set aside and named.

    `control_offset` is the size control.jsonl had before the attempt was announced in status.json. Only the lock's
    owner calls this, while no worker lives. Raises UserError for a broken manifest, OSError when the disk refuses:
    then no worker should be started.
    """
    clean_up(folder)
    remove_unfinished(folder.path, (folder.status.name, folder.manifest.name))
    bad: list[tuple[CheckpointInfo, str, Path]] = []
    checkpoint = newest_valid(folder, lambda *found: bad.append(found), _progress_of(folder, on_progress))
    record = AttemptRecord(
        attempt=number,
        started=now_utc_iso(),
        host=this_process().host,
        from_checkpoint=None if checkpoint is None else checkpoint.name,
        start_step=0 if checkpoint is None else checkpoint.step,
        control_offset=control_offset,
        log_offset=size_of(folder.trainer_log),
    )
    folder.change_manifest(lambda manifest: manifest.attempts.append(record))
    header = AttemptHeader(
        attempt=record.attempt,
        step=record.start_step,
        start_step=record.start_step,
        from_checkpoint=record.from_checkpoint,
    ).model_dump()
    for path in (folder.metrics, folder.events):
        writer = LineWriter(path)
        try:
            writer.append(header, durable=True)
            if path == folder.events:
                for info, problem, aside in bad:
                    writer.append(_bad_event(record, info, problem, aside))
        finally:
            writer.close()
    return record


def _bad_event(record: AttemptRecord, info: CheckpointInfo, problem: str, aside: Path) -> dict[str, object]:
    message = _("Checkpoint {name} is damaged ({problem}); it was set aside as {aside}.").format(
        name=info.name, problem=problem, aside=aside.name
    )
    event = Event(
        attempt=record.attempt, step=record.start_step, kind=EventKind.CHECKPOINT_BAD, message=message
    ).model_dump()
    return event | {"name": info.name, "bad_step": info.step, "problem": problem, "set_aside": aside.name}


def _progress_of(folder: RunFolder, on_progress: Progress) -> Callable[[int], None]:
    infos = scan(folder)
    total = infos[0].size if infos else 0
    done = 0
    told = time.monotonic()

    def on_bytes(count: int) -> None:
        nonlocal done, told
        done += count
        if time.monotonic() - told > 0.5:
            told = time.monotonic()
            on_progress(done, max(done, total))

    return on_bytes


def size_of(path: Path) -> int:
    """Bytes of a file; 0 when there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
