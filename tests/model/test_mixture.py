"""A network with experts: against transformers' Qwen3-MoE, its names, its router, padding, generation, compilation."""

import shutil

import pytest
import torch
from reference_models import MIXTURES, build, relative_error, their_names, twin
from torch import Tensor
from torch.nn import functional as F

from engine.model.generation import generate
from engine.model.mixture import MixtureOfExperts
from engine.model.transformer import LanguageModel
from engine.settings.shape import ModelShape, shape_of
from engine.train.loss import linear_cross_entropy

TOLERANCE = 1e-4
SECOND = shape_of(
    "minimind2", vocab_size=97, hidden_size=48, num_hidden_layers=2, num_attention_heads=4, intermediate_size=80,
    num_experts=4,
)  # fmt: skip
TWO_SHARED = shape_of(
    "minimind2", vocab_size=97, hidden_size=48, num_hidden_layers=2, num_attention_heads=4, expert_size=24,
    num_experts=5, num_experts_per_tok=2, num_shared_experts=2,
)  # fmt: skip


@pytest.mark.parametrize("name", MIXTURES)
@pytest.mark.parametrize("recompute", [False, True])
def test_logits_and_gradients_are_those_of_qwen3_moe(name: str, recompute: bool) -> None:
    model = build(MIXTURES[name], recompute=recompute)
    other = twin(model)
    torch.manual_seed(1)
    ids = torch.randint(0, 97, (3, 40))
    labels = torch.where(torch.rand(3, 40) < 0.3, -100, torch.randint(0, 97, (3, 40)))
    hidden = model(ids)
    theirs = other(ids).logits
    assert relative_error(model.logits(hidden), theirs) < TOLERANCE
    linear_cross_entropy(hidden, model.lm_head.weight, labels).backward()
    F.cross_entropy(theirs.flatten(0, 1), labels.flatten(), ignore_index=-100, reduction="sum").backward()
    expected = {key: parameter.grad for key, parameter in other.named_parameters()}
    ours = their_names(gradients(model), set(expected))
    assert ours.keys() == expected.keys()
    for key, grad in expected.items():
        if name == "as MiniMind scales" and key.endswith("gate.weight"):
            continue  # rounding alone: see below
        assert relative_error(ours[key], grad) < TOLERANCE, key


def gradients(model: LanguageModel) -> dict[str, Tensor]:
    """The gradients under the names of the state dict."""
    holder = LanguageModel(model.shape)
    with torch.no_grad():
        for parameter, own in zip(holder.parameters(), model.parameters(), strict=True):
            assert own.grad is not None
            parameter.copy_(own.grad)
    return holder.state_dict()


def naive_mixture(mixture: MixtureOfExperts, x: Tensor, shape: ModelShape) -> Tensor:
    """Every expert on every token, weighted; the shared ones added."""
    probabilities = (x @ mixture.gate.weight.T).softmax(-1)  # (B, T, E)
    chosen = probabilities >= probabilities.topk(shape.num_experts_per_tok, -1).values[..., -1:]
    weights = probabilities * chosen
    if shape.norm_topk_prob:
        weights = weights / weights.sum(-1, keepdim=True)
    stacks = zip(mixture.experts.gate_proj, mixture.experts.up_proj, mixture.experts.down_proj, strict=True)
    total = torch.zeros_like(x)
    for expert, (gate, up, down) in enumerate(stacks):
        total = total + weights[..., expert, None] * ((F.silu(x @ gate.T) * (x @ up.T)) @ down.T)
    for shared in getattr(mixture, "shared_experts", ()):
        total = total + shared(x)
    return total


