"""Hand-written gradients: against finite differences in fp64, and against plain operations."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from engine.model import fused_feed_forward as fused
from engine.model.feed_forward import FeedForward
from engine.model.mask import document_mask
from engine.model.norm import RMSNorm
from engine.model.packed_attention import _CHUNK, packed_attention
from engine.model.rope import rotate, rotation
from engine.settings.shape import ModelShape

SHAPE = ModelShape(
    vocab_size=11, hidden_size=6, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1, head_dim=4,
    intermediate_size=5,
)  # fmt: skip


def random(*size: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(size, dtype=torch.float64, generator=generator).requires_grad_()


def plain_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps) * weight


def test_rms_norm() -> None:
    norm = RMSNorm(6, 1e-5, "before_weight").double()
    x, weight = random(2, 3, 6), random(6, seed=1)

    def apply(x: Tensor, weight: Tensor) -> Tensor:
        return torch.func.functional_call(norm, {"weight": weight}, (x,))

    assert torch.autograd.gradcheck(apply, (x, weight))
    torch.testing.assert_close(apply(x, weight), plain_norm(x, weight, 1e-5))


def test_rms_norm_casts_where_the_generation_does() -> None:
    x = torch.tensor([[1.0, 2.0, 3.0, 250.0]], dtype=torch.bfloat16)
    weight = torch.tensor([1.01, 0.99, 1.02, 0.97])
    normalised = x.float() * torch.rsqrt(x.float().square().mean(-1, keepdim=True) + 1e-5)
    for cast, expected in (
        ("before_weight", weight * normalised.to(torch.bfloat16)),
        ("after_weight", (weight * normalised).to(torch.bfloat16)),
    ):
        norm = RMSNorm(4, 1e-5, cast)
        norm.weight.data.copy_(weight)
        got = norm(x)
        assert got.dtype == expected.dtype
        assert torch.equal(got, expected)


def test_rotation() -> None:
    by = rotation(torch.tensor([[0, 1, 7], [3, 2, 31]]), 4, 1e6)
    by = type(by)(by.cos.double(), by.sin.double())
    x = random(2, 3, 2, 4)
    assert torch.autograd.gradcheck(lambda x: rotate(x, by), (x,))
    turned = torch.view_as_complex(torch.stack(x.chunk(2, -1), -1)) * torch.complex(by.cos, by.sin)
    torch.testing.assert_close(rotate(x, by), torch.cat((turned.real, turned.imag), -1))


def test_rotation_depends_on_distance_alone() -> None:
    query, key = random(1, 1, 1, 8), random(1, 1, 1, 8, seed=1)

    def score(at: int, other: int) -> float:
        turned = [rotate(x, rotation(torch.tensor([[p]]), 8, 1e4)) for x, p in ((query, at), (key, other))]
        return float((turned[0] * turned[1]).sum().detach())

    assert score(5, 2) == pytest.approx(score(103, 100), abs=1e-4)
    assert score(5, 2) != pytest.approx(score(5, 3), abs=1e-3)


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("chunk_rows", [1, 64])
def test_fused_feed_forward(keep: bool, chunk_rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        fused, "_chunks", lambda x, width: [slice(i, i + chunk_rows) for i in range(0, len(x), chunk_rows)]
    )
    norm, mlp = RMSNorm(6, 1e-5, "before_weight").double(), FeedForward(SHAPE).double()
    names = ["gate_proj.weight", "up_proj.weight", "down_proj.weight"]
    inputs = (random(2, 3, 6), random(6, seed=1), random(5, 6, seed=2), random(5, 6, seed=3), random(6, 5, seed=4))

    def apply(x: Tensor, norm_weight: Tensor, *weights: Tensor) -> Tensor:
        y: Tensor = fused._FusedFeedForward.apply(x.flatten(0, -2), norm_weight, *weights, norm.eps, keep)
        return y.view(x.shape)

    def plain(x: Tensor, norm_weight: Tensor, *weights: Tensor) -> Tensor:
        inner = plain_norm(x, norm_weight, norm.eps)
        return x + torch.func.functional_call(mlp, dict(zip(names, weights, strict=True)), (inner,))

    assert torch.autograd.gradcheck(apply, inputs)
    torch.testing.assert_close(apply(*inputs), plain(*inputs))


def test_fused_feed_forward_is_cut_into_chunks_that_cover_every_position() -> None:
    parts = fused._chunks(torch.empty(5000, 1), 1408)
    assert len(parts) > 1
    assert [i for part in parts for i in range(part.start, part.stop)] == list(range(5000))


def masked_attention(query: Tensor, key: Tensor, value: Tensor, document_ids: Tensor) -> Tensor:
    heads_first = (x.transpose(1, 2) for x in (query, key, value))
    mixed = F.scaled_dot_product_attention(*heads_first, document_mask(document_ids), enable_gqa=True)
    return mixed.transpose(1, 2)


def test_packed_attention_gradients() -> None:
    documents = torch.tensor([[1, 1, 1, 2, 2, 0], [4, 4, 4, 4, 4, 4]])
    inputs = (random(2, 6, 2, 4), random(2, 6, 1, 4, seed=1), random(2, 6, 1, 4, seed=2))
    assert torch.autograd.gradcheck(lambda *each: packed_attention(*each, documents), inputs)


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(st.lists(st.integers(1, 400), min_size=1, max_size=4), min_size=1, max_size=2),
    padding=st.integers(0, 3),
    seed=st.integers(0, 100),
)
def test_packed_attention_equals_a_mask(rows: list[list[int]], padding: int, seed: int) -> None:
    width = max(map(sum, rows)) + padding
    documents = torch.zeros(len(rows), width, dtype=torch.long)
    for row, lengths in enumerate(rows):
        numbers = torch.arange(1, len(lengths) + 1).repeat_interleave(torch.tensor(lengths))
        documents[row, : len(numbers)] = numbers
    query, key, value = (random(len(rows), width, heads, 4, seed=seed + heads) for heads in (4, 2, 2))
    upstream = random(*query.shape, seed=seed + 9).detach() * (documents > 0)[..., None, None]
    ours, expected = (f(query, key, value, documents) for f in (packed_attention, masked_attention))
    real = documents > 0
    torch.testing.assert_close(ours[real], expected[real])
    assert not ours[~real].any()
    for got, wanted in zip(
        *(torch.autograd.grad(y, (query, key, value), upstream) for y in (ours, expected)), strict=True
    ):
        torch.testing.assert_close(got, wanted)


def test_long_documents_are_cut_into_chunks_of_queries() -> None:
    assert 2 * _CHUNK <= 400, "the property test above no longer reaches the chunked path"
