"""Timing real updates of a network that is thrown away afterwards: what a calibration does in its own process."""

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from engine.data.stream import RowSource, UpdateStream
from engine.estimate.timing import TimedUpdates
from engine.model.generation import generate
from engine.settings.settings import Settings
from engine.train.loss import token_losses
from engine.train.update import Updater, to_device

WANTED_SECONDS = 8.0
"""Updates are timed for so long, where they are short."""
MOST_SECONDS = 20.0
"""And at most for about so long."""
LEAST_UPDATES = 3
_MICRO_BATCH_SECONDS = 3.0
"""A micro-batch that would take longer is measured with fewer rows."""
_UPDATE_SECONDS = 6.0
"""An update that would take longer is measured with fewer micro-batches, two at least."""
_SIZE_MARGIN = 0.1
"""What fewer rows may say wrongly of many, either way."""
_GROWTH = 4
_SAMPLED_TOKENS = 24
_MOST_SKIPPED = 40
_LR_SHARE = 1e-3  # the weights must stay what they are about: numbers that overflow would be skipped, not computed

Progress = Callable[[float, float], None]


@dataclass(frozen=True)
class Measured:
    """Seconds of a whole update: mean, and bounds. `extrapolated`: from parts of it. `updates` or parts were timed."""

    seconds: float
    low: float
    high: float
    tokens_per_s: float
    updates: int
    extrapolated: bool


@dataclass(frozen=True)
class _Size:
    """Rows of a micro-batch and micro-batches of an update that is timed."""

    rows: int
    micro_batches: int


