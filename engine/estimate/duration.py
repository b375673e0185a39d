"""How long updates take, and what happens between them: from a calibration, else roughly from the device's rate."""

from dataclasses import dataclass

from engine.estimate.band import Band
from engine.estimate.calibration import Calibration
from engine.estimate.data_facts import DataFacts
from engine.estimate.detection import DeviceKind
from engine.estimate.device_use import DeviceUse
from engine.estimate.size import FP32_BYTES, active_parameters, checkpoint_bytes, flops_per_token, published_bytes
from engine.settings.settings import Settings
from engine.settings.shape import ModelShape

_UTILISATION: dict[DeviceKind, tuple[float, float]] = {"cpu": (0.15, 0.8), "cuda": (0.03, 0.6), "mps": (0.05, 0.7)}
"""Share of the rate of large matrix products that training reached here at the least and can reach at the most: small
networks leave much of a device idle."""

_ROUGH = 4.0
"""What happens between updates is far less than the updates: known to this factor it is known well enough."""
_FORWARD_SHARE = 3.0  # a backward pass costs twice its forward pass
_SECONDS_A_LAYER = 5e-4  # dispatching the operations of one block for one token
_MEMORY_RATE = 1e10  # bytes/s at which the weights are read for one token
_DISK_RATE = 1.5e8  # bytes/s written, hashed and synced


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds of one whole update, one validation, one round of samples, and one save."""

    update: Band
    validation: Band
    samples: Band
    save: Band

    def run(self, settings: Settings, updates: int, whole: float) -> Band:
        """Seconds of a run of `updates` updates with all that lies between them; its end validates, samples and saves.

        `whole`: to how many whole updates these come, an epoch's last being smaller.
        """
        total = self.update.times(whole)
        for part, interval in ((self.validation, settings.eval_interval), (self.samples, settings.sample_interval)):
            total = total.plus(part.times(_times(updates, interval) + 1))
        saves = _times(updates, settings.save_interval) + 1
        if settings.save_minutes:
            saves = max(saves, int(total.low / 60 / settings.save_minutes))
        return total.plus(self.save.times(saves))

    def per_update(self, settings: Settings) -> Band:
        """Seconds of one update with its share of what lies between them."""
        share = self.update
        every = (
            (self.validation, settings.eval_interval),
            (self.samples, settings.sample_interval),
            (self.save, settings.save_interval),
        )
        for part, interval in every:
            if interval:
                share = share.plus(part.times(1 / interval))
        return share

    @property
    def ending(self) -> Band:
        """Seconds that the end itself takes."""
        return self.validation.plus(self.samples).plus(self.save)


def pace_of(
    settings: Settings,
    shape: ModelShape,
    use: DeviceUse | None,
    calibration: Calibration | None,
    data: DataFacts | None,
) -> Pace | None:
    """The pace of such a run, None when neither a calibration nor the device's rate is known."""
    positions = settings.rows_per_update * settings.max_seq_len
    if calibration is not None:
        update = Band(calibration.seconds_low, calibration.seconds_high, "calibrated")
    elif use is not None and use.matmul_flops:
        context = data.context if data is not None and data.context else settings.max_seq_len / 2
        least, most = _UTILISATION[use.kind]
        devices = 1 if use.kind == "cpu" else settings.processes  # processes on one cpu share its cores
        seconds = positions * flops_per_token(shape, context) / (use.matmul_flops * devices)
        update = Band(seconds / most, seconds / least, "rough")
    else:
        return None
    return Pace(
        update,
        _validation(settings, calibration, data, update.times(1 / positions)),
        _samples(settings, shape, calibration),
        _save(settings, shape, calibration),
    )


def saved_bytes(settings: Settings, shape: ModelShape) -> int:
    """Bytes that one save writes: the checkpoint, and the weights published beside it."""
    places = 1 if settings.save_dir == "none" else 2
    return checkpoint_bytes(shape, settings.optimizer) + 2 * places * published_bytes(shape)


def _times(updates: int, interval: int) -> int:
    """How often something due every `interval` updates happens before the last of them, which the end counts."""
    return max(0, updates - 1) // interval if interval else 0


def _validation(settings: Settings, calibration: Calibration | None, data: DataFacts | None, position: Band) -> Band:
    tokens = 0
    if settings.validation:
        tokens = data.validation_tokens if data is not None else settings.validation_tokens
    if calibration is not None and calibration.validation_tokens_per_s:
        return _about(tokens / calibration.validation_tokens_per_s, 1.5)
    return _wide(position.times(tokens / _FORWARD_SHARE), 1.5)


def _samples(settings: Settings, shape: ModelShape, calibration: Calibration | None) -> Band:
    tokens = settings.sample_tokens * len(settings.sample_prompts)
    if calibration is not None and calibration.sampled_tokens_per_s:
        return _about(tokens / calibration.sampled_tokens_per_s, 1.5)
    token = shape.num_hidden_layers * _SECONDS_A_LAYER + FP32_BYTES * active_parameters(shape) / _MEMORY_RATE
    return _about(tokens * token, _ROUGH)


def _save(settings: Settings, shape: ModelShape, calibration: Calibration | None) -> Band:
    rate = calibration.saved_bytes_per_s if calibration is not None else None
    return _about(saved_bytes(settings, shape) / (rate or _DISK_RATE), 1.5 if rate else _ROUGH)


def _about(seconds: float, factor: float) -> Band:
    return Band(seconds / factor, seconds * factor, "rough")


def _wide(band: Band, factor: float) -> Band:
    return Band(band.low / factor, band.high * factor, band.source)
