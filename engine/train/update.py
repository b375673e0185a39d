"""One optimiser update: the gradients of all its micro-batches, one finite check, one step."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from enum import Enum

import torch
from torch import Tensor

from engine.data.rows import Batch
from engine.data.stream import MicroBatches
from engine.model.transformer import LanguageModel
from engine.settings.balancing import Balancing
from engine.train.balancing import RouterTally
from engine.train.loss import linear_cross_entropy
from engine.train.optimizers import LossScaler, ModelOptimizer, clip_grad_norm
from engine.train.out_of_memory import OptimizerOutOfMemoryError, is_out_of_memory
from engine.train.ranks import Network, Ranks

Autocast = Callable[[], AbstractContextManager[None]]


class Verdict(Enum):
    """What becomes of an update whose loss and gradient are known: made, passed by, or the end of the attempt."""

    MAKE = "make"
    SKIP = "skip"
    END = "end"


@dataclass(frozen=True)
class Measured:
    """What is known of an update before it is made: nats a target token, norm before clipping, whether both are finite.

    searching: it overflowed in fp16 while the loss scale is still to be found, which is no fault.
    """

    loss: float
    grad_norm: float
    finite: bool
    searching: bool


def make_if_finite(measured: Measured) -> Verdict:
    """The plain rule."""
    return Verdict.MAKE if measured.finite else Verdict.SKIP


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
    """What an update did. loss_sum: nats over its target tokens; finite: whether loss and gradient were; verdict:
    whether the weights were changed.

    aux_loss: of a mixture's routers, the mean over micro-batches by their target tokens; expert_slots: how many slots
    (a token and one of its choices) each expert of each layer got. None for a dense network.
    """

    loss_sum: float
    grad_norm: float
    finite: bool
    aux_loss: float | None = None
    expert_slots: list[list[int]] | None = None
    verdict: Verdict = Verdict.MAKE
    searching: bool = False


PASSED_OVER = UpdateResult(math.nan, math.nan, finite=False, verdict=Verdict.SKIP)
"""Of an update that was not computed at all."""


class Updater:
    """Makes updates of a model: forward, loss, backward, clip, step.

    `network` maps ids, positions and document ids to hidden states (the model itself, or its compiled form); `autocast`
    gives the context of a forward pass. `balancing` is how a mixture's experts are balanced, None for a dense network.
    With several `ranks` each makes its micro-batches of an update, and gradients are summed over all of them while the
    last one's are computed.
    """

    def __init__(
        self,
        model: LanguageModel,
        network: Network,
        optimizer: ModelOptimizer,
        scaler: LossScaler,
        autocast: Autocast,
        grad_clip: float,
        balancing: Balancing | None = None,
        ranks: Ranks | None = None,
    ) -> None:
        self.model = model
        self.network = network
        self.ranks = ranks or Ranks()
        self._trained = self.ranks.wrap(network)
        self.optimizer = optimizer
        self.scaler = scaler
        self.autocast = autocast
        self.grad_clip = grad_clip
        self.balancing = balancing
        self.device = model.lm_head.weight.device

    def update(
        self,
        batches: MicroBatches,
        target_tokens: int,
        lr: float,
        should_stop: Callable[[], bool],
        on_micro_batch: Callable[[int, int], None],
        judge: Callable[[Measured], Verdict] = make_if_finite,
    ) -> UpdateResult | None:
        """Make one update from its micro-batches; None when `should_stop` said so between two of them.

        The loss is the sum over all `target_tokens` of the update divided by their number, so neither the split into
        micro-batches nor a smaller last update changes what a token weighs. A mixture's auxiliary loss is computed per
        micro-batch and weighted by its target tokens; not being additive, it does depend on the split. `judge` looks at
        loss and gradient before the weights change; where these are not finite it may not say MAKE, and the weights
        change only if it does. A stop drops the partial gradients: the state is that of the last update. So it is when
        anything is raised, once `drop` was called; only an OptimizerOutOfMemoryError leaves half an update. Several
        ranks must agree to stop before an update: there `should_stop` may not say so within one.
        """
        loss_sum = torch.zeros((), device=self.device)
        tally = self._tally()
        self.ranks.clock.begin()
        for done, batch in enumerate(batches):
            if should_stop():
                self.optimizer.zero_grad()
                return None
            on_micro_batch(done, len(batches))
            is_last = done == len(batches) - 1
            with nullcontext() if is_last else self.ranks.apart(self._trained):
                loss_sum += self._backward(batch, target_tokens, tally)
        self._sum_over_ranks(loss_sum, tally)
        gradient = clip_grad_norm(
            self.optimizer.parameters,
            self.grad_clip,
            loss_scale=self.scaler.scale,
            extra=[loss_sum] if tally is None else [loss_sum, tally.auxiliary],
        )
        searching = not gradient.finite and self.scaler.is_searching
        verdict = judge(Measured(gradient.extra[0] / target_tokens, gradient.norm, gradient.finite, searching))
        if verdict is Verdict.MAKE:
            self.optimizer.set_lr(lr)
            self._step()
        if verdict is not Verdict.END:
            self.scaler.update(gradient.finite)
        self.optimizer.zero_grad()
        result = UpdateResult(gradient.extra[0], gradient.norm, gradient.finite, verdict=verdict, searching=searching)
        if tally is None:
            return result
        return replace(result, aux_loss=gradient.extra[1], expert_slots=tally.slots.tolist())

    def _tally(self) -> RouterTally | None:
        if self.balancing is None:
            return None
        shape = self.model.shape
        return RouterTally(self.balancing, shape.num_hidden_layers, shape.num_experts, self.device)

    def _backward(self, batch: Batch, target_tokens: int, tally: RouterTally | None) -> Tensor:
        """Add a micro-batch's gradients; returns its summed loss, detached."""
        loss = self.loss_of(to_device(batch, self.device))
        wanted = loss / target_tokens
        if tally is not None and (routing := self.model.take_routing()) is not None:
            wanted = wanted + tally.add(routing, batch.target_tokens / target_tokens)
        self.scaler.scale_loss(wanted).backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def _sum_over_ranks(self, loss_sum: Tensor, tally: RouterTally | None) -> None:
        if self.ranks.size == 1:
            return
        sums = torch.stack([loss_sum] if tally is None else [loss_sum, tally.auxiliary])
        self.ranks.sum(sums)
        loss_sum.copy_(sums[0])
        if tally is not None:
            tally.auxiliary.copy_(sums[1])
            self.ranks.sum(tally.slots)

    def rehearse(self, batch: Batch) -> None:
        """Several ranks: a pass that trains nothing. Torch regroups the gradients it sums after the first one, and the
        order of a sum's terms with it: a resumed run must begin in the order that an uninterrupted one has by then.
        """
        self._backward(batch, max(1, batch.target_tokens), self._tally())
        self.optimizer.zero_grad()

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

    def loss_alone(self, batch: DeviceBatch) -> Tensor:
        """`loss_of` by this rank and its eager network alone: no other rank has a part in it."""
        if self._trained is self.model:
            return self.loss_of(batch)
        with self.autocast():
            hidden = self.model(batch.ids, batch.positions, batch.document_ids)
            return linear_cross_entropy(hidden, self.model.lm_head.weight, batch.labels)

    def loss_of(self, batch: DeviceBatch) -> Tensor:
        """The summed cross-entropy of a micro-batch, nats."""
        with self.autocast():
            hidden = self._trained(batch.ids, batch.positions, batch.document_ids)  # (B, T, C)
            return linear_cross_entropy(hidden, self.model.lm_head.weight, batch.labels)
