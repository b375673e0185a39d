"""The feed-forwards of a mixture's experts over tokens that lie sorted by expert: contiguous slices, no masks.

A slot is one (token, chosen expert) pair: slot t * K + j is the j-th choice of token t. `order` lists the slots by
expert, so an expert's work is one slice of it. Two ways lead through the slices:

`sliced_experts`   one product a slice, in chunks that stay in the processor's cache, with hand-written gradients that
                   keep the gate and up values alone; the sizes of the slices are read once a pass, which is free on a
                   cpu and one synchronisation a layer elsewhere. Opaque to the compiler, so compiled code runs it too.
`grouped_experts`  torch's grouped product over all slices at once, without any synchronisation, where the device has a
                   kernel for it (bf16 on cuda from compute capability 9.0 on; elsewhere it is a loop inside torch).

In both an expert without tokens costs nothing and its weights get a gradient of zeros, never none.
"""

from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from engine.model.precision import add_product, without_autocast

_CHUNK_BYTES = 6 * 2**20  # of a chunk's widest value on a cpu; an accelerator takes a whole slice at once


def _slices(counts: Tensor) -> list[slice]:
    """Each expert's slice of `order`; some may be empty."""
    ends = list(accumulate(counts.tolist(), initial=0))
    return [slice(start, end) for start, end in pairwise(ends)]