@pytest.mark.parametrize("shape", [SECOND, TWO_SHARED, MIXTURES["minimind3-moe"]])
@pytest.mark.parametrize("recompute", [False, True])
def test_a_block_equals_every_expert_on_every_token(shape: ModelShape, recompute: bool) -> None:
    block = build(shape, recompute=recompute).double().model.layers[0]
    block.self_attn.o_proj.weight.data.zero_()  # the stream passes the attention unchanged
    x = torch.randn(2, 9, 48, dtype=torch.float64, generator=torch.Generator().manual_seed(4)).requires_grad_()
    by = tuple(torch.ones(1, 9, 1, shape.head_dim // 2, dtype=torch.float64) for _ in range(2))
    documents = torch.ones(2, 9, dtype=torch.long)

    def expected(x: Tensor) -> Tensor:
        return x + naive_mixture(block.mlp, block.post_attention_layernorm(x), shape)

    from engine.model.rope import Rotation

    found = block(x, Rotation(*by), None, documents)[0]
    torch.testing.assert_close(found, expected(x))
    weights = [x, *block.mlp.parameters()]
    for got, wanted in zip(
        *(torch.autograd.grad(y.square().sum(), weights) for y in (found, expected(x))), strict=True
    ):
        torch.testing.assert_close(got, wanted)


def test_names_and_shapes_are_minimind_s() -> None:
    model = LanguageModel(shape_of("minimind2", hidden_size=512, num_hidden_layers=8, num_experts=4))
    tensors = model.state_dict()
    assert len(tensors) == 179
    block = "model.layers.7.mlp."
    expected = {block + "gate.weight": (4, 512)}
    for part in [f"experts.{expert}" for expert in range(4)] + ["shared_experts.0"]:
        expected |= {f"{block}{part}.{way}_proj.weight": (1408, 512) for way in ("gate", "up")}
        expected[f"{block}{part}.down_proj.weight"] = (512, 1408)
    assert {name: tuple(t.shape) for name, t in tensors.items() if name.startswith(block)} == expected
    third = LanguageModel(shape_of("minimind3", hidden_size=64, num_hidden_layers=1, num_experts=4))
    assert not any("shared" in name for name in third.state_dict())


def test_a_state_dict_loads_strictly_and_says_what_does_not_fit() -> None:
    model, other = build(SECOND), build(SECOND, seed=1)
    other.load_state_dict(model.state_dict(), strict=True)
    assert all(map(torch.equal, model.parameters(), other.parameters()))
    tensors = model.state_dict()
    del tensors["model.layers.1.mlp.experts.2.up_proj.weight"]
    with pytest.raises(RuntimeError, match=r"Missing.*model\.layers\.1\.mlp\.experts\.2\.up_proj\.weight"):
        other.load_state_dict(tensors)
    tensors = model.state_dict() | {"model.layers.0.mlp.experts.4.up_proj.weight": torch.zeros(80, 48)}
    with pytest.raises(RuntimeError, match=r"Unexpected.*experts\.4"):
        other.load_state_dict(tensors)
    tensors = model.state_dict() | {"model.layers.0.mlp.experts.3.up_proj.weight": torch.zeros(79, 48)}
    with pytest.raises(RuntimeError, match=r"size mismatch.*experts\.3"):
        other.load_state_dict(tensors)


def router_gradient(shape: ModelShape) -> float:
    model = build(shape)
    ids = torch.randint(0, 97, (4, 32), generator=torch.Generator().manual_seed(5))
    linear_cross_entropy(model(ids), model.lm_head.weight, ids).backward()
    found = [block.mlp.gate.weight.grad for block in model.model.layers]
    assert all(grad is not None for grad in found)
    return float(torch.stack(found).abs().max() / len(ids.flatten()))


def test_a_router_with_one_choice_learns_where_minimind_s_does_not() -> None:
    """MiniMind scales the single weight to 1, whatever the router says: its gradient is rounding."""
    assert shape_of("minimind3", hidden_size=64, num_hidden_layers=1, num_experts=4).norm_topk_prob is False
    assert router_gradient(MIXTURES["minimind3-moe"]) > 1e4 * router_gradient(MIXTURES["as MiniMind scales"])


def test_every_parameter_gets_a_gradient_when_all_tokens_want_the_same_experts() -> None:
    """Trap 34."""
    model = build(SECOND)
    with torch.no_grad():
        for block in model.model.layers:
            block.mlp.gate.weight.zero_()  # ties: every token takes the same two
    ids = torch.randint(0, 97, (2, 16))
    linear_cross_entropy(model(ids), model.lm_head.weight, ids).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
    routing = model.take_routing()
    assert routing is not None
    slots = routing.chosen.sum((0, 1)).tolist()
    assert sorted(slots) == [0, 0, 64, 64]
    up = model.model.layers[0].mlp.experts.up_proj.grad
    assert [bool(grad.any()) for grad in up] == [count > 0 for count in slots]


@pytest.mark.parametrize("shape", [SECOND, MIXTURES["minimind3-moe"]])
def test_padding_takes_no_expert_and_does_not_count(shape: ModelShape) -> None:
    model = build(shape)
    ids = torch.randint(1, 97, (2, 12), generator=torch.Generator().manual_seed(6))
    documents = torch.tensor([[1] * 12, [1] * 5 + [2] * 4 + [0] * 3])
    positions = torch.tensor([list(range(12)), [*range(5), *range(4), 0, 0, 0]])
    hidden = model(ids, positions, documents)
    routing = model.take_routing()
    assert routing is not None
    assert routing.tokens.tolist() == [[12, 9]] * 2
    assert routing.chosen.sum(-1).tolist() == [[12 * shape.num_experts_per_tok, 9 * shape.num_experts_per_tok]] * 2
    torch.testing.assert_close(routing.probability.sum(-1), routing.tokens.float())
    other = torch.where(documents > 0, ids, torch.randint(1, 97, (2, 12)))  # other padding, the same real tokens
    again = model(other, positions, documents)
    torch.testing.assert_close(again[documents > 0], hidden[documents > 0])
    changed = model.take_routing()
    assert changed is not None
    assert torch.equal(changed.chosen, routing.chosen)
    torch.testing.assert_close(changed.probability, routing.probability)


def test_what_a_router_did_is_given_once_and_in_training_only() -> None:
    model = build(SECOND)
    ids = torch.ones(1, 4, dtype=torch.long)
    model(ids)
    assert model.take_routing() is not None and model.take_routing() is None
    model.eval()(ids)
    assert model.take_routing() is None
    dense = LanguageModel(shape_of("minimind2", vocab_size=97, hidden_size=48, num_hidden_layers=1))
    dense(ids)
    assert dense.take_routing() is None


@pytest.mark.parametrize("shape", [SECOND, MIXTURES["minimind3-moe"]])
def test_the_router_decides_in_full_precision_under_autocast(shape: ModelShape) -> None:
    """Traps 24 and 29."""
    model = build(shape)
    ids = torch.randint(0, 97, (2, 24), generator=torch.Generator().manual_seed(7))
    exact = model(ids)
    full = model.take_routing()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden = model(ids)
    half = model.take_routing()
    assert full is not None and half is not None
    assert hidden.dtype == half.probability.dtype == torch.float32
    assert relative_error(hidden, exact) < 0.1
    first = build(shape)
    x = torch.randn(1, 50, 48)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rated = first.model.layers[0].mlp.gate.rate(x)
    for got, wanted in zip(rated, first.model.layers[0].mlp.gate.rate(x), strict=True):
        assert torch.equal(got, wanted)
    linear_cross_entropy(hidden, model.lm_head.weight, ids).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize("shape", [SECOND, TWO_SHARED, MIXTURES["minimind3-moe"]])
def test_a_cache_changes_no_token(shape: ModelShape) -> None:
    model = build(shape).eval()
    prompt = [1, 5, 9, 2]
    texts = [
        list(generate(model, prompt, max_tokens=24, temperature=1.0, seed=3, use_cache=cached))
        for cached in (True, False)
    ]
    assert len(texts[0]) == 24 and texts[0] == texts[1]


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on the cpu")
def test_compiled_it_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = shape_of(
        "minimind2", vocab_size=97, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        num_experts=3,
    )  # fmt: skip
    model = build(shape)
    compiled = torch.compile(model, fullgraph=True)
    ids = torch.randint(0, 97, (2, 12), generator=torch.Generator().manual_seed(8))
    documents = torch.tensor([[1] * 12, [1] * 9 + [0] * 3])
    found = []
    for network in (model, compiled):
        model.zero_grad()
        hidden = network(ids, None, documents)
        routing = model.take_routing()
        assert routing is not None
        (hidden[documents > 0].square().sum() + routing.probability.square().sum()).backward()
        found.append([routing.chosen, *[parameter.grad for parameter in model.parameters()]])
    for got, wanted in zip(*found, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-5)
