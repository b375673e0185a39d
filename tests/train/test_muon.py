import copy
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import engine.train.muon as muon_module
from engine.train.muon import SINGULAR_BAND, Muon, orthogonalize

LOW, HIGH = SINGULAR_BAND


def cosine(left: Tensor, right: Tensor) -> float:
    return float(
        nn.functional.cosine_similarity(left.detach().flatten().double(), right.detach().flatten().double(), dim=0)
    )


def exact_polar_factor(matrix: Tensor) -> Tensor:
    u, _, v = torch.linalg.svd(matrix.double(), full_matrices=False)
    return (u @ v).float()


@pytest.mark.parametrize("shape", [(3, 64, 160), (3, 160, 64), (2, 128, 512), (4, 33, 7), (1, 1, 64)])
@pytest.mark.parametrize("scale", [1e-5, 1.0, 1e12])
def test_singular_values_land_in_the_band_at_any_scale(shape: tuple[int, int, int], scale: float) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(1)) * scale
    values = torch.linalg.svdvals(orthogonalize(matrices))
    assert values.min() >= LOW and values.max() <= HIGH


def test_the_band_holds_for_every_singular_value_of_at_least_one_percent() -> None:
    generator = torch.Generator().manual_seed(2)
    u, v = (torch.linalg.qr(torch.randn(100, 100, generator=generator))[0] for _ in range(2))
    values = torch.logspace(-1.95, 0, 100)
    values /= values.norm()
    assert values.min() < 0.005
    result = torch.linalg.svdvals(orthogonalize((u * values @ v.T)[None]))[0]
    kept = values.sort(descending=True).values >= 0.01
    assert int(kept.sum()) > 60
    found = torch.linalg.svdvals(
        orthogonalize((u[:, values >= 0.01] * values[values >= 0.01] @ v[:, values >= 0.01].T)[None])
    )
    assert found[0, : int(kept.sum())].min() >= LOW and result.max() <= HIGH


def test_the_directions_are_the_polar_factor_s() -> None:
    matrix = torch.randn(1, 64, 160, generator=torch.Generator().manual_seed(3))
    assert cosine(orthogonalize(matrix), exact_polar_factor(matrix[0])) > 0.98
    assert torch.allclose(orthogonalize(matrix.mT), orthogonalize(matrix).mT)


def test_a_zero_matrix_stays_zero() -> None:
    assert torch.equal(orthogonalize(torch.zeros(2, 8, 8)), torch.zeros(2, 8, 8))


def test_float32_is_what_is_asked_for_and_finer_than_bfloat16() -> None:  # trap 32
    matrix = torch.randn(1, 48, 96, generator=torch.Generator().manual_seed(4))
    reference = orthogonalize(matrix.double(), dtype=torch.float64).float()
    fine = (orthogonalize(matrix) - reference).abs().max()
    coarse = (orthogonalize(matrix, dtype=torch.bfloat16) - reference).abs().max()
    assert fine < 1e-5 < 1e-3 < coarse < 0.1


def small_network() -> nn.ParameterList:
    generator = torch.Generator().manual_seed(5)
    shapes = [(24, 24), (6, 24), (24, 24), (64, 24), (24, 64), (64, 24), (6, 24), (4, 16, 24)]
    return nn.ParameterList([nn.Parameter(torch.randn(shape, generator=generator) * 0.1) for shape in shapes])


