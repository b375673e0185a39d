"""How many rows a device computes at a time with `batch_size = auto`: found once, remembered, expected beforehand."""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import orjson

from engine.estimate.device_probe import DeviceFacts
from engine.estimate.device_use import compiles, device_use
from engine.estimate.memory import Dtype, memory_estimate, runtime_bytes
from engine.run.atomic import write_atomic
from engine.settings.network import shape_from_settings
from engine.settings.settings import AUTO_COUNTS_IN, Settings
from engine.settings.shape import ModelShape
from engine.small_file import read_small

SPARED = 0.1
"""Share of the memory that is left free: allocators need room, and a long run meets more than one micro-batch."""

_FORMAT = 1
_FOLDER = "micro-batches"


@dataclass(frozen=True, slots=True)
class MemoryKey:
    """All that decides how many rows fit. `memory` is the device's, in bytes; `asked` is the setting batch_size."""

    device: str
    memory: int
    torch: str
    shape: dict[str, Any]
    dtype: str
    compile: bool
    recompute: bool
    max_seq_len: int
    optimizer: str
    rows: int
    """Of an update on one process: what is found divides them."""
    asked: int | str

    @property
    def digest(self) -> str:
        """A name for it."""
        return hashlib.sha256(orjson.dumps(asdict(self), option=orjson.OPT_SORT_KEYS)).hexdigest()[:24]

    def path(self, cache_dir: Path) -> Path:
        """Where what was found is kept."""
        return cache_dir / _FOLDER / f"{self.digest}.json"


def memory_key(
    settings: Settings,
    vocab_size: int,
    *,
    device_name: str,
    memory: int,
    torch_version: str,
    dtype: str,
    compiled: bool,
) -> MemoryKey:
    """The key of such a run. Raises UserError for a shape that makes no network."""
    return MemoryKey(
        device=device_name,
        memory=memory,
        torch=torch_version,
        shape=shape_from_settings(settings, vocab_size).to_dict(),
        dtype=dtype,
        compile=compiled,
        recompute=settings.recompute,
        max_seq_len=settings.max_seq_len,
        optimizer=settings.optimizer,
        rows=settings.rows_per_process,
        asked=settings.batch_size,
    )


def load_rows(cache_dir: Path, key: MemoryKey) -> int | None:
    """The rows that were found to fit; None where nothing was, or its file is damaged."""
    try:
        content = orjson.loads(read_small(key.path(cache_dir)))
        if content["format"] != _FORMAT or content["key"] != asdict(key):
            return None
        rows = int(content["rows"])
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return None
    return rows if rows >= 1 and key.rows % rows == 0 else None


def save_rows(cache_dir: Path, key: MemoryKey, rows: int) -> None:
    """Remember that `rows` fit and more do not. Raises OSError."""
    path = key.path(cache_dir)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"format": _FORMAT, "key": asdict(key), "rows": rows, "when": datetime.now(UTC).isoformat()}
    write_atomic(path, orjson.dumps(content, option=orjson.OPT_INDENT_2), durable=False)


def found_rows(cache_dir: Path, settings: Settings, device: DeviceFacts | None, vocab_size: int) -> int | None:
    """What `batch_size = auto` was found to come to for such a run on this device; None where that is not known, or a
    number is asked for. Raises UserError for a shape that makes no network.
    """
    if settings.batch_size != "auto" or device is None:
        return None
    use = device_use(settings, device)
    key = memory_key(
        settings,
        vocab_size,
        device_name=use.name,
        memory=use.memory,
        torch_version=device.torch_version,
        dtype=use.dtype,
        compiled=compiles(settings, use.kind),
    )
    return None if use.problem else load_rows(cache_dir, key)


def divisors(number: int) -> list[int]:
    """All divisors of a number, ascending."""
    low = [one for one in range(1, math.isqrt(number) + 1) if number % one == 0]
    return sorted({*low, *(number // one for one in low)})


def largest_fitting(sizes: Sequence[int], fits: Callable[[int], bool]) -> int | None:
    """The largest of ascending `sizes` that `fits`, where all below one that fits do; None when the first does not.

    Tries sizes that about double until one does not fit, then halves what lies between.
    """
    if not fits(sizes[0]):
        return None
    good, bad = 0, len(sizes)
    while good + 1 < bad:
        doubled = [place for place in range(good + 1, bad) if sizes[place] >= 2 * sizes[good]]
        place = doubled[0] if doubled and bad == len(sizes) else (good + bad) // 2
        if fits(sizes[place]):
            good = place
        else:
            bad = place
    return sizes[good]


def bytes_needed(
    settings: Settings, shape: ModelShape, rows: int, *, dtype: Dtype, device: Literal["cpu", "accelerator"]
) -> int:
    """About what a process takes that computes `rows` rows at a time, its runtime included."""
    estimate = memory_estimate(
        shape,
        batch_size=rows,
        seq_len=settings.max_seq_len,
        optimizer=settings.optimizer,
        dtype=dtype,
        recompute=settings.recompute,
        device=device,
    )
    return estimate.total + runtime_bytes(device)


def expected_rows(
    settings: Settings, shape: ModelShape, memory: int | None, *, dtype: Dtype, device: Literal["cpu", "accelerator"]
) -> int:
    """The micro-batch that `batch_size = auto` is expected to come to in `memory` bytes (None: unknown); 1 at least.

    On a cpu this is the decision itself: there, memory that runs out is not refused but swaps, or ends the process, and
    more rows at a time than the guide's 32 are no faster.
    """
    sizes = divisors(settings.rows_per_process)
    if device == "cpu" or memory is None:
        sizes = [size for size in sizes if size <= AUTO_COUNTS_IN]
    if memory is None:
        return sizes[-1]
    most = (1 - SPARED) * memory

    def fits(rows: int) -> bool:
        return bytes_needed(settings, shape, rows, dtype=dtype, device=device) <= most

    return largest_fitting(sizes, fits) or 1