def _chunks(of: slice, x: Tensor, width: int) -> list[slice]:
    step = max(64, _CHUNK_BYTES // (4 * width)) if x.device.type == "cpu" else max(1, of.stop - of.start)
    return [slice(low, min(low + step, of.stop)) for low in range(of.start, of.stop, step)]


@torch.library.custom_op("minimind::experts", mutates_args=())
def _experts(
    x: Tensor,
    weights: Tensor,
    order: Tensor,
    counts: Tensor,
    gate_weight: Tensor,
    up_weight: Tensor,
    down_weight: Tensor,
    keep: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """The mixed outputs (N, C), and where `keep` says so the gate and up values in the order of `order`."""
    slots, width, choices = order.shape[0], gate_weight.shape[1], order.shape[0] // x.shape[0]
    to_gate, to_up, to_out = (weight.to(x.dtype).mT for weight in (gate_weight, up_weight, down_weight))
    gates, ups = (x.new_empty(slots if keep else 0, width) for _ in range(2))
    mixed = weights.new_empty(slots, x.shape[1])
    slices = _slices(counts)
    with without_autocast(x):
        for expert, part in ((e, part) for e, of in enumerate(slices) for part in _chunks(of, x, width)):
            here = order[part]
            inner = x.index_select(0, _tokens(here, choices))  # (n, C)
            kept = (gates[part], ups[part]) if keep else (None, None)
            gate, up = torch.mm(inner, to_gate[expert], out=kept[0]), torch.mm(inner, to_up[expert], out=kept[1])
            out = F.silu(gate).mul_(up) @ to_out[expert]  # (n, C)
            mixed[here] = out.to(weights.dtype).mul_(weights[here, None])
    mixed[order[slices[-1].stop :]] = 0
    return _sum_of_choices(mixed, choices), gates, ups


def _tokens(slots: Tensor, choices: int) -> Tensor:
    return slots if choices == 1 else slots // choices


def _sum_of_choices(slots: Tensor, choices: int) -> Tensor:
    """The sum over each token's slots: (N * K, C) to (N, C)."""
    return slots if choices == 1 else slots.view(-1, choices, slots.shape[1]).sum(dim=1)


@torch.library.custom_op("minimind::experts_backward", mutates_args=())
def _experts_backward(
    grad: Tensor,
    x: Tensor,
    weights: Tensor,
    order: Tensor,
    counts: Tensor,
    gate_weight: Tensor,
    up_weight: Tensor,
    down_weight: Tensor,
    gates: Tensor,
    ups: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    choices = order.shape[0] // x.shape[0]
    from_gate, from_up, from_out = (weight.to(x.dtype) for weight in (gate_weight, up_weight, down_weight))
    grad_x = x.new_empty(order.shape[0], x.shape[1])
    grad_weights = torch.zeros_like(weights)
    grad_matrices = tuple(torch.empty_like(weight) for weight in (gate_weight, up_weight, down_weight))
    slices = _slices(counts)
    with without_autocast(x):
        for expert, of in enumerate(slices):
            grad_gate_weight, grad_up_weight, grad_down_weight = (each[expert] for each in grad_matrices)
            chunks = _chunks(of, x, gate_weight.shape[1])
            if not chunks:
                for each in grad_matrices:
                    each[expert] = 0
            for part in chunks:
                into = _write_product if part.start == of.start else add_product
                here = order[part]
                tokens, weight = _tokens(here, choices), weights[here, None].to(x.dtype)
                inner, grad_out = x.index_select(0, tokens), grad.index_select(0, tokens).to(x.dtype)  # (n, C)
                if gates.shape[0]:
                    gate, up = gates[part], ups[part]
                else:
                    gate, up = inner @ from_gate[expert].T, inner @ from_up[expert].T
                activated = F.silu(gate)  # (n, I)
                hidden = activated * up
                grad_hidden = grad_out @ from_out[expert]  # of the output before its weight
                into(grad_down_weight, grad_out.mul_(weight).T, hidden)
                grad_weights[here] = hidden.mul_(grad_hidden).sum(dim=1, dtype=weights.dtype)
                grad_up = activated.mul_(grad_hidden.mul_(weight))
                grad_gate = torch.ops.aten.silu_backward(grad_hidden.mul_(up), gate)
                into(grad_gate_weight, grad_gate.T, inner)
                into(grad_up_weight, grad_up.T, inner)
                grad_x[here] = (grad_gate @ from_gate[expert]).addmm_(grad_up, from_up[expert])
    grad_x[order[slices[-1].stop :]] = 0
    return _sum_of_choices(grad_x, choices), grad_weights, *grad_matrices  # type: ignore[return-value]


def _write_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """total = left @ right, rounded to total's dtype."""
    if total.dtype == left.dtype:
        torch.mm(left, right, out=total)
    else:
        total.copy_(left @ right)


@_experts.register_fake
def _(
    x: Tensor,
    weights: Tensor,
    order: Tensor,
    counts: Tensor,
    gate_weight: Tensor,
    up_weight: Tensor,
    down_weight: Tensor,
    keep: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    gates, ups = (x.new_empty(order.shape[0] if keep else 0, gate_weight.shape[1]) for _ in range(2))
    return weights.new_empty(x.shape), gates, ups


@_experts_backward.register_fake
def _(
    grad: Tensor,
    x: Tensor,
    weights: Tensor,
    order: Tensor,
    counts: Tensor,
    gate_weight: Tensor,
    up_weight: Tensor,
    down_weight: Tensor,
    gates: Tensor,
    ups: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    alike = (torch.empty_like(each) for each in (weights, gate_weight, up_weight, down_weight))
    return torch.empty_like(x), *alike  # type: ignore[return-value]


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
    ctx.save_for_backward(*inputs[:-1], *output[1:])
    ctx.set_materialize_grads(False)  # gate and up values carry none: zeros of their size would be made


def _backward(ctx: Any, grad: Tensor | None, _gates: None, _ups: None) -> tuple[Tensor | None, ...]:
    if grad is None:
        return (None,) * 8
    grad_x, grad_weights, *grad_matrices = _experts_backward(grad, *ctx.saved_tensors)
    return grad_x, grad_weights, None, None, *grad_matrices, None


_experts.register_autograd(_backward, setup_context=_keep)


def sliced_experts(
    x: Tensor,
    weights: Tensor,
    order: Tensor,
    counts: Tensor,
    gate_weight: Tensor,
    up_weight: Tensor,
    down_weight: Tensor,
    *,
    keep: bool,
) -> Tensor:
    """sum_j weights[t, j] * down(silu(gate(x_t)) * up(x_t)) of the experts of each token's slots; (N, C), as `weights`.

    `x` (N, C) in the dtype the products shall run in; `weights` (N * K,) of the slots, fp32 (fp64 with such an x);
    `order` (N * K,) the slots by expert, `counts` (E,) how many each expert has; slots beyond their sum belong to no
    expert and add nothing. `gate_weight` and `up_weight` (E, I, C), `down_weight` (E, C, I). `keep` holds the gate and
    up values for the backward pass; without it they are computed a second time there.
    """
    return _experts(x, weights, order, counts, gate_weight, up_weight, down_weight, keep)[0]  # type: ignore[no-any-return]


class _Permute(torch.autograd.Function):
    """Rows in another order; its gradient gathers where a plain index would scatter."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, order: Tensor, back: Tensor) -> Tensor:
        ctx.save_for_backward(back)
        return x.index_select(0, order)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (back,) = ctx.saved_tensors
        return grad.index_select(0, back), None, None


def grouped_experts(
    x: Tensor,
    weights: Tensor,
    order: Tensor,
    counts: Tensor,
    gate_weight: Tensor,
    up_weight: Tensor,
    down_weight: Tensor,
) -> Tensor:
    """As `sliced_experts`, from three grouped products; `counts` must sum to all N * K slots.

    Raises RuntimeError for widths whose rows are no multiple of 16 bytes.
    """
    choices = order.shape[0] // x.shape[0]
    back = torch.empty_like(order).scatter_(0, order, torch.arange(order.shape[0], device=order.device))
    ends = counts.cumsum(0).to(torch.int32)
    to_gate, to_up, to_out = (weight.to(x.dtype).mT for weight in (gate_weight, up_weight, down_weight))
    spread = x if choices == 1 else x[:, None].expand(-1, choices, -1).flatten(0, 1)
    inner: Tensor = _Permute.apply(spread, order, back)  # type: ignore[no-untyped-call]
    gate, up = F.grouped_mm(inner, to_gate, offs=ends), F.grouped_mm(inner, to_up, offs=ends)
    out = F.grouped_mm(F.silu(gate) * up, to_out, offs=ends)
    weighted = _Permute.apply(out, back, order) * weights[:, None]  # type: ignore[no-untyped-call]
    return _sum_of_choices(weighted, choices)


def grouped_pays(x: Tensor, width: int) -> bool:
    """Whether this device has one kernel for groups of such an `x`: bf16 on cuda 9.0 and later, rows of 16 bytes."""
    if x.device.type != "cuda" or x.dtype != torch.bfloat16 or x.shape[1] % 8 or width % 8:
        return False
    return torch.cuda.get_device_capability(x.device) >= (9, 0)