def give_gradients(parameters: nn.ParameterList, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for parameter in parameters:
        parameter.grad = torch.randn(parameter.shape, generator=generator) * 0.01


def train(parameters: nn.ParameterList, optimizer: Muon, first: int, last: int) -> None:
    for update in range(first, last):
        give_gradients(parameters, update)
        optimizer.step()


def test_one_update_is_the_formula() -> None:
    parameters = small_network()
    before = copy.deepcopy(parameters)
    optimizer = Muon(parameters, 0.02, momentum=0.9, weight_decay=0.1)
    train(parameters, optimizer, 0, 1)
    for old, new in zip(before, parameters, strict=True):
        assert new.grad is not None
        ahead = new.grad * (0.1 + 0.9 * 0.1)
        direction = orthogonalize(ahead.reshape(-1, *ahead.shape[-2:])).reshape(ahead.shape)
        expected = old * (1 - 0.02 * 0.1) - 0.02 * 0.2 * math.sqrt(max(old.shape[-2:])) * direction
        assert torch.allclose(new, expected, atol=1e-6)
        assert torch.allclose(optimizer.state[new]["momentum_buffer"], new.grad * 0.1)


def test_the_update_has_adamw_s_root_mean_square() -> None:
    parameters = nn.ParameterList([nn.Parameter(torch.zeros(512, 64)), nn.Parameter(torch.zeros(64, 96))])
    train(parameters, Muon(parameters, 1.0, weight_decay=0.0), 0, 1)
    for parameter in parameters:
        assert 0.12 < float(parameter.detach().square().mean().sqrt()) < 0.25  # AdamW's is 0.2 to 0.4 in practice


def test_agrees_with_torch_s_muon() -> None:
    ours, theirs = (nn.ParameterList([p for p in small_network() if p.ndim == 2]) for _ in range(2))
    start = copy.deepcopy(ours)
    mine = Muon(ours, 0.02, momentum=0.95, weight_decay=0.1)
    reference = torch.optim.Muon(
        theirs.parameters(), lr=0.02, momentum=0.95, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"
    )
    for update in range(5):
        give_gradients(ours, update)
        give_gradients(theirs, update)
        mine.step()
        reference.step()
    for begin, a, b in zip(start, ours, theirs, strict=True):  # theirs iterates in bfloat16: close, not equal
        assert cosine(a - begin, b - begin) > 0.99
        assert float((a - begin).detach().norm() / (b - begin).detach().norm()) == pytest.approx(1.0, abs=0.02)


def test_chunking_only_bounds_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    together, alone = small_network(), small_network()
    train(together, Muon(together, 0.02), 0, 3)
    sizes: list[int] = []
    original = orthogonalize

    def seen(matrices: Tensor, *, dtype: torch.dtype) -> Tensor:
        sizes.append(matrices.size(0))
        return original(matrices, dtype=dtype)

    monkeypatch.setattr(muon_module, "orthogonalize", seen)
    monkeypatch.setattr(muon_module, "_CHUNK_BYTES", 2 * 4 * 24 * 64)
    train(alone, Muon(alone, 0.02), 0, 3)
    assert sizes == [2, 2, 2, 1, 4] * 3
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(together, alone, strict=True))


@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_state_gives_the_same_bits_on_cpu(threads: int) -> None:  # trap 57
    usual = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        runs = [small_network() for _ in range(4)]
        for run in runs:
            train(run, Muon(run, 0.02), 0, 4)
    finally:
        torch.set_num_threads(usual)
    for run in runs[1:]:
        assert all(torch.equal(a, b) for a, b in zip(runs[0], run, strict=True))


def test_resumed_is_bit_identical() -> None:
    straight = small_network()
    train(straight, Muon(straight, 0.02), 0, 8)
    first = small_network()
    optimizer = Muon(first, 0.02)
    train(first, optimizer, 0, 5)
    second = small_network()
    second.load_state_dict(first.state_dict())
    resumed = Muon(second, 0.02)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    train(second, resumed, 5, 8)
    assert all(torch.equal(a, b) for a, b in zip(straight, second, strict=True))


def test_parameters_without_a_gradient_stay() -> None:
    parameters = small_network()
    before = copy.deepcopy(parameters)
    give_gradients(parameters, 0)
    parameters[2].grad = None
    Muon(parameters, 0.02, weight_decay=0.5).step()
    assert torch.equal(parameters[2], before[2])
    assert not torch.equal(parameters[0], before[0])


def test_vectors_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(8,\)"):
        Muon([nn.Parameter(torch.zeros(8))], 0.1)


def test_fits_what_badly_conditioned_inputs_hide_from_gradient_descent() -> None:
    generator = torch.Generator().manual_seed(6)
    inputs = torch.randn(256, 32, generator=generator) * torch.logspace(0, -1.5, 32)
    wanted = torch.randn(32, 32, generator=generator)
    curvature = 2 * float(torch.linalg.matrix_norm(inputs, 2)) ** 2 / (256 * 32)

    def error_after(make: Callable[[list[nn.Parameter]], torch.optim.Optimizer]) -> float:
        weight = nn.Parameter(torch.zeros(32, 32))
        optimizer = make([weight])
        first_lr = optimizer.param_groups[0]["lr"]
        for update in range(60):
            optimizer.zero_grad()
            (inputs @ weight - inputs @ wanted).square().mean().backward()
            if isinstance(optimizer, Muon):
                optimizer.param_groups[0]["lr"] = first_lr * (1 - update / 60)
            optimizer.step()
        return float((weight.detach() - wanted).norm() / wanted.norm())

    descent = error_after(lambda weights: torch.optim.SGD(weights, lr=1 / curvature))
    assert error_after(lambda weights: Muon(weights, 1.0, momentum=0.8, weight_decay=0.0)) < 0.1 < 0.4 < descent
