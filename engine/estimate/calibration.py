"""How long updates really take: measured on this machine, remembered for each device and shape."""

import hashlib
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.estimate.detection import DeviceKind
from engine.estimate.device_probe import DeviceFacts
from engine.estimate.device_use import compiles, device_use, repeats
from engine.run.atomic import write_atomic
from engine.settings.network import shape_from_settings
from engine.settings.settings import Settings
from engine.small_file import read_small

_FORMAT = 1
_FOLDER = "calibrations"
_WITHOUT_EFFECT = {"rms_norm_eps", "rope_theta", "initializer", "max_position_embeddings", "norm_topk_prob"}
"""Of a network's shape, what does not change how long it computes."""
_MOST_STEP_SHARE = 0.3
"""Of a short update, what clipping and the optimiser's step take at the most beside a micro-batch."""


class Calibration(BaseModel):
    """The time of one whole update, as it was measured, in seconds.

    The mean is `seconds`; parts of the measurement that each hold several updates lay between `seconds_low` and
    `seconds_high`. `updates` were timed in all, and `tokens_per_s` counts target tokens. `extrapolated`: whole updates
    would have taken too long, so parts of them were timed, or updates of another `accumulation_steps`. The last three
    tell what happens between updates; None where that was not measured.
    """

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    seconds: float = Field(gt=0)
    seconds_low: float = Field(gt=0)
    seconds_high: float = Field(gt=0)
    tokens_per_s: float = Field(gt=0)
    updates: int = Field(ge=1)
    when: datetime
    source: Literal["calibration", "run"]
    accumulation_steps: int = Field(ge=1)
    extrapolated: bool = False
    validation_tokens_per_s: float | None = Field(None, gt=0)
    sampled_tokens_per_s: float | None = Field(None, gt=0)
    saved_bytes_per_s: float | None = Field(None, gt=0)


@dataclass(frozen=True, slots=True)
class SpeedKey:
    """All that decides how long a micro-batch takes. `compile` and `deterministic` are what was chosen, not tried."""

    device: str
    torch: str
    shape: dict[str, Any]
    dtype: str
    compile: bool
    deterministic: bool
    recompute: bool
    batch_size: int
    max_seq_len: int
    pack: bool
    optimizer: str
    threads: int
    processes: int = 1

    def path(self, cache_dir: Path) -> Path:
        """Where measurements under this key are kept."""
        digest = hashlib.sha256(orjson.dumps(asdict(self), option=orjson.OPT_SORT_KEYS)).hexdigest()
        return cache_dir / _FOLDER / f"{digest[:24]}.json"


def speed_key(
    settings: Settings,
    vocab_size: int,
    *,
    device_kind: DeviceKind,
    device_name: str,
    dtype: str,
    threads: int,
    torch_version: str,
) -> SpeedKey:
    """The key of such a run; `threads` count on a cpu alone. Raises UserError for a shape that makes no network."""
    shape = shape_from_settings(settings, vocab_size).to_dict()
    return SpeedKey(
        device=device_name,
        torch=torch_version,
        shape={name: value for name, value in shape.items() if name not in _WITHOUT_EFFECT},
        dtype=dtype,
        compile=compiles(settings, device_kind),
        deterministic=repeats(settings, device_kind),
        recompute=settings.recompute,
        batch_size=settings.micro_batch,
        max_seq_len=settings.max_seq_len,
        pack=settings.pack,
        optimizer=settings.optimizer,
        threads=threads if device_kind == "cpu" else 0,
        processes=settings.processes,
    )


def load_calibration(cache_dir: Path, settings: Settings, device: DeviceFacts, vocab_size: int) -> Calibration | None:
    """What was measured for such a run on this device, None when nothing was (or a device asked for is not there).

    A measurement with another `accumulation_steps` is converted, its bounds widened by what that leaves open. A file
    that is missing or damaged counts as no measurement. Raises UserError for a shape that makes no network.
    """
    use = device_use(settings, device)
    if use.problem:
        return None
    key = speed_key(
        settings,
        vocab_size,
        device_kind=use.kind,
        device_name=use.name,
        dtype=use.dtype,
        threads=use.threads,
        torch_version=device.torch_version,
    )
    found = _read(key.path(cache_dir), key)
    if not found:
        return None
    asked = settings.accumulation_steps
    nearest = min(found, key=lambda steps: (abs(steps - asked), -steps))
    return found[nearest] if nearest == asked else _converted(found[nearest], asked)


def save_calibration(cache_dir: Path, key: SpeedKey, calibration: Calibration) -> None:
    """Keep a measurement in place of the one before. Raises OSError."""
    path = key.path(cache_dir)
    kept = _read(path, key)
    before = kept.get(calibration.accumulation_steps)
    if before is not None:
        between = ("validation_tokens_per_s", "sampled_tokens_per_s", "saved_bytes_per_s")
        missing = {name: getattr(before, name) for name in between if getattr(calibration, name) is None}
        calibration = calibration.model_copy(update=missing)
    kept[calibration.accumulation_steps] = calibration
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "format": _FORMAT,
        "key": asdict(key),
        "measured": [one.model_dump(mode="json") for one in kept.values()],
    }
    write_atomic(path, orjson.dumps(content, option=orjson.OPT_INDENT_2), durable=False)


def _read(path: Path, key: SpeedKey) -> dict[int, Calibration]:
    """The measurements in a file by their accumulation_steps; none when it is missing, damaged or another key's."""
    try:
        content = orjson.loads(read_small(path))
        if content["format"] != _FORMAT or content["key"] != asdict(key):
            return {}
        measured = [Calibration.model_validate(one) for one in content["measured"]]
    except (OSError, orjson.JSONDecodeError, ValidationError, KeyError, TypeError):
        return {}
    return {one.accumulation_steps: one for one in measured}


def _converted(measured: Calibration, accumulation_steps: int) -> Calibration:
    """An update of more or fewer micro-batches; how much of it the optimiser takes, which does not grow, is open."""
    factor = accumulation_steps / measured.accumulation_steps
    share = _MOST_STEP_SHARE / measured.accumulation_steps
    other = factor * (1 - share) + share
    least, most = sorted((factor, other))
    middle = (least + most) / 2
    return measured.model_copy(
        update={
            "seconds": measured.seconds * middle,
            "seconds_low": measured.seconds_low * least,
            "seconds_high": measured.seconds_high * most,
            "tokens_per_s": measured.tokens_per_s * factor / middle,
            "accumulation_steps": accumulation_steps,
            "extrapolated": True,
        }
    )
