"""An update of N micro-batches is one batch of N times the size: dense, masked and packed, whole and partial (trap 5).

Gradients are caught as they reach the optimiser, and held against a single batch and against plain autograd over the
mean of all tokens of the update, which knows of no micro-batches at all.
"""

from contextlib import nullcontext
from typing import Any, Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from engine.data.rows import IGNORE, Batch
from engine.data.stream import Update, UpdateStream
from engine.model.transformer import LanguageModel
from engine.settings.network import shape_from_settings
from engine.settings.resolve import build_settings
from engine.train.optimizers import LossScaler, build_optimizer
from engine.train.update import Updater

WIDTH, VOCABULARY = 12, 40
Kind = Literal["dense", "masked", "packed"]
SHAPE = shape_from_settings(
    build_settings(
        {
            "hidden_size": 8,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "max_seq_len": WIDTH,
        }
    ),
    VOCABULARY,
)


class Rows:
    """Rows of random tokens: full ones, ones that end anywhere, or several documents in each and padding behind."""

    def __init__(self, count: int, kind: Kind, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.row_count = count
        self.ids = rng.integers(3, VOCABULARY, (count, WIDTH))
        self.labels = rng.integers(3, VOCABULARY, (count, WIDTH))
        self.positions = np.tile(np.arange(WIDTH), (count, 1))
        self.documents = np.ones((count, WIDTH), dtype=np.int64)
        for row in range(count):
            if kind == "packed":
                starts = np.sort(rng.choice(np.arange(1, WIDTH), rng.integers(1, 4), replace=False))
                self.documents[row] = 1 + np.searchsorted(starts, np.arange(WIDTH), side="right")
                begins = np.concatenate([[0], starts])
                self.positions[row] = np.arange(WIDTH) - begins[self.documents[row] - 1]
            if kind != "dense":
                used = int(rng.integers(1, WIDTH + 1))
                for array, nothing in ((self.labels, IGNORE), (self.ids, 0), (self.positions, 0), (self.documents, 0)):
                    array[row, used:] = nothing
        self.row_targets = (self.labels != IGNORE).sum(axis=1).astype(np.uint32)

    def batch(self, row_indices: Any, *, fill_to: int = 0) -> Batch:
        rows = np.asarray(row_indices, dtype=np.int64)
        empty = max(0, fill_to - len(rows))

        def of(array: Any, nothing: int) -> Any:
            return np.concatenate([array[rows], np.full((empty, WIDTH), nothing, dtype=np.int64)])

        targets = int(self.row_targets[rows].sum())
        padded = np.concatenate([rows, np.full(empty, -1, dtype=np.int64)])
        return Batch(
            of(self.ids, 0), of(self.labels, IGNORE), of(self.positions, 0), of(self.documents, 0), targets, padded
        )


def model_of(dtype: torch.dtype) -> LanguageModel:
    torch.manual_seed(5)
    return LanguageModel(SHAPE).to(dtype)


def updates_made(
    rows: Rows, dtype: torch.dtype, *, clip: float = 0.0, scale: bool = False, **options: Any
) -> list[tuple[float, float, list[torch.Tensor], list[torch.Tensor]]]:
    """(loss sum, gradient norm, gradients at the step, weights after it) of every update of an epoch."""
    model = model_of(dtype)
    optimizer = build_optimizer(model, lr=1e-3)
    updater = Updater(model, model, optimizer, LossScaler(scale), nullcontext, clip)
    seen: list[list[torch.Tensor]] = []
    step = optimizer.step

    def caught() -> None:
        seen.append([parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None])
        step()

    optimizer.step = caught  # type: ignore[method-assign]
    made = []
    with UpdateStream(rows, seed=1, **options) as stream:
        for update in stream:
            result = updater.update(
                update.micro_batches, update.target_tokens, 1e-3, lambda: False, lambda done, total: None
            )
            assert result is not None and result.finite
            made.append((result.loss_sum, result.grad_norm, seen[-1], [p.detach().clone() for p in model.parameters()]))
    assert len(seen) == len(made)
    return made


def plain_gradients(rows: Rows, dtype: torch.dtype) -> list[tuple[float, list[torch.Tensor]]]:
    """(mean loss, gradients) of the first update of all rows, each row alone through a model of its own, no batches."""
    model = model_of(dtype)
    total = torch.zeros((), dtype=dtype)
    for row in range(rows.row_count):
        batch = rows.batch([row])
        ids, labels, positions, documents = (
            torch.as_tensor(array) for array in (batch.ids, batch.labels, batch.positions, batch.document_ids)
        )
        logits = model.lm_head(model(ids, positions, documents))
        total = total + F.cross_entropy(logits[0], labels[0], ignore_index=IGNORE, reduction="sum")
    mean = total / int(rows.row_targets.sum())
    mean.backward()
    return [(float(mean.detach()), [parameter.grad for parameter in model.parameters() if parameter.grad is not None])]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-11), (torch.float32, 2e-5)], ids=["fp64", "fp32"])
