import sys
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from engine.convert.writing import checkpoint_tensors, published_tensors
from engine.estimate.peak_flops import peak_flops
from engine.estimate.size import active_parameters, checkpoint_bytes, flops_per_token, parameters, published_bytes
from engine.model.transformer import LanguageModel
from engine.settings.shape import ModelShape, shape_of
from engine.train.loss import linear_cross_entropy
from engine.train.optimizers import OptimizerKind, build_optimizer

sys.path.insert(0, str(Path(__file__).parent.parent / "model"))
from reference_models import reference

SHAPES = [
    shape_of("minimind2", vocab_size=97, hidden_size=48, num_hidden_layers=3, num_attention_heads=4),
    shape_of("minimind3", vocab_size=61, hidden_size=64, num_hidden_layers=2, head_dim=16, intermediate_size=80),
]
MIXTURES = [
    shape_of("minimind2", vocab_size=97, hidden_size=48, num_hidden_layers=3, num_attention_heads=4, num_experts=4),
    shape_of(
        "minimind3", vocab_size=61, hidden_size=64, num_hidden_layers=2, head_dim=16, num_experts=6,
        num_experts_per_tok=2, expert_size=24,
    ),
]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES + MIXTURES)
def test_parameters_are_those_of_the_network(shape: ModelShape) -> None:
    assert parameters(shape) == sum(parameter.numel() for parameter in LanguageModel(shape).parameters())


@pytest.mark.parametrize("shape", MIXTURES)
def test_active_parameters_are_those_that_a_token_meets(shape: ModelShape) -> None:
    """The parameters with a gradient that is not zero, after one token alone."""
    model = LanguageModel(shape)
    ids = torch.tensor([[5]])
    linear_cross_entropy(model(ids), model.lm_head.weight, ids).backward()
    met = 0
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None
        if ".experts." in name:
            met += sum(matrix.numel() for matrix in parameter.grad if matrix.any())
        else:
            met += parameter.numel()
    assert active_parameters(shape) == met < parameters(shape)


def test_a_dense_network_s_parameters_are_all_active() -> None:
    assert all(active_parameters(shape) == parameters(shape) for shape in SHAPES)


def test_published_counts() -> None:
    assert parameters(ModelShape()) == 25_829_888
    assert parameters(shape_of("minimind2", hidden_size=768, num_hidden_layers=16)) == 104_030_976
    assert parameters(shape_of("minimind3", hidden_size=768, num_hidden_layers=8)) == 63_912_192
    guide = shape_of("minimind2", hidden_size=512, num_hidden_layers=8, num_experts=4)
    assert (parameters(guide), active_parameters(guide)) == (95_052_288, 60_449_280)
    third = shape_of("minimind3", hidden_size=768, num_hidden_layers=8, num_experts=4)
    assert (parameters(third), active_parameters(third)) == (198_416_640, 63_936_768)
    second = shape_of("minimind2", hidden_size=640, num_hidden_layers=8, num_experts=4)
    assert round(parameters(second) / 1e6) == 145


@pytest.mark.parametrize("shape", [*SHAPES, MIXTURES[1]])
def test_flops_are_those_torch_counts(shape: ModelShape) -> None:
    """In an independent network that attends over whole rows, and for a loss on whole logits."""
    rows, width = 2, 24
    model = reference(shape, attention="eager").train()
    ids = torch.ones(rows, width, dtype=torch.long)
    with FlopCounterMode(display=False) as counter:
        model(ids).logits.sum().backward()
    assert counter.get_total_flops() == pytest.approx(rows * width * flops_per_token(shape, width), rel=0.01)


@pytest.mark.parametrize("kind", ["adamw", "muon"])
@pytest.mark.parametrize("shape", [SHAPES[1], *MIXTURES])
def test_checkpoint_bytes_are_those_of_weights_and_state(kind: OptimizerKind, shape: ModelShape) -> None:
    model = LanguageModel(shape)
    optimizer = build_optimizer(model, kind, lr=1e-3)
    ids = torch.ones(1, 4, dtype=torch.long)
    linear_cross_entropy(model(ids), model.lm_head.weight, ids).backward()
    optimizer.step()
    state = optimizer.state_dict()["state"]
    held = sum(value.nbytes for each in state.values() for value in each.values() if value.numel() > 1)
    held += sum(tensor.nbytes for tensor in checkpoint_tensors(model).values())
    assert checkpoint_bytes(shape, kind) == held


def test_published_bytes() -> None:
    held = sum(tensor.nbytes for tensor in published_tensors(LanguageModel(SHAPES[0])).values())
    assert published_bytes(SHAPES[0]) == held
    assert published_bytes(ModelShape()) == pytest.approx(58_236_994, rel=1e-3)


@pytest.mark.parametrize(
    ("name", "bf16", "fp32"),
    [
        ("NVIDIA GeForce RTX 3090", 71.2e12, 35.6e12),
        ("NVIDIA GeForce RTX 3090 Ti", 80e12, 40e12),
        ("NVIDIA GeForce RTX 4090", 165.2e12, 82.6e12),
        ("NVIDIA A100-SXM4-80GB", 312e12, 19.5e12),
        ("NVIDIA A100 80GB PCIe", 312e12, 19.5e12),
        ("NVIDIA H100 80GB HBM3", 989.4e12, 66.9e12),
        ("NVIDIA H100 PCIe", 756e12, 51.2e12),
        ("NVIDIA H200", 989.4e12, 66.9e12),
        ("NVIDIA L4", 121e12, 30.3e12),
        ("Tesla T4", None, 8.1e12),
        ("Tesla V100-SXM2-16GB", None, 15.7e12),
        ("Tesla V100-PCIE-32GB", None, 14e12),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", None, None),
        ("NVIDIA GeForce RTX 4090 D", None, None),
        ("AMD EPYC", None, None),
        ("", None, None),
    ],
)
def test_peaks_of_devices_as_drivers_name_them(name: str, bf16: float | None, fp32: float | None) -> None:
    for dtype, expected in (("bf16", bf16), ("fp32", fp32)):
        found = peak_flops(name, dtype)  # type: ignore[arg-type]
        assert found == (None if expected is None else pytest.approx(expected))


def test_a_t4_has_fp16_only() -> None:
    assert peak_flops("Tesla T4", "fp16") == pytest.approx(65e12)
    assert peak_flops("Tesla T4", "tf32") is None
