"""One optimiser update: the gradients of all its micro-batches, one finite check, one step."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.data.rows import Batch
from engine.data.stream import MicroBatches
from engine.model.transformer import LanguageModel
from engine.train.loss import linear_cross_entropy
from engine.train.optimizers import LossScaler, ModelOptimizer, clip_grad_norm
from engine.train.out_of_memory import OptimizerOutOfMemoryError, is_out_of_memory

Network = Callable[[Tensor, Tensor, Tensor], Tensor]
Autocast = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True)
class DeviceBatch:
    """A micro-batch on the device: each tensor (B, T) of int64."""

    ids: Tensor
    labels: Tensor
    positions: Tensor
    document_ids: Tensor


def to_device(batch: Batch, device: torch.device) -> DeviceBatch:
    """Copy a micro-batch to the device; from pinned memory and without waiting on cuda."""

    def move(array: object) -> Tensor:
        tensor = torch.as_tensor(array)
        return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)

    return DeviceBatch(move(batch.ids), move(batch.labels), move(batch.positions), move(batch.document_ids))


@dataclass(frozen=True)
class UpdateResult:
    """What an update did. loss_sum: nats over its target tokens; finite: whether the weights were changed."""

    loss_sum: float
    grad_norm: float
    finite: bool


class Updater:
    """Makes updates of a model: forward, loss, backward, clip, step.

    `network` maps ids, positions and document ids to hidden states (the model itself, or its compiled form); `autocast`
    gives the context of a forward pass.
    """

    def __init__(
        self,
        model: LanguageModel,
        network: Network,
        optimizer: ModelOptimizer,
        scaler: LossScaler,
        autocast: Autocast,
        grad_clip: float,
    ) -> None:
        self.model = model
        self.network = network
        self.optimizer = optimizer
        self.scaler = scaler
        self.autocast = autocast
        self.grad_clip = grad_clip
        self.device = model.lm_head.weight.device

    def update(
        self,
        batches: MicroBatches,
        target_tokens: int,
        lr: float,
        should_stop: Callable[[], bool],
        on_micro_batch: Callable[[int, int], None],
    ) -> UpdateResult | None:
        """Make one update from its micro-batches; None when `should_stop` said so between two of them.

        The loss is the sum over all `target_tokens` of the update divided by their number, so neither the split into
        micro-batches nor a smaller last update changes what a token weighs. When loss or gradients are not finite the
        weights stay as they are. A stop drops the partial gradients: the state is that of the last update. So it is
        when anything is raised, once `drop` was called; only an OptimizerOutOfMemoryError leaves half an update.
        """
        loss_sum = torch.zeros((), device=self.device)
        for done, batch in enumerate(batches):
            if should_stop():
                self.optimizer.zero_grad()
                return None
            on_micro_batch(done, len(batches))
            loss = self.loss_of(to_device(batch, self.device))
            self.scaler.scale_loss(loss / target_tokens).backward()  # type: ignore[no-untyped-call]
            loss_sum += loss.detach()
        gradient = clip_grad_norm(
            self.optimizer.parameters, self.grad_clip, loss_scale=self.scaler.scale, extra=[loss_sum]
        )
        if gradient.finite:
            self.optimizer.set_lr(lr)
            self._step()
        self.scaler.update(gradient.finite)
        self.optimizer.zero_grad()
        return UpdateResult(gradient.extra[0], gradient.norm, gradient.finite)

    def drop(self) -> None:
        """Drop the gradients of an update that was not made."""
        self.optimizer.zero_grad()

    def _step(self) -> None:
        try:
            self.optimizer.step()
        except Exception as error:
            if is_out_of_memory(error):
                raise OptimizerOutOfMemoryError from error
            raise

    def loss_of(self, batch: DeviceBatch) -> Tensor:
        """The summed cross-entropy of a micro-batch, nats."""
        with self.autocast():
            hidden = self.network(batch.ids, batch.positions, batch.document_ids)  # (B, T, C)
            return linear_cross_entropy(hidden, self.model.lm_head.weight, batch.labels)
