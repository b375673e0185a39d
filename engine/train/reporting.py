"""What a running training says of itself: a line in metrics.jsonl, the status, the trackers."""

from collections.abc import Mapping

import psutil
import torch

from engine.run.expert_load import StarvingWatch, what_to_change
from engine.run.schema import EventKind
from engine.run.worker_link import WorkerLink
from engine.train.optimizers import LossScaler
from engine.train.state import TrainerState
from engine.train.trackers import Trackers


class Reporter:
    """Writes one log line an interval.

    `flops_per_token` is the model's forward and backward; `peak_flops` one device's FLOP/s in the dtype used, None
    where it is unknown (MFU is then left out); each of `processes` has such a device. `is_measured`: the peak is no
    data sheet's, but what a short measurement reached; other work on the machine may have kept it low, so it rises to
    what training itself reaches.
    """

    def __init__(
        self,
        link: WorkerLink,
        trackers: Trackers,
        device: torch.device,
        scaler: LossScaler,
        flops_per_token: float,
        peak_flops: float | None,
        processes: int = 1,
        *,
        is_measured: bool = False,
    ) -> None:
        self._link = link
        self._trackers = trackers
        self._device = device
        self._scaler = scaler
        self._flops_per_token = flops_per_token
        self._peak_flops = peak_flops * processes if peak_flops else None
        self._is_measured = is_measured
        self._process = psutil.Process()
        self._starving = StarvingWatch()

    def log(
        self, state: TrainerState, lr: float, grad_norm: float, epoch: int, ranks: Mapping[str, list[float]]
    ) -> None:
        """Write the interval that ends with this update, and begin the next. `ranks`: what the line says of each."""
        interval = state.interval
        tokens_per_s = interval.tokens_per_second
        numbers = {
            "epoch": epoch,
            "tokens": state.tokens,
            "elapsed": round(state.elapsed, 3),
            "loss": interval.loss,
            "lr": lr,
            "grad_norm": grad_norm,
            "tokens_per_s": round(tokens_per_s, 1),
            "data_wait": round(interval.data_wait_share, 4),
            "memory": self._memory(),
            "skipped": state.skipped,
        }
        load = interval.expert_load
        if load is not None:
            numbers["aux_loss"] = interval.aux_loss
        if (scale := self._scaler.shown) is not None:
            numbers["loss_scale"] = scale
        if self._peak_flops:
            reached = tokens_per_s * self._flops_per_token
            if self._is_measured:
                self._peak_flops = max(self._peak_flops, reached)
            numbers["mfu"] = round(reached / self._peak_flops, 4)
        self._link.metric(state.step, **numbers, **({} if load is None else {"expert_load": load}), **ranks)
        self._trackers.log({name: value for name, value in numbers.items() if value is not None}, state.step)
        state.interval = type(interval)()
        if load is not None and (warning := self._starving.take(load)):
            self._link.event(EventKind.WARNING, state.step, message=f"{warning} {what_to_change()}")

    def _memory(self) -> int:
        """Bytes: the device's peak since the last line, on cpu the resident memory of this process."""
        if self._device.type == "cuda":
            peak = torch.cuda.max_memory_allocated(self._device)
            torch.cuda.reset_peak_memory_stats(self._device)
            return peak
        return int(self._process.memory_info().rss)
