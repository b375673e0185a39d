"""The stream of updates: which rows each optimiser step takes, dealt to ranks, prefetched, resumable at any cursor."""

import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt

from engine.data.order import permuted
from engine.data.rows import Batch, Integers


@dataclass(frozen=True)
class Cursor:
    """A position in the data: rows consumed so far in an epoch (from 0), over all ranks.

    The end of epoch e is Cursor(e + 1, 0); Cursor(e, row_count) is accepted as the same place.
    """

    epoch: int = 0
    row: int = 0


class RowSource(Protocol):
    """Rows to take updates from: a RowTable, or what looks like one."""

    @property
    def row_count(self) -> int:
        """How many there are."""

    @property
    def row_targets(self) -> npt.NDArray[np.uint32]:
        """(rows,): target tokens of each."""

    def batch(self, row_indices: Integers, *, fill_to: int = 0) -> Batch:
        """These rows assembled, with empty ones up to `fill_to`."""


def updates_per_epoch(row_count: int, rows_per_update: int) -> int:
    """Updates in an epoch; the last, smaller one is made."""
    return -(-row_count // rows_per_update)


class MicroBatches:
    """The micro-batches of one update for one rank, to iterate once; len() is known before they are ready."""

    def __init__(self, count: int, queue: "_Queue") -> None:
        self._count = count
        self._left = count
        self._queue = queue

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Batch]:
        while self._left:
            self._left -= 1
            batch = self._queue.get()
            assert isinstance(batch, Batch)
            yield batch


@dataclass(frozen=True)
class Update:
    """One optimiser step's share of the data for one rank."""

    cursor_before: Cursor
    cursor_after: Cursor
    """Where the data stands once this update is made: what a checkpoint keeps."""
    epoch: int
    micro_batches: MicroBatches
    """As many on every rank: those of a whole update, or fewer in the last, smaller update of an epoch."""
    target_tokens: int
    """Target tokens of the whole update, over all micro-batches of all ranks: the divisor of the summed loss."""
    row_count: int
    """Rows of the whole update, over all ranks."""


