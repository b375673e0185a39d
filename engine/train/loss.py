"""The head and its cross-entropy in bounded slices: the logits of a whole batch never exist at once.

Meant to be called outside a compiled graph: it looks at the labels' values to leave the unlabelled positions out.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from engine.estimate.memory import LOGITS_SLICE_BYTES
from engine.model.precision import add_product, compute_dtype, without_autocast

IGNORE = -100
SLICE_BYTES = LOGITS_SLICE_BYTES


def _slices(rows: int, vocab_size: int) -> list[slice]:
    step = max(1, SLICE_BYTES // (4 * vocab_size))
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]


class _LinearCrossEntropy(torch.autograd.Function):
    """Sums the losses and, while each slice's logits are at hand, both gradients: nothing is kept or recomputed."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, labels: Tensor) -> Tensor:
        labelled = (labels != IGNORE).nonzero().squeeze(1)  # (n,)
        everywhere = labelled.numel() == labels.numel()
        rows = hidden if everywhere else hidden.index_select(0, labelled)  # (n, C)
        targets = (labels if everywhere else labels.index_select(0, labelled))[:, None]  # (n, 1)
        dtype = compute_dtype(hidden)
        wide = torch.promote_types(hidden.dtype, torch.float32)
        narrow_rows, narrow_weight = rows.to(dtype), weight.to(dtype)

        total = torch.zeros((), dtype=wide, device=hidden.device)
        want_hidden, want_weight, _ = ctx.needs_input_grad
        grad_rows = torch.empty_like(rows) if want_hidden else None
        grad_weight = torch.zeros_like(weight) if want_weight else None
        with without_autocast(hidden):
            for part in _slices(rows.shape[0], weight.shape[0]):
                logits = (narrow_rows[part] @ narrow_weight.T).to(wide)  # (s, V)
                log_probabilities = logits.log_softmax(dim=1)
                del logits
                total -= log_probabilities.gather(1, targets[part]).sum()
                if grad_rows is None and grad_weight is None:
                    continue
                grad_logits = log_probabilities.exp_()  # the softmax, in place
                grad_logits.scatter_add_(1, targets[part], grad_logits.new_full((1, 1), -1.0).expand_as(targets[part]))
                grad_logits = grad_logits.to(dtype)
                if grad_rows is not None:
                    grad_rows[part] = grad_logits @ narrow_weight
                if grad_weight is not None:
                    add_product(grad_weight, grad_logits.T, narrow_rows[part])
        if grad_rows is not None and not everywhere:
            grad_rows = torch.zeros_like(hidden).index_copy_(0, labelled, grad_rows)
        ctx.save_for_backward(grad_rows, grad_weight)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        grad_hidden, grad_weight = ctx.saved_tensors
        return (
            None if grad_hidden is None else grad_hidden * grad.to(grad_hidden.dtype),
            None if grad_weight is None else grad_weight * grad.to(grad_weight.dtype),
            None,
        )


def linear_cross_entropy(hidden: Tensor, weight: Tensor, labels: Tensor) -> Tensor:
    """The summed cross-entropy, in nats, of `labels` under the logits hidden @ weight.T; a scalar, fp32.

    `hidden` (..., C), `weight` (V, C) the head's, `labels` (...) with IGNORE (-100) where there is nothing to predict.
    Only labelled positions are computed. Without any the sum is 0 and so are the gradients. Divide by the number of
    labels of the whole update, not of this batch. The products follow autocast; softmax and sums are fp32.
    """
    if not torch.is_grad_enabled():
        return token_losses(hidden, weight, labels).sum()
    flat = hidden.reshape(-1, hidden.shape[-1])
    return _LinearCrossEntropy.apply(flat, weight, labels.reshape(-1))  # type: ignore[no-any-return,no-untyped-call]


@torch.no_grad()
def token_losses(hidden: Tensor, weight: Tensor, labels: Tensor) -> Tensor:
    """The cross-entropy at every position, fp32 and of labels' shape, 0 where the label is IGNORE; no gradients.

    Arguments as for `linear_cross_entropy`; logits are held in bounded slices here too.
    """
    rows, targets = hidden.reshape(-1, hidden.shape[-1]), labels.reshape(-1)
    labelled = (targets != IGNORE).nonzero().squeeze(1)
    dtype = compute_dtype(hidden)
    narrow_weight = weight.to(dtype)
    wide = torch.promote_types(hidden.dtype, torch.float32)
    losses = torch.zeros(targets.shape, dtype=wide, device=hidden.device)
    with without_autocast(hidden):
        for part in _slices(labelled.numel(), weight.shape[0]):
            index = labelled[part]
            logits = (rows[index].to(dtype) @ narrow_weight.T).to(wide)
            losses[index] = F.cross_entropy(logits, targets[index], reduction="none")
    return losses.view(labels.shape)
