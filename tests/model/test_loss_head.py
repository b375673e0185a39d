"""The head and its cross-entropy in slices, against torch's own on whole logits."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from engine.train import loss as loss_module
from engine.train.loss import IGNORE, linear_cross_entropy, token_losses

VOCAB, WIDTH = 13, 5


def problem(labels: list[int], seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(len(labels), WIDTH, dtype=torch.float64, generator=generator)
    weight = torch.randn(VOCAB, WIDTH, dtype=torch.float64, generator=generator)
    return hidden.requires_grad_(), weight.requires_grad_(), torch.tensor(labels, dtype=torch.long)


def whole(hidden: Tensor, weight: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(hidden @ weight.T, labels, ignore_index=IGNORE, reduction="sum")


@pytest.fixture
def rows_a_slice(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss_module, "SLICE_BYTES", request.param * 4 * VOCAB)


@pytest.mark.parametrize("rows_a_slice", [1, 2, 100], indirect=True)
@pytest.mark.usefixtures("rows_a_slice")
@pytest.mark.parametrize("labels", [[3, 0, 12, 5], [IGNORE, 4, IGNORE, 12, 0], [7]])
def test_gradients(labels: list[int]) -> None:
    hidden, weight, targets = problem(labels)
    assert torch.autograd.gradcheck(lambda h, w: linear_cross_entropy(h, w, targets), (hidden, weight))


@settings(max_examples=60, deadline=None)
@given(
    labels=st.lists(st.one_of(st.just(IGNORE), st.integers(0, VOCAB - 1)), min_size=1, max_size=30),
    rows=st.integers(1, 8),
    scale=st.sampled_from([1.0, 0.25, 65536.0]),
    seed=st.integers(0, 50),
)
def test_equals_cross_entropy_of_whole_logits(labels: list[int], rows: int, scale: float, seed: int) -> None:
    hidden, weight, targets = problem(labels, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loss_module, "SLICE_BYTES", rows * 4 * VOCAB)
        ours = linear_cross_entropy(hidden, weight, targets) * scale
        each = token_losses(hidden, weight, targets)
    theirs = whole(hidden, weight, targets) * scale
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(each.sum() * scale, theirs.detach())
    assert not each[targets == IGNORE].any() and not each.requires_grad
    got, wanted = (torch.autograd.grad(loss, (hidden, weight)) for loss in (ours, theirs))
    torch.testing.assert_close(got, wanted)


def test_nothing_labelled_is_zero_with_zero_gradients() -> None:
    """Trap 21: a batch of padding must not be NaN."""
    hidden, weight, targets = problem([IGNORE] * 4)
    total = linear_cross_entropy(hidden, weight, targets)
    total.backward()
    assert total == 0
    assert hidden.grad is not None and not hidden.grad.any()
    assert weight.grad is not None and not weight.grad.any()
    assert not token_losses(hidden, weight, targets).any()


def test_leading_dimensions_and_the_sum_without_gradients() -> None:
    hidden, weight, targets = problem([3, IGNORE, 12, 5, 0, 1])
    rows, labels = hidden.view(2, 3, WIDTH), targets.view(2, 3)
    assert token_losses(rows, weight, labels).shape == (2, 3)
    with torch.no_grad():
        total = linear_cross_entropy(rows, weight, labels)
    torch.testing.assert_close(total, whole(hidden, weight, targets).detach())


def test_backward_may_run_twice_over_a_kept_graph() -> None:
    hidden, weight, targets = problem([3, 1])
    total = linear_cross_entropy(hidden, weight, targets)
    first, second = (torch.autograd.grad(total, (hidden, weight), retain_graph=True) for _ in range(2))
    torch.testing.assert_close(first, second, rtol=0, atol=0)


def test_a_frozen_head_gets_no_gradient() -> None:
    hidden, weight, targets = problem([3, 1])
    linear_cross_entropy(hidden, weight.detach(), targets).backward()
    (expected,) = torch.autograd.grad(whole(hidden, weight, targets), hidden)
    torch.testing.assert_close(hidden.grad, expected)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_multiplies_low_and_sums_high(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(64, 32, generator=generator).requires_grad_()
    weight = (torch.randn(50, 32, generator=generator) * 0.2).requires_grad_()
    targets = torch.randint(0, 50, (64,), generator=generator)
    exact = torch.autograd.grad(whole(hidden, weight, targets), (hidden, weight))
    with torch.autocast("cpu", dtype=dtype):
        total = linear_cross_entropy(hidden, weight, targets)
        each = token_losses(hidden, weight, targets)
    low = torch.autograd.grad(total * 1024, (hidden, weight))  # as a gradient scaler would
    assert total.dtype == each.dtype == torch.float32
    logits = (hidden.to(dtype) @ weight.to(dtype).T).float()
    torch.testing.assert_close(total, F.cross_entropy(logits, targets, reduction="sum"))
    for got, wanted in zip(low, exact, strict=True):
        assert got.dtype == torch.float32
        assert ((got / 1024 - wanted).abs().max() / wanted.abs().max()) < 16 * torch.finfo(dtype).eps


class LargestTensor(TorchDispatchMode):
    """Watches every operation, also those inside autograd functions, for the largest result."""

    largest = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for each in out if isinstance(out, tuple | list) else (out,):
            if isinstance(each, Tensor):
                self.largest = max(self.largest, each.numel())
        return out


@pytest.mark.parametrize("rows_a_slice", [4], indirect=True)
@pytest.mark.usefixtures("rows_a_slice")
def test_never_more_than_a_slice_of_logits() -> None:
    hidden, weight, targets = problem([1] * 64)
    with LargestTensor() as watch:
        linear_cross_entropy(hidden, weight, targets).backward()
        token_losses(hidden, weight, targets)
    assert 4 * VOCAB <= watch.largest <= max(4 * VOCAB, hidden.numel(), weight.numel())
    assert watch.largest < 64 * VOCAB / 2


def test_a_label_beyond_the_vocabulary_is_an_error() -> None:
    hidden, weight, _ = problem([0])
    with pytest.raises((IndexError, RuntimeError), match="out of bounds"):
        linear_cross_entropy(hidden, weight, torch.tensor([VOCAB]))
