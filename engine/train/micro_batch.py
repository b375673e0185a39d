"""How many rows a run computes at a time: as asked, as found for `auto`, or fewer since memory ran out.

The rows of an update are the same whatever is computed at a time, and so are its numbers but for rounding.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from engine.errors import UserError
from engine.estimate.micro_batch import MemoryKey, load_rows, save_rows
from engine.language import _
from engine.run.schema import AttemptRecord, EventKind
from engine.run.worker_link import WorkerLink
from engine.train.out_of_memory import MemoryTooSmallError
from engine.train.state import TrainerState


class MicroBatch:
    """The rows computed at a time, training and validating, kept in the trainer's state and the attempt's record."""

    def __init__(self, link: WorkerLink, state: TrainerState, key: MemoryKey, rows: int, cache_dir: Path) -> None:
        self._link = link
        self._state = state
        self._key = key
        self._cache_dir = cache_dir
        if state.memory_key != key.digest:
            state.validation_rows_at_once = rows
        state.memory_key, state.rows_at_once = key.digest, rows

    @property
    def rows(self) -> int:
        """Rows of a micro-batch."""
        return self._state.rows_at_once

    @property
    def validation_rows(self) -> int:
        """Rows of a validation's batches."""
        return min(self._state.validation_rows_at_once, self.rows)

    @property
    def per_update(self) -> int:
        """Micro-batches of a whole update."""
        return -(-self._key.rows // self.rows)

    def settle(self, rows: int) -> None:
        """Compute so many rows at a time, because another rank cannot compute more."""
        self._state.rows_at_once = rows

    def halve(self) -> None:
        """Compute half the rows at a time from now on, and say so. Raises MemoryTooSmallError when it is one row."""
        before = self.rows
        if before == 1:
            raise MemoryTooSmallError(self._too_small())
        self._state.rows_at_once = (before + 1) // 2
        self.describe()
        if self._key.asked == "auto" and self._key.rows % self.rows == 0:
            remember(self._cache_dir, self._key, self.rows)
        message = _(
            "Memory ran out with {before} rows at a time. From now on {rows} are computed at a time, {count} "
            "micro-batches an update. The rows of an update stay the same, and its numbers but for rounding; the one "
            "that was begun is made again."
        ).format(before=before, rows=self.rows, count=self.per_update)
        self._warn(message, before, self.rows)

    def halve_validation(self) -> None:
        """The same for validations. Raises MemoryTooSmallError when it is one row."""
        before = self.validation_rows
        if before == 1:
            raise MemoryTooSmallError(self._too_small())
        self._state.validation_rows_at_once = (before + 1) // 2
        message = _(
            "Memory ran out in a validation with {before} rows at a time. From now on validations take {rows}; the "
            "validation is made again."
        ).format(before=before, rows=self.validation_rows)
        self._warn(message, before, self.validation_rows)

    def describe(self) -> None:
        """Write the rows into the attempt's record and the status; a disk that refuses does not stop the run."""
        self._link.update(micro_batch_rows=self.rows, micro_batches=self.per_update)
        try:
            self._link.note_attempt(micro_batch=self.rows, memory_key=self._key.digest)
        except UserError as error:  # somebody deleted or broke the manifest meanwhile
            self._link.event(EventKind.WARNING, self._state.step, message=str(error))

    def _warn(self, message: str, before: int, rows: int) -> None:
        self._link.event(EventKind.WARNING, self._state.step, message=message, rows_before=before, rows=rows)
        self._link.update(message=message)

    def _too_small(self) -> str:
        message = _(
            "Memory ran out at update {step} with a single row of {length} positions: nothing smaller can be computed. "
            "Free the memory that other programs hold, use a device with more of it, or take a smaller max_seq_len or "
            "network."
        ).format(step=self._state.step + 1, length=self._key.max_seq_len)
        if not self._key.recompute:
            message += " " + _("`minimind resume --recompute 1` goes on with less memory and more time.")
        return message


def begin_micro_batch(
    link: WorkerLink, state: TrainerState, key: MemoryKey, cache_dir: Path, search: Callable[[], int]
) -> MicroBatch:
    """The micro-batch that a run begins, or goes on, with.

    What the run itself computed at a time comes first, on the same device and with the same settings: a resume then
    repeats it bit for bit. With `auto` comes next what was found earlier on this machine, then `search`. Raises what
    that raises.
    """
    known = _known(state, link.folder.read_manifest().attempts, key)
    if isinstance(key.asked, int):
        rows = min(known or key.asked, key.asked)
        if rows < key.asked:
            message = _("{rows} rows are computed at a time instead of {asked}: memory ran out before.")
            link.event("micro_batch", state.step, message=message.format(rows=rows, asked=key.asked), rows=rows)
        return MicroBatch(link, state, key, rows, cache_dir)
    found = known or load_rows(cache_dir, key)
    how = _("as this run did before") if known else _("as was found on this machine earlier")
    if found is None:
        found, how = search(), _("found for {device} now").format(device=key.device)
        remember(cache_dir, key, found)
    message = _("batch_size = auto: {rows} rows at a time, {count} micro-batches an update ({how}).")
    link.event(
        "micro_batch", state.step, message=message.format(rows=found, count=-(-key.rows // found), how=how), rows=found
    )
    return MicroBatch(link, state, key, found, cache_dir)


def remember(cache_dir: Path, key: MemoryKey, rows: int) -> None:
    """Keep what fits for later runs; a disk that refuses only costs them the search."""
    try:
        save_rows(cache_dir, key, rows)
    except OSError:
        return


def _known(state: TrainerState, attempts: Sequence[AttemptRecord], key: MemoryKey) -> int | None:
    """What the run computed at a time under this key: the least of its checkpoint's and the last attempt's."""
    told = [one for one in attempts if one.micro_batch is not None][-1:]
    rows = [one.micro_batch for one in told if one.memory_key == key.digest and one.micro_batch is not None]
    rows += [state.rows_at_once] if state.memory_key == key.digest else []
    return min(rows, default=None)
