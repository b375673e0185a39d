"""Logits and gradients against transformers' Llama and Qwen3, from the same weights, fp32."""

from typing import Any

import pytest
import torch
from reference_models import FULL, SMALL, build, relative_error, twin
from torch import Tensor
from torch.nn import functional as F

from engine.model.transformer import LanguageModel
from engine.train.loss import linear_cross_entropy

TOLERANCE = 1e-4


def reference_gradients(other: Any, logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
    F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100, reduction="sum").backward()
    return {name: parameter.grad for name, parameter in other.named_parameters()}


def assert_gradients_agree(model: LanguageModel, expected: dict[str, Tensor]) -> None:
    assert expected.keys() == {name for name, _ in model.named_parameters()}
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert relative_error(parameter.grad, expected[name]) < TOLERANCE, name


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("recompute", [False, True])
def test_logits_and_gradients_agree(name: str, recompute: bool) -> None:
    model = build(SMALL[name], recompute=recompute)
    other = twin(model)
    torch.manual_seed(1)
    ids = torch.randint(0, 97, (3, 40))
    labels = torch.where(torch.rand(3, 40) < 0.3, -100, torch.randint(0, 97, (3, 40)))
    hidden = model(ids)
    theirs = other(ids).logits
    assert relative_error(model.logits(hidden), theirs) < TOLERANCE
    linear_cross_entropy(hidden, model.lm_head.weight, labels).backward()
    assert_gradients_agree(model, reference_gradients(other, theirs, labels))


@pytest.mark.parametrize("name", FULL)
def test_full_shapes_agree(name: str) -> None:
    model = build(FULL[name])
    other = twin(model)
    ids = torch.randint(0, 6400, (1, 24), generator=torch.Generator().manual_seed(2))
    hidden = model(ids)
    theirs = other(ids).logits
    assert relative_error(model.logits(hidden), theirs) < TOLERANCE
    linear_cross_entropy(hidden[:, :-1], model.lm_head.weight, ids[:, 1:]).backward()
    assert_gradients_agree(model, reference_gradients(other, theirs[:, :-1], ids[:, 1:]))


def packed_batch(lengths: list[list[int]], width: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Random documents of these lengths a row, padded to `width`: ids, labels, positions, document ids."""
    generator = torch.Generator().manual_seed(3)
    shape = (len(lengths), width)
    ids, labels = torch.zeros(shape, dtype=torch.long), torch.full(shape, -100)
    positions, documents = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.long)
    for row, row_lengths in enumerate(lengths):
        start = 0
        for number, length in enumerate(row_lengths, start=1):
            part = slice(start, start + length)
            ids[row, part] = torch.randint(0, 97, (length,), generator=generator)
            labels[row, start : start + length - 1] = ids[row, start + 1 : start + length]
            positions[row, part] = torch.arange(length)
            documents[row, part] = number
            start += length
    return ids, labels, positions, documents


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("recompute", [False, True])
def test_packed_rows_equal_each_document_alone(name: str, recompute: bool) -> None:
    model = build(SMALL[name], recompute=recompute)
    other = twin(model)
    lengths = [[5, 1, 30, 12], [48], [2, 2], [17, 31]]
    ids, labels, positions, documents = packed_batch(lengths, 48)
    hidden = model(ids, positions, documents)
    linear_cross_entropy(hidden, model.lm_head.weight, labels).backward()
    for row, row_lengths in enumerate(lengths):
        start = 0
        for length in row_lengths:
            part = slice(start, start + length)
            alone = other(ids[row : row + 1, part]).logits  # (1, length, V)
            assert relative_error(model.logits(hidden[row : row + 1, part]), alone) < TOLERANCE
            if length > 1:
                reference_gradients(other, alone[:, :-1], ids[row : row + 1, part][:, 1:])
            start += length
    assert_gradients_agree(model, {name: parameter.grad for name, parameter in other.named_parameters()})