class Meter:
    """Makes updates with an Updater on rows of a source. `fixed_shape`: compiled, so only whole micro-batches.

    `wanted_seconds` is how long to time updates where they are short; `clock` gives seconds.
    """

    def __init__(
        self,
        updater: Updater,
        rows: RowSource,
        settings: Settings,
        *,
        fixed_shape: bool,
        wanted_seconds: float = WANTED_SECONDS,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._wanted_seconds = wanted_seconds
        self._clock = clock
        self._updater = updater
        self._rows = rows
        self._settings = settings
        self._fixed_shape = fixed_shape
        self._micro_seconds: list[float] = []
        self._size = _Size(1, 1)

    def warm_up(self, tell: Callable[[], None] = lambda: None) -> None:
        """Find how much of an update can be timed, by ever larger micro-batches; the device is warm afterwards."""
        settings = self._settings
        rows = settings.micro_batch if self._fixed_shape else 1
        tell()
        self._time(_Size(rows, 1))  # caches, allocations, kernels found
        while True:
            seconds, _tokens = self._time(_Size(rows, 1))
            larger = min(settings.micro_batch, rows * _GROWTH)
            if larger == rows or seconds * larger / rows > _MICRO_BATCH_SECONDS:
                break
            rows = larger
            tell()
        whole = _Size(settings.micro_batch, settings.accumulation_steps)
        update = seconds * whole.rows / rows * whole.micro_batches
        if LEAST_UPDATES * update <= MOST_SECONDS:
            self._size = whole
            if rows != whole.rows:
                self._time(_Size(whole.rows, 1))
            return
        most = max(2, settings.accumulation_steps)
        self._size = _Size(rows, min(most, max(2, int(_UPDATE_SECONDS / seconds))))

    def measure(self, tell: Progress = lambda _done, _total: None) -> Measured:
        """Time updates for the seconds wanted, LEAST_UPDATES at least and no longer than MOST_SECONDS if that can be.

        Call warm_up before. The first update timed here is not counted.
        """
        timed = TimedUpdates()
        self._time(self._size)
        self._micro_seconds.clear()
        began = self._clock()
        with self._stream(self._size) as updates:
            while True:
                passed = self._clock() - began
                total = max(self._wanted_seconds, _expected(timed))
                tell(min(passed, total), total)
                enough = timed.updates >= LEAST_UPDATES and passed >= self._wanted_seconds
                if enough or (timed.updates >= 2 and passed + timed.mean > MOST_SECONDS):
                    break
                seconds, tokens = self._time_next(updates)
                timed.add(seconds, tokens)
        return self._concluded(timed)

    def validation_tokens_per_s(self) -> float:
        """Tokens a second of a validation's forward passes."""
        model, device = self._updater.model, self._updater.device
        batch = self._rows.batch(np.arange(self._size.rows), fill_to=self._size.rows)
        on_device = to_device(batch, device)
        model.eval()
        try:
            with torch.no_grad():
                for _attempt in range(2):  # the first is not counted
                    began = self._clock()
                    with self._updater.autocast():
                        hidden = self._updater.network(on_device.ids, on_device.positions, on_device.document_ids)
                        losses = token_losses(hidden, model.lm_head.weight, on_device.labels)
                    losses.sum().item()
        finally:
            model.train()
        return batch.target_tokens / (self._clock() - began)

    def sampled_tokens_per_s(self) -> float:
        """Tokens a second that the network writes."""
        model = self._updater.model
        model.eval()
        try:
            tokens = generate(model, [0, 1, 2], max_tokens=_SAMPLED_TOKENS)
            next(tokens)  # the prompt's pass is not counted
            began = self._clock()
            count = sum(1 for _token in tokens)
        finally:
            model.train()
        return count / (self._clock() - began)

    def _concluded(self, timed: TimedUpdates) -> Measured:
        settings, size = self._settings, self._size
        if (size.rows, size.micro_batches) == (settings.micro_batch, settings.accumulation_steps):
            speed = timed.tokens_per_second
            return Measured(timed.mean, timed.low, timed.high, speed, timed.updates, extrapolated=False)
        # A part of an update is its micro-batches, which grow with rows and number, and one step, which does not.
        micro = sum(self._micro_seconds) / len(self._micro_seconds)
        step = max(0.0, timed.mean - size.micro_batches * micro)
        scale = settings.micro_batch / size.rows

        def whole(seconds: float, factor: float) -> float:
            return max(0.0, seconds - step) / size.micro_batches * settings.accumulation_steps * scale * factor + step

        margin = _SIZE_MARGIN if scale > 1 else 0.0
        mean = whole(timed.mean, 1.0)
        tokens = timed.tokens / timed.updates / size.micro_batches * settings.accumulation_steps * scale
        return Measured(
            seconds=mean,
            low=whole(timed.low, 1 - margin),
            high=whole(timed.high, 1 + margin),
            tokens_per_s=tokens / mean,
            updates=timed.updates,
            extrapolated=True,
        )

    def _time(self, size: _Size) -> tuple[float, int]:
        with self._stream(size) as updates:
            return self._time_next(updates)

    def _time_next(self, updates: UpdateStream) -> tuple[float, int]:
        """Make one update that really steps; its seconds and target tokens."""
        skipped = 0
        while True:
            starts: list[float] = []
            began = self._clock()
            update = next(updates)
            if update.row_count < updates.rows_per_update:  # the last of an epoch
                continue
            result = self._updater.update(
                update.micro_batches,
                update.target_tokens,
                self._settings.learning_rate * _LR_SHARE,
                lambda: False,
                partial(self._note_start, starts),
            )
            seconds = self._clock() - began
            if result is None or (not result.finite and skipped < _MOST_SKIPPED):  # fp16 looks for its loss scale
                skipped += 1
                continue
            self._micro_seconds += [later - earlier for earlier, later in itertools.pairwise(starts)]
            return seconds, update.target_tokens

    def _note_start(self, starts: list[float], _done: int, _total: int) -> None:
        starts.append(self._now())

    def _now(self) -> float:
        """The time, once the device has done what it was given; only where parts of an update are told apart."""
        in_parts = self._size != _Size(self._settings.micro_batch, self._settings.accumulation_steps)
        if in_parts and self._updater.device.type == "cuda":
            torch.cuda.synchronize(self._updater.device)
        elif in_parts and self._updater.device.type == "mps":
            torch.mps.synchronize()
        return self._clock()

    @contextmanager
    def _stream(self, size: _Size) -> Iterator[UpdateStream]:
        stream = UpdateStream(
            self._rows,
            seed=self._settings.seed,
            micro_batch=size.rows,
            accumulation_steps=size.micro_batches,
            end_epoch=1 << 30,
            fixed_shape=self._fixed_shape,
        )
        with stream:
            yield stream


def _expected(timed: TimedUpdates) -> float:
    """Seconds that the least number of updates takes; 0 before one is timed."""
    return LEAST_UPDATES * timed.mean if timed.updates else 0.0
