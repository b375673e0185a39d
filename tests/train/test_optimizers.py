import copy
import io
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from engine.errors import UserError
from engine.train.optimizers import OPTIMIZER_KINDS, LossScaler, ModelOptimizer, build_optimizer, clip_grad_norm


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.q_proj = nn.Linear(16, 16, bias=False)
        self.k_proj = nn.Linear(16, 4, bias=False)


class FeedForward(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(16, 3, bias=False)
        self.gate_proj = nn.Linear(16, 24, bias=False)
        self.down_proj = nn.Linear(24, 16, bias=False)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(16, bias=False)
        self.self_attn = Attention()
        self.mlp = FeedForward()


class Network(nn.Module):
    """A model with the parts that optimisers tell apart: tied embedding and head, norms, router, matrices."""

    def __init__(self, tied: bool = True) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed_tokens = nn.Embedding(20, 16)
        self.layers = nn.ModuleList([Block(), Block()])
        self.lm_head = nn.Linear(16, 20, bias=False)
        if tied:
            self.lm_head.weight = self.embed_tokens.weight


def give_gradients(model: nn.Module, seed: int, scale: float = 0.1) -> None:
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator) * scale


def train(model: nn.Module, optimizer: ModelOptimizer, first: int, last: int) -> None:
    for update in range(first, last):
        give_gradients(model, update)
        optimizer.set_lr(0.01 / (update + 1))
        optimizer.step()
        optimizer.zero_grad()


def through_a_file(state: dict[str, Any], folder: Path) -> dict[str, Any]:
    torch.save(state, folder / "trainer.pth")
    loaded: dict[str, Any] = torch.load(folder / "trainer.pth", weights_only=True)
    return loaded


def same(left: nn.Module, right: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(left.parameters(), right.parameters(), strict=True))


@pytest.mark.parametrize("tied", [True, False])
def test_muon_gets_the_hidden_matrices_and_adamw_the_rest(tied: bool) -> None:
    model = Network(tied)
    optimizer = build_optimizer(model, "muon", lr=0.01)
    names = {p: name for name, p in model.named_parameters()}
    by_part = {
        part: sorted(names[p] for g in o.param_groups for p in g["params"]) for part, o in optimizer.parts.items()
    }
    hidden = ["mlp.down_proj", "mlp.gate_proj", "self_attn.k_proj", "self_attn.q_proj"]
    assert by_part["muon"] == sorted(f"layers.{i}.{name}.weight" for i in (0, 1) for name in hidden)
    rest = ["embed_tokens.weight", *(f"layers.{i}.{n}.weight" for i in (0, 1) for n in ("mlp.gate", "norm"))]
    assert by_part["adamw"] == sorted(rest + ([] if tied else ["lm_head.weight"]))
    assert sum(optimizer.parameter_counts().values()) == sum(p.numel() for p in model.parameters())


def test_adamw_trains_everything_with_minimind_s_numbers() -> None:
    model = Network()
    optimizer = build_optimizer(model, lr=5e-4)
    (group,) = optimizer.parts["adamw"].param_groups
    assert (group["betas"], group["eps"], group["weight_decay"], group["lr"]) == ((0.9, 0.999), 1e-8, 0.01, 5e-4)
    assert len(optimizer.parameters) == len(list(model.parameters()))


def test_adamw_s_update_is_the_textbook_s() -> None:
    model = Network()
    before = copy.deepcopy(model)
    optimizer = build_optimizer(model, lr=0.01, weight_decay=0.1, betas=(0.8, 0.9), eps=1e-6)
    give_gradients(model, 0)
    optimizer.step()
    for old, new in zip(before.parameters(), model.parameters(), strict=True):
        assert new.grad is not None
        expected = old * (1 - 0.01 * 0.1) - 0.01 * new.grad / (new.grad.abs() + 1e-6)
        assert torch.allclose(new, expected, atol=1e-6)


@pytest.mark.parametrize("kind", OPTIMIZER_KINDS)
@pytest.mark.parametrize(("matrices_only", "moved"), [(False, True), (True, False)])
def test_decay_on_matrices_only_spares_the_norms(kind: Any, matrices_only: bool, moved: bool) -> None:
    model = Network()
    optimizer = build_optimizer(model, kind, lr=0.1, weight_decay=0.5, decay_matrices_only=matrices_only)
    embedding = model.embed_tokens.weight.detach().clone()
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    norm = model.layers[0].norm.weight
    assert torch.equal(norm, torch.ones(16)) != moved
    assert torch.allclose(model.embed_tokens.weight, embedding * 0.95)


