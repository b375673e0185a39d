"""How many rows a device can compute at a time: real passes over the longest rows, ever more of them, until they fit
no more.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch

from engine.data.rows import Integers
from engine.data.stream import RowSource
from engine.estimate.micro_batch import SPARED, divisors, expected_rows, largest_fitting
from engine.estimate.size import optimizer_bytes
from engine.language import _
from engine.model.transformer import LanguageModel
from engine.settings.settings import Settings
from engine.settings.shape import ModelShape
from engine.train.computing import Computing
from engine.train.loss import linear_cross_entropy
from engine.train.optimizers import ModelOptimizer
from engine.train.out_of_memory import MemoryTooSmallError, free_memory, is_out_of_memory
from engine.train.rng import isolated_rng
from engine.train.update import to_device


class MemoryGauge(Protocol):
    """A device's memory: `limit` bytes may be used by this process."""

    limit: float

    def restart(self) -> None:
        """Measure anew from here on."""

    def peak(self) -> int:
        """The most bytes that this process has held since `restart`."""


class CudaGauge:
    """What torch's allocator holds of a GPU; what it holds now and what is free is there to be used."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        free, _total = torch.cuda.mem_get_info(device)
        self.limit = (1 - SPARED) * (free + torch.cuda.memory_reserved(device))

    def restart(self) -> None:
        """Forget the peak."""
        torch.cuda.reset_peak_memory_stats(self._device)

    def peak(self) -> int:
        """The allocator's peak."""
        return torch.cuda.max_memory_reserved(self._device)


class MpsGauge:
    """What Metal's driver holds, of what it recommends: beyond that an Apple machine swaps."""

    def __init__(self) -> None:
        self.limit = (1 - SPARED) * torch.mps.recommended_max_memory()

    def restart(self) -> None:
        """The driver keeps what it once held until the cache is emptied, so nothing is to be done."""

    def peak(self) -> int:
        """What it holds: blocks that were freed included."""
        torch.mps.synchronize()
        return torch.mps.driver_allocated_memory()


def search_rows(
    settings: Settings,
    shape: ModelShape,
    rows: RowSource,
    model: LanguageModel,
    optimizer: ModelOptimizer,
    computing: Computing,
    tell: Callable[[int, int], None],
) -> int:
    """The largest divisor of an update's rows whose passes fit, a tenth of the memory left free.

    On a cpu it is reckoned (engine.estimate.micro_batch says why), elsewhere tried with the model itself; neither its
    weights nor the random generators are changed. `tell` hears which of how many sizes is tried. Raises
    MemoryTooSmallError when a single row does not fit.
    """
    if computing.device.type == "cpu":
        return expected_rows(settings, shape, computing.info.memory, dtype=computing.precision.dtype, device="cpu")
    gauge = CudaGauge(computing.device) if computing.device.type == "cuda" else MpsGauge()
    sizes = divisors(settings.rows_per_process)

    def told(size: int) -> None:
        tell(sizes.index(size) + 1, len(sizes))

    moments = 0 if optimizer.has_state else optimizer_bytes(shape, settings.optimizer)
    with isolated_rng(settings.seed):
        found = most_rows(sizes, Passes(model, computing, rows), gauge, reserve=moments, tell=told)
    if found is None:
        raise MemoryTooSmallError(
            _(
                "batch_size = auto: the memory of {device} does not hold a single row of {length} positions beside the "
                "network and its optimizer. Free the memory that other programs hold, use a device with more of it, or "
                "take a smaller network, a smaller max_seq_len or --recompute 1."
            ).format(device=computing.info.name, length=settings.max_seq_len)
        )
    return found


class Passes:
    """Passes of a model over its longest rows, forward and back. Gradients stay, as they do between micro-batches."""

    def __init__(self, model: LanguageModel, computing: Computing, rows: RowSource) -> None:
        self.device = computing.device
        self._model = model
        self._autocast = computing.autocast
        self._rows = rows

    def make(self, count: int) -> None:
        """One pass over `count` rows."""
        batch = to_device(self._rows.batch(longest_rows(self._rows, count)), self.device)
        with self._autocast():
            hidden = self._model(batch.ids, batch.positions, batch.document_ids)
            loss = linear_cross_entropy(hidden, self._model.lm_head.weight, batch.labels)
        torch.autograd.backward(loss)

    def clear(self) -> None:
        """Drop the gradients."""
        self._model.zero_grad(set_to_none=True)


def most_rows(
    sizes: list[int],
    passes: Passes,
    gauge: MemoryGauge,
    *,
    reserve: int = 0,
    tell: Callable[[int], None] = lambda size: None,
) -> int | None:
    """The largest of `sizes` whose passes stay within the gauge's limit beside `reserve` bytes; None when none does.

    A size that the two before it show to be too large is not tried: where memory is shared with the system, trying
    would hurt more than the run.
    """
    seen: list[tuple[int, int]] = []

    def fits(size: int) -> bool:
        tell(size)
        if len(seen) > 1 and _foreseen(seen, size) > gauge.limit:
            return False
        peak = _peak_of(size, passes, gauge, reserve)
        if peak is None:
            return False
        seen.append((size, peak))
        return peak <= gauge.limit

    try:
        return largest_fitting(sizes, fits)
    finally:
        passes.clear()
        free_memory(passes.device)


def longest_rows(rows: RowSource, count: int) -> Integers:
    """The `count` rows with the most target tokens, repeated where there are fewer."""
    targets = rows.row_targets
    most = min(count, len(targets))
    found = np.argpartition(targets, len(targets) - most)[len(targets) - most :]
    return np.resize(found, count)


def _peak_of(size: int, passes: Passes, gauge: MemoryGauge, reserve: int) -> int | None:
    """The most bytes held in two passes, the second beside the gradients of the first; None when memory ran out."""
    held: torch.Tensor | None = None
    try:
        held = torch.empty(reserve, dtype=torch.uint8, device=passes.device)  # the optimiser's state, made at its step
        gauge.restart()
        passes.make(size)
        passes.make(size)
        return gauge.peak()
    except Exception as error:
        if not is_out_of_memory(error):
            raise
    finally:
        del held
        free_memory(passes.device)
    return None


def _foreseen(seen: list[tuple[int, int]], size: int) -> float:
    """The peak at `size`, were it to grow as between the last two sizes."""
    (first, low), (second, high) = seen[-2:]
    return high + (high - low) / (second - first) * (size - second)