class UpdateStream:
    """Iterates over the updates from a cursor to the end of epoch `end_epoch - 1`, in the order of (seed, epoch).

    An update takes the next G = micro_batch * accumulation_steps * world_size rows of the epoch's permutation, so its
    content depends on G alone. `at_once` rows (micro_batch by default) are really computed at a time, and may be any
    number: with M = at_once and W = world_size, micro-batch a of rank r takes the M rows from a * M * W + r * M on, and
    the last one those that are left of G. The last update of an epoch may have fewer rows: then its later micro-batches
    are missing, on all ranks alike. A rank without rows in a last one gets a batch whose labels are all IGNORE (one
    row, or `at_once` rows with fixed_shape). fixed_shape fills every batch up to `at_once` rows, for compiled code that
    would otherwise be compiled again.

    One thread assembles at most `prefetch` micro-batches ahead; what it raises is raised to the consumer.
    wait_seconds counts the time the consumer waited for data. close() (or leaving a `with`) ends the thread.
    """

    def __init__(
        self,
        rows: RowSource,
        *,
        seed: int,
        micro_batch: int,
        accumulation_steps: int = 1,
        at_once: int | None = None,
        world_size: int = 1,
        rank: int = 0,
        start: Cursor = Cursor(),
        end_epoch: int = 1,
        fixed_shape: bool = False,
        prefetch: int = 4,
    ) -> None:
        if not 0 <= rank < world_size:
            raise ValueError(f"rank {rank} outside a world of {world_size}")
        if min(micro_batch, accumulation_steps, prefetch, micro_batch if at_once is None else at_once) < 1:
            raise ValueError("micro_batch, accumulation_steps, at_once and prefetch are at least 1")
        if not 0 <= start.row <= rows.row_count:
            raise ValueError(f"cursor at row {start.row} of {rows.row_count}")
        self.rows = rows
        self.seed = seed
        self.micro_batch = micro_batch
        self.accumulation_steps = accumulation_steps
        self.at_once = at_once or micro_batch
        self.world_size = world_size
        self.rank = rank
        self.end_epoch = end_epoch
        self.fixed_shape = fixed_shape
        self.cursor = _normalised(start, rows.row_count)
        """Where the data stands before the next update."""
        self._current: MicroBatches | None = None
        self._prefetch = prefetch
        self._begin(0.0)

    @property
    def rows_per_update(self) -> int:
        """G, the rows of a whole update."""
        return self.micro_batch * self.accumulation_steps * self.world_size

    @property
    def micro_batches(self) -> int:
        """Micro-batches of a whole update."""
        return -(-self.rows_per_update // (self.at_once * self.world_size))

    @property
    def wait_seconds(self) -> float:
        """Seconds the consumer has waited for data so far."""
        return self._queue.wait_seconds

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Update:
        if self._current is not None:  # micro-batches the consumer left
            for _batch in self._current:
                pass
        if self.cursor.epoch >= self.end_epoch or self._queue.closed:
            raise StopIteration
        cursor = self.cursor
        rows = self._rows_of(cursor)
        size = self.at_once * self.world_size
        self._current = MicroBatches(-(-len(rows) // size), self._queue)
        self.cursor = self._after(cursor, len(rows))
        return Update(
            cursor_before=cursor,
            cursor_after=self.cursor,
            epoch=cursor.epoch,
            micro_batches=self._current,
            target_tokens=int(self.rows.row_targets[rows].sum(dtype=np.int64)),
            row_count=len(rows),
        )

    def rows_from(self, cursor: Cursor) -> Integers:
        """The rows of the update that begins at `cursor`, over all ranks, in the order they are dealt."""
        return self._rows_of(_normalised(cursor, self.rows.row_count))

    def deal_again(self, cursor: Cursor, at_once: int) -> None:
        """Go back to `cursor` and deal from there on `at_once` rows at a time. What was prefetched is dropped; an
        update given out before must not be read any more.
        """
        self.close()
        self.cursor = _normalised(cursor, self.rows.row_count)
        self.at_once = at_once
        self._current = None
        self._begin(self._queue.wait_seconds)

    def close(self) -> None:
        """End the prefetching thread and wait for it; harmless when called again."""
        self._queue.close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _begin(self, waited: float) -> None:
        """Prefetch from the cursor on; the consumer has waited for `waited` seconds so far."""
        self._queue = _Queue(self._prefetch, waited)
        self._thread = threading.Thread(target=self._produce, args=(self.cursor,), name="prefetch", daemon=True)
        self._thread.start()

    def _rows_of(self, cursor: Cursor) -> Integers:
        """The rows of the update that begins at `cursor`, over all ranks, in the epoch's order."""
        stop = min(cursor.row + self.rows_per_update, self.rows.row_count)
        return permuted(range(cursor.row, stop), self.rows.row_count, self.seed, cursor.epoch)

    def _after(self, cursor: Cursor, taken: int) -> Cursor:
        return _normalised(Cursor(cursor.epoch, cursor.row + taken), self.rows.row_count)

    def _produce(self, cursor: Cursor) -> None:
        try:
            while cursor.epoch < self.end_epoch:
                rows = self._rows_of(cursor)
                size = self.at_once * self.world_size
                for begin in range(0, len(rows), size):
                    own = begin + self.rank * self.at_once
                    taken = rows[own : min(own + self.at_once, begin + size)]
                    fill_to = self.at_once if self.fixed_shape else 1
                    if not self._queue.put(self.rows.batch(taken, fill_to=fill_to)):
                        return
                cursor = self._after(cursor, len(rows))
        except BaseException as error:  # whatever it is, the consumer must hear of it
            self._queue.put(error)


def _normalised(cursor: Cursor, row_count: int) -> Cursor:
    return Cursor(cursor.epoch + 1, 0) if cursor.row >= row_count else cursor


class _Queue:
    """A bounded queue between two threads, closed from either side; it sleeps on a condition and never spins."""

    def __init__(self, size: int, wait_seconds: float = 0.0) -> None:
        self._size = size
        self._items: deque[Batch | BaseException] = deque()
        self._changed = threading.Condition()
        self.closed = False
        self.wait_seconds = wait_seconds

    def put(self, item: Batch | BaseException) -> bool:
        """Append, waiting for room; False when the queue was closed. An error does not wait for room."""
        with self._changed:
            self._changed.wait_for(
                lambda: self.closed or len(self._items) < self._size or isinstance(item, BaseException)
            )
            if self.closed:
                return False
            self._items.append(item)
            self._changed.notify_all()
            return True

    def get(self) -> Batch:
        """The next batch, waiting for it; raises what the producer raised, at its place in the order."""
        began = time.perf_counter()
        with self._changed:
            self._changed.wait_for(lambda: self.closed or bool(self._items))
            self.wait_seconds += time.perf_counter() - began
            if self.closed:
                raise RuntimeError("the update stream was closed while it was read")
            item = self._items.popleft()
            if isinstance(item, BaseException):
                self._items.appendleft(item)  # it stays: every later read fails as well
                raise item
            self._changed.notify_all()
            return item

    def close(self) -> None:
        """Wake both sides and drop what is left."""
        with self._changed:
            self.closed = True
            self._items.clear()
            self._changed.notify_all()
