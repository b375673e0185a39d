"""What a run will take of the disk, and what there is."""

import math
import shutil
from pathlib import Path

from engine.estimate.size import checkpoint_bytes, published_bytes
from engine.settings.settings import Settings
from engine.settings.shape import ModelShape

_LOG_BYTES = 400
"""About one line of metrics.jsonl."""
_SHARE_BYTES = 8
"""One expert's share of the tokens in it."""


def disk_needed(settings: Settings, shape: ModelShape, updates: int | None, seconds: float | None = None) -> int:
    """The most bytes a run will hold at a time: checkpoints, published weights and its log.

    The newest `keep_checkpoints` are kept, the best one beside them, and one more while it is written; fewer when the
    run of `updates` updates and `seconds` seconds makes fewer.
    """
    kept = settings.keep_checkpoints + 2
    if updates is not None:
        made = math.ceil(updates / settings.save_interval) if settings.save_interval else 1
        if settings.save_minutes:
            made = kept if seconds is None else made + int(seconds / 60 / settings.save_minutes)
        kept = min(kept, max(1, made))
    places = 1 if settings.save_dir == "none" else 2
    published = (2 * places + 1) * published_bytes(shape)  # .pth and .safetensors, and one that is being written
    line = _LOG_BYTES + _SHARE_BYTES * shape.num_hidden_layers * shape.num_experts
    log = line * (updates or 0) // settings.log_interval
    return kept * checkpoint_bytes(shape, settings.optimizer) + published + log


def free_bytes(folder: Path) -> int | None:
    """Bytes that are free for `folder`, which need not exist yet; None where that cannot be told."""
    for place in (folder, *folder.absolute().parents):
        try:
            return shutil.disk_usage(place).free
        except OSError:
            continue
    return None