@settings(max_examples=20, deadline=None)
@given(
    kind=st.sampled_from(["dense", "masked", "packed"]),
    micro_batch=st.integers(1, 4),
    steps=st.integers(2, 4),
    left=st.integers(0, 7),
    at_once=st.integers(1, 6),
    fixed_shape=st.booleans(),
    clip=st.sampled_from([0.0, 0.1]),
    scale=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_n_micro_batches_are_one_batch_of_n_times_the_size(
    dtype: torch.dtype,
    tolerance: float,
    kind: Kind,
    micro_batch: int,
    steps: int,
    left: int,
    at_once: int,
    fixed_shape: bool,
    clip: float,
    scale: bool,
    seed: int,
) -> None:
    whole = micro_batch * steps
    rows = Rows(whole + left, kind, seed)  # `left` rows make a last, smaller update, of one or several micro-batches
    one = updates_made(rows, dtype, clip=clip, micro_batch=whole)
    for options in (
        {"micro_batch": micro_batch, "accumulation_steps": steps},
        {"micro_batch": micro_batch, "accumulation_steps": steps, "at_once": at_once},
    ):
        many = updates_made(rows, dtype, clip=clip, scale=scale, fixed_shape=fixed_shape, **options)
        assert len(many) == len(one) == -(-rows.row_count // whole)
        for (loss, norm, gradients, weights), (one_loss, one_norm, one_gradients, one_weights) in zip(
            many, one, strict=True
        ):
            assert loss == pytest.approx(one_loss, rel=1e-6)
            assert norm == pytest.approx(one_norm, rel=1e-5)
            largest = max(float(gradient.abs().max()) for gradient in one_gradients)
            for ours, theirs in zip(gradients, one_gradients, strict=True):
                torch.testing.assert_close(ours, theirs, rtol=0, atol=tolerance * largest)
            if dtype is torch.float64:  # AdamW turns rounding of the smallest gradients into steps: only here
                for ours, theirs in zip(weights, one_weights, strict=True):
                    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-8)


@pytest.mark.parametrize("kind", ["dense", "masked", "packed"])
@settings(max_examples=10, deadline=None)
@given(count=st.integers(1, 7), micro_batch=st.integers(1, 3), seed=st.integers(0, 1000))
def test_every_token_of_an_update_weighs_the_same(kind: Kind, count: int, micro_batch: int, seed: int) -> None:
    """Also where the accumulation stays incomplete: 7 rows of 12, say, are divided by the tokens they have."""
    rows = Rows(count, kind, seed)
    ((loss, _norm, gradients, _weights),) = updates_made(
        rows, torch.float64, micro_batch=micro_batch, accumulation_steps=12
    )
    ((expected, wanted),) = plain_gradients(rows, torch.float64)
    assert loss / int(rows.row_targets.sum()) == pytest.approx(expected, rel=1e-6)
    for ours, theirs in zip(gradients, wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


def test_a_mean_of_micro_batches_would_be_another_update() -> None:
    """The property above is no truism: weighing micro-batches alike, as a mean of means does, is far off."""
    rows = Rows(6, "masked", 3)
    with UpdateStream(rows, seed=1, micro_batch=1, accumulation_steps=6) as stream:
        update: Update = next(stream)
        model = model_of(torch.float64)
        means = []
        for batch in update.micro_batches:
            ids, labels, positions, documents = (
                torch.as_tensor(array) for array in (batch.ids, batch.labels, batch.positions, batch.document_ids)
            )
            logits = model.lm_head(model(ids, positions, documents))
            means.append(F.cross_entropy(logits[0], labels[0], ignore_index=IGNORE))
    torch.stack(means).mean().backward()
    wrong = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    ((_loss, right),) = plain_gradients(rows, torch.float64)
    assert any(not torch.allclose(ours, theirs, rtol=1e-2) for ours, theirs in zip(wrong, right, strict=True))
