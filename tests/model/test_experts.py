"""The experts' products against a loop over tokens, in fp64: any routing, empty and overloaded experts among them."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from engine.model import expert_products
from engine.model.expert_products import grouped_experts, sliced_experts

WIDTH, INSIDE = 8, 4  # rows of 16 bytes in fp32, as a grouped product wants


def naive(x: Tensor, weights: Tensor, chosen: Tensor, gate: Tensor, up: Tensor, down: Tensor) -> Tensor:
    """One token and one of its experts at a time; `chosen` (N, K) beyond the experts is padding."""
    rows = []
    for token in range(len(x)):
        total = 0 * sum(each.sum() for each in (x, weights, gate, up, down)) + torch.zeros_like(x[token])
        for place, expert in enumerate(chosen[token].tolist()):
            if expert < len(gate):
                hidden = F.silu(gate[expert] @ x[token]) * (up[expert] @ x[token])
                total = total + weights[token, place] * (down[expert] @ hidden)
        rows.append(total)
    return torch.stack(rows)


def by_expert(chosen: Tensor, experts: int) -> tuple[Tensor, Tensor]:
    order = chosen.flatten().argsort(stable=True)
    return order, torch.bincount(chosen.flatten(), minlength=experts + 1)[:experts]


def inputs(tokens: int, choices: int, experts: int, dtype: torch.dtype, seed: int = 0) -> list[Tensor]:
    """x, weights, gate, up, down, each a leaf."""
    generator = torch.Generator().manual_seed(seed)
    sizes = [(tokens, WIDTH), (tokens, choices), (experts, INSIDE, WIDTH), (experts, INSIDE, WIDTH)]
    sizes.append((experts, WIDTH, INSIDE))
    return [torch.randn(size, dtype=dtype, generator=generator).requires_grad_() for size in sizes]


def with_gradients(function: Callable[..., Tensor], leaves: list[Tensor]) -> list[Tensor]:
    result = function(*leaves)
    upstream = torch.linspace(-1, 1, result.numel(), dtype=result.dtype).view(result.shape)
    return [result, *torch.autograd.grad(result, leaves, upstream)]


@st.composite
def routings(draw: st.DrawFn, padding: bool = True) -> tuple[list[list[int]], int]:
    """The experts of each token, no token twice to one; E itself for all choices of a padding token."""
    experts = draw(st.integers(2, 6))
    choices = draw(st.integers(1, min(3, experts)))
    favoured = draw(st.booleans())  # everybody wants the same few: they overflow, the others stay empty
    among = list(range(choices if favoured else experts))
    token = st.permutations(among).map(lambda order: list(order[:choices]))
    kinds = st.one_of(token, st.just([experts] * choices)) if padding else token
    return draw(st.lists(kinds, min_size=1, max_size=12)), experts


@settings(max_examples=60, deadline=None)
@given(routing=routings(), keep=st.booleans(), chunk=st.sampled_from([1, 3, 64]), seed=st.integers(0, 99))
def test_slices_equal_a_loop_over_tokens(
    routing: tuple[list[list[int]], int], keep: bool, chunk: int, seed: int
) -> None:
    chosen, experts = torch.tensor(routing[0]), routing[1]
    order, counts = by_expert(chosen, experts)

    def chunks(of: slice, _x: Tensor, _width: int) -> list[slice]:
        return [slice(low, min(low + chunk, of.stop)) for low in range(of.start, of.stop, chunk)]

    def ours(x: Tensor, weights: Tensor, *matrices: Tensor) -> Tensor:
        return sliced_experts(x, weights.flatten(), order, counts, *matrices, keep=keep)

    leaves = inputs(*chosen.shape, experts, torch.float64, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(expert_products, "_chunks", chunks)
        found = with_gradients(ours, leaves)
    expected = with_gradients(lambda x, w, *m: naive(x, w, chosen, *m), leaves)
    for got, wanted in zip(found, expected, strict=True):
        torch.testing.assert_close(got, wanted)


@settings(max_examples=30, deadline=None)
@given(routing=routings(padding=False), seed=st.integers(0, 99))
def test_grouped_products_equal_slices(routing: tuple[list[list[int]], int], seed: int) -> None:
    chosen, experts = torch.tensor(routing[0]), routing[1]
    order, counts = by_expert(chosen, experts)
    leaves = inputs(*chosen.shape, experts, torch.float32, seed)
    found = with_gradients(lambda x, w, *m: grouped_experts(x, w.flatten(), order, counts, *m), leaves)
    expected = with_gradients(lambda x, w, *m: sliced_experts(x, w.flatten(), order, counts, *m, keep=True), leaves)
    for got, wanted in zip(found, expected, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("function", [grouped_experts, sliced_experts])
def test_an_expert_without_tokens_gets_zeros(function: Callable[..., Tensor]) -> None:
    """Trap 34: none would leave a parameter unused, and ranks that wait for its gradient hang."""
    chosen = torch.full((5, 1), 2)
    order, counts = by_expert(chosen, 4)
    leaves = inputs(5, 1, 4, torch.float32)
    more: dict[str, Any] = {} if function is grouped_experts else {"keep": True}
    _, _, _, *grads = with_gradients(lambda x, w, *m: function(x, w.flatten(), order, counts, *m, **more), leaves)
    for grad in grads:
        assert grad.shape[0] == 4 and grad[2].any()
        assert not grad[[0, 1, 3]].any()


def test_hand_written_gradients_are_those_of_finite_differences() -> None:
    chosen = torch.tensor([[0, 2], [2, 1], [3, 3]])  # the last one is padding
    order, counts = by_expert(chosen, 3)
    x, weights, *matrices = inputs(3, 2, 3, torch.float64)
    for keep in (True, False):
        assert torch.autograd.gradcheck(
            lambda x, w, *m, keep=keep: sliced_experts(x, w.flatten(), order, counts, *m, keep=keep),
            (x, weights, *matrices),
        )


def test_the_compiler_is_told_the_truth_about_the_operator() -> None:
    chosen = torch.tensor([[0, 2], [2, 1], [0, 1]])
    order, counts = by_expert(chosen, 3)
    x, weights, *matrices = inputs(3, 2, 3, torch.float32)
    for keep in (True, False):
        torch.library.opcheck(expert_products._experts, (x, weights.flatten(), order, counts, *matrices, keep))


def test_kept_values_are_left_out_on_request() -> None:
    chosen = torch.tensor([[0], [1], [1]])
    order, counts = by_expert(chosen, 2)
    x, weights, *matrices = inputs(3, 1, 2, torch.float32)
    gates, ups = expert_products._experts(x, weights.flatten(), order, counts, *matrices, False)[1:]
    assert gates.numel() == ups.numel() == 0


def test_half_precision_is_summed_in_the_weights_own() -> None:
    chosen = torch.arange(64).view(32, 2) % 4
    order, counts = by_expert(chosen, 4)
    x, weights, *matrices = inputs(32, 2, 4, torch.float32)

    def run(dtype: torch.dtype) -> list[Tensor]:
        return with_gradients(
            lambda x, w, *m: sliced_experts(x.to(dtype), w.flatten(), order, counts, *m, keep=True).clone(),
            [x, weights, *matrices],
        )

    for got, wanted in zip(run(torch.bfloat16), run(torch.float32), strict=True):
        got, wanted = got.detach(), wanted.detach()
        assert got.dtype == torch.float32
        assert float((got - wanted).norm() / wanted.norm()) < 0.02