@pytest.mark.parametrize("kind", OPTIMIZER_KINDS)
@pytest.mark.parametrize("regrouped", [False, True])
def test_resumed_from_a_file_is_bit_identical(kind: Any, regrouped: bool, tmp_path: Path) -> None:
    straight = Network()
    train(straight, build_optimizer(straight, kind, lr=1.0, weight_decay=0.0), 0, 9)
    first = Network()
    optimizer = build_optimizer(first, kind, lr=1.0, weight_decay=0.0)
    train(first, optimizer, 0, 4)
    saved = through_a_file({"model": first.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path)
    second = Network()
    second.load_state_dict(saved["model"])
    resumed = build_optimizer(second, kind, lr=1.0, weight_decay=0.0, decay_matrices_only=regrouped)
    resumed.load_state_dict(saved["optimizer"])
    train(second, resumed, 4, 9)
    assert same(straight, second)
    third = Network()
    third.load_state_dict(saved["model"])
    train(third, build_optimizer(third, kind, lr=1.0, weight_decay=0.0), 4, 9)
    assert not same(straight, third)  # the state matters, so the equality above says something


def test_hyperparameters_come_from_the_settings_and_not_from_the_state() -> None:  # trap 12
    model = Network()
    old = build_optimizer(model, "muon", lr=0.5, weight_decay=0.3, betas=(0.5, 0.6), muon_momentum=0.5)
    train(model, old, 0, 1)
    new = build_optimizer(model, "muon", lr=0.1, weight_decay=0.2, betas=(0.7, 0.8), muon_momentum=0.9)
    new.load_state_dict(copy.deepcopy(old.state_dict()))
    assert new.lr == 0.1
    assert new.parts["adamw"].param_groups[0]["betas"] == (0.7, 0.8)
    assert {g["weight_decay"] for o in new.parts.values() for g in o.param_groups} == {0.2}
    assert new.parts["muon"].param_groups[0]["momentum"] == 0.9


def test_the_learning_rate_stays_a_python_float() -> None:
    optimizer = build_optimizer(Network(), "muon", lr=0.1)
    optimizer.set_lr(1 / 3)
    optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert [g["lr"] for o in optimizer.parts.values() for g in o.param_groups] == [1 / 3] * 2
    assert all(type(g["lr"]) is float for o in optimizer.parts.values() for g in o.param_groups)


def test_another_kind_s_state_is_refused_by_name() -> None:
    saved = build_optimizer(Network(), "adamw", lr=0.1).state_dict()
    with pytest.raises(UserError, match=r"adamw.*muon"):
        build_optimizer(Network(), "muon", lr=0.1).load_state_dict(saved)


def test_another_model_s_state_is_refused_by_name() -> None:
    saved = build_optimizer(Network(tied=False), lr=0.1).state_dict()
    with pytest.raises(UserError, match=r"lm_head\.weight"):
        build_optimizer(Network(), lr=0.1).load_state_dict(saved)
    model = Network()
    optimizer = build_optimizer(model, lr=0.1)
    train(model, optimizer, 0, 1)
    wrong = copy.deepcopy(optimizer.state_dict())
    wrong["state"]["embed_tokens.weight"]["exp_avg"] = torch.zeros(21, 16)
    with pytest.raises(UserError, match=r"embed_tokens\.weight.*\[21, 16\].*\[20, 16\]"):
        optimizer.load_state_dict(wrong)


def test_zero_grad_frees_and_frozen_parameters_are_left_out() -> None:
    model = Network()
    model.embed_tokens.weight.requires_grad_(False)
    optimizer = build_optimizer(model, "muon", lr=0.1)
    assert all(p is not model.embed_tokens.weight for p in optimizer.parameters)
    give_gradients(model, 0)
    optimizer.zero_grad()
    assert all(p.grad is None for p in optimizer.parameters)


class TestClipping:
    def norm(self, model: nn.Module) -> float:
        return math.sqrt(sum(float(p.grad.double().square().sum()) for p in model.parameters() if p.grad is not None))

    def test_scales_all_gradients_together(self) -> None:
        model = Network()
        give_gradients(model, 0)
        before = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
        expected = self.norm(model)
        result = clip_grad_norm(model.parameters(), 0.5)
        assert result.finite and result.norm == pytest.approx(expected, rel=1e-5)
        assert self.norm(model) == pytest.approx(0.5, rel=1e-4)
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None
            assert torch.allclose(parameter.grad, before[name] * 0.5 / expected, rtol=1e-4)

    @pytest.mark.parametrize("max_norm", [0.0, 1e6])
    def test_leaves_small_gradients_and_no_clipping_alone(self, max_norm: float) -> None:
        model = Network()
        give_gradients(model, 0)
        before = [p.grad.clone() for p in model.parameters() if p.grad is not None]
        clip_grad_norm(model.parameters(), max_norm)
        assert all(
            torch.equal(a, p.grad) for a, p in zip(before, model.parameters(), strict=True) if p.grad is not None
        )

    @pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
    @pytest.mark.parametrize("where", ["embed_tokens.weight", "layers.1.mlp.down_proj.weight"])
    def test_one_bad_number_anywhere_closes_the_gate_for_all(self, bad: float, where: str) -> None:  # traps 26, 52
        model = Network()
        give_gradients(model, 0)
        dict(model.named_parameters())[where].grad[0, 0] = bad  # type: ignore[index]
        assert not clip_grad_norm(model.parameters(), 1.0).finite

    def test_the_scalars_are_read_and_gate_as_well(self) -> None:
        model = Network()
        give_gradients(model, 0)
        result = clip_grad_norm(model.parameters(), 1.0, extra=[torch.tensor(2.5), torch.tensor(7)])
        assert result.finite and result.extra == (2.5, 7.0)
        assert not clip_grad_norm(model.parameters(), 1.0, extra=[torch.tensor(float("nan"))]).finite

    def test_one_transfer_to_the_host_whatever_is_asked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        model = Network()
        give_gradients(model, 0)
        transfers: list[str] = []
        for name in ("item", "tolist", "__bool__", "__float__"):
            original = getattr(Tensor, name)

            def counted(self: Tensor, _name: str = name, _original: Any = original) -> Any:
                transfers.append(_name)
                return _original(self)

            monkeypatch.setattr(Tensor, name, counted)
        clip_grad_norm(model.parameters(), 1.0, loss_scale=4.0, extra=[torch.tensor(1.0)])
        assert transfers == ["tolist"]

    def test_a_loss_scale_is_taken_out_again(self) -> None:
        plain, scaled = Network(), Network()
        give_gradients(plain, 0)
        give_gradients(scaled, 0, scale=0.1 * 1024)
        a = clip_grad_norm(plain.parameters(), 1.0)
        b = clip_grad_norm(scaled.parameters(), 1.0, loss_scale=1024.0)
        assert a.norm == pytest.approx(b.norm, rel=1e-5)
        for p, q in zip(plain.parameters(), scaled.parameters(), strict=True):
            assert p.grad is not None and q.grad is not None
            assert torch.allclose(p.grad, q.grad, rtol=1e-5)

    def test_no_gradients_is_a_norm_of_zero(self) -> None:
        assert clip_grad_norm(Network().parameters(), 1.0) == (0.0, True, ())


class TestLossScaler:
    def test_halves_on_overflow_and_doubles_after_enough_good_updates(self) -> None:
        scaler = LossScaler(True, initial=1024.0, growth_interval=3)
        scaler.update(False)
        assert scaler.scale == 512.0
        for finite in (True, True, False, True, True, True):
            scaler.update(finite)
        assert scaler.scale == 512.0
        assert float(scaler.scale_loss(torch.tensor(2.0))) == 1024.0

    def test_never_reaches_zero(self) -> None:
        scaler = LossScaler(True)
        for _ in range(5000):
            scaler.update(False)
        assert 0.0 < scaler.scale < 1.0

    def test_disabled_does_nothing(self) -> None:
        scaler = LossScaler(False)
        loss = torch.tensor(2.0)
        assert scaler.scale_loss(loss) is loss
        scaler.update(False)
        assert scaler.scale == 1.0

    def test_an_overflow_in_one_part_stops_both_optimisers_and_lowers_the_scale(self) -> None:  # trap 52
        model = Network()
        before = copy.deepcopy(model)
        optimizer, scaler = build_optimizer(model, "muon", lr=0.1), LossScaler(True)
        give_gradients(model, 0)
        assert model.embed_tokens.weight.grad is not None
        model.embed_tokens.weight.grad[0, 0] = float("inf")
        result = clip_grad_norm(optimizer.parameters, 1.0, loss_scale=scaler.scale)
        scaler.update(result.finite)
        if result.finite:
            optimizer.step()
        assert same(model, before) and scaler.scale == 2.0**15

    def test_state_goes_on_through_weights_only(self) -> None:
        scaler = LossScaler(True, growth_interval=10)
        for finite in (False, *[True] * 7):
            scaler.update(finite)
        buffer = io.BytesIO()
        torch.save(scaler.state_dict(), buffer)
        buffer.seek(0)
        resumed = LossScaler(True, growth_interval=10)
        assert resumed.load_state_dict(torch.load(buffer, weights_only=True)) is None
        for _ in range(3):
            scaler.update(True)
            resumed.update(True)
        assert resumed.scale == scaler.scale == 2.0**16

    def test_states_that_do_not_fit_are_said_in_words(self) -> None:
        on, off = LossScaler(True, initial=512.0), LossScaler(False)
        assert off.load_state_dict(off.state_dict()) is None
        assert "512" in (off.load_state_dict(on.state_dict()) or "") and off.scale == 1.0
        assert "fp16" in (on.load_state_dict(off.state_dict()) or "") and on.scale == 512.0
