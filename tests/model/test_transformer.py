import math
import shutil

import pytest
import torch
from reference_models import FULL, SMALL, build, relative_error
from torch import Tensor
from torch.nn import functional as F

from engine.model.attention import Attention
from engine.model.kv_cache import KVCache
from engine.model.transformer import LanguageModel
from engine.settings.shape import ModelShape, shape_of
from engine.train.loss import linear_cross_entropy

# MiniMind's keys and shapes of block i, the guide's model and minimind-3.
MINIMIND2_BLOCK = {
    "self_attn.q_proj.weight": (512, 512),
    "self_attn.k_proj.weight": (128, 512),
    "self_attn.v_proj.weight": (128, 512),
    "self_attn.o_proj.weight": (512, 512),
    "mlp.gate_proj.weight": (1408, 512),
    "mlp.up_proj.weight": (1408, 512),
    "mlp.down_proj.weight": (512, 1408),
    "input_layernorm.weight": (512,),
    "post_attention_layernorm.weight": (512,),
}
MINIMIND3_BLOCK = {
    "self_attn.q_proj.weight": (768, 768),
    "self_attn.k_proj.weight": (384, 768),
    "self_attn.v_proj.weight": (384, 768),
    "self_attn.o_proj.weight": (768, 768),
    "self_attn.q_norm.weight": (96,),
    "self_attn.k_norm.weight": (96,),
    "mlp.gate_proj.weight": (2432, 768),
    "mlp.up_proj.weight": (2432, 768),
    "mlp.down_proj.weight": (768, 2432),
    "input_layernorm.weight": (768,),
    "post_attention_layernorm.weight": (768,),
}
TABLES = {"minimind2-small": (512, MINIMIND2_BLOCK, 75), "minimind3": (768, MINIMIND3_BLOCK, 91)}


@pytest.mark.parametrize("name", TABLES)
def test_state_dict_keys_and_shapes_are_minimind_s(name: str) -> None:
    width, block, tensors = TABLES[name]
    expected: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (6400, width),
        "model.norm.weight": (width,),
        "lm_head.weight": (6400, width),
    }
    for layer in range(8):
        expected |= {f"model.layers.{layer}.{key}": size for key, size in block.items()}
    model = LanguageModel(FULL[name])
    assert {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()} == expected
    assert len(expected) == tensors
    assert model.lm_head.weight is model.model.embed_tokens.weight


@pytest.mark.parametrize(
    ("shape", "parameters"),
    [
        (ModelShape(), 25_829_888),
        (shape_of("minimind2", hidden_size=512, num_hidden_layers=8), 25_829_888),
        (shape_of("minimind2", hidden_size=768, num_hidden_layers=16), 104_030_976),
        (shape_of("minimind3", hidden_size=768, num_hidden_layers=8), 63_912_192),
    ],
)
def test_parameter_counts(shape: ModelShape, parameters: int) -> None:
    assert sum(parameter.numel() for parameter in LanguageModel(shape).parameters()) == parameters


def test_linear_initialisation_starts_where_minimind_does() -> None:
    model = LanguageModel(ModelShape(), generator=torch.Generator().manual_seed(0))
    for name, tensor in model.state_dict().items():
        if "norm" in name:
            assert (tensor == 1).all(), name
        else:
            bound = 1 / math.sqrt(tensor.shape[1])
            assert 0.99 * bound < tensor.abs().max() <= bound, name
    ids = torch.randint(0, 6400, (4, 128), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        loss = F.cross_entropy(model.logits(model(ids))[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
    assert loss == pytest.approx(8.98, abs=0.1)


def test_normal_initialisation() -> None:
    model = LanguageModel(SMALL["minimind3"], generator=torch.Generator().manual_seed(0))
    matrices = torch.cat([each.detach().flatten() for name, each in model.named_parameters() if "norm" not in name])
    assert float(matrices.std()) == pytest.approx(0.02, rel=0.02)
    assert float(matrices.mean()) == pytest.approx(0, abs=5e-4)
    assert all((each == 1).all() for name, each in model.named_parameters() if "norm" in name)


def test_a_seed_fixes_the_weights_and_nothing_else_does() -> None:
    first, other, again = (
        LanguageModel(SMALL["minimind2"], generator=torch.Generator().manual_seed(seed)) for seed in (5, 6, 5)
    )
    same = [torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True)]
    differ = [torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True)]
    assert all(same) and sum(differ) == sum("norm" in name for name, _ in first.named_parameters())


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("cuts", [[1] * 20, [7, 1, 5, 7], [20], [3, 17]])
def test_the_cache_changes_no_hidden_state(name: str, cuts: list[int]) -> None:
    """Trap 28: a prefill of several tokens onto a filled cache needs a mask aligned to its end."""
    model = build(SMALL[name])
    ids = torch.randint(0, 97, (2, 20), generator=torch.Generator().manual_seed(1))
    cache = KVCache(model.shape, 2, 20, device="cpu", dtype=torch.float32)
    with torch.no_grad():
        whole = model(ids)
        parts = [model(part, cache=cache) for part in ids.split(cuts, dim=1)]
    assert cache.length == 20
    assert relative_error(torch.cat(parts, dim=1), whole) < 1e-5


def test_a_full_cache_refuses_more() -> None:
    model = build(SMALL["minimind2"])
    cache = KVCache(model.shape, 1, 4, device="cpu", dtype=torch.float32)
    with torch.no_grad():
        model(torch.ones(1, 4, dtype=torch.long), cache=cache)
        with pytest.raises(ValueError, match="do not fit"):
            model(torch.ones(1, 1, dtype=torch.long), cache=cache)


def test_a_position_sees_nothing_behind_it() -> None:
    model = build(SMALL["minimind3"])
    ids = torch.randint(0, 97, (1, 300), generator=torch.Generator().manual_seed(1))
    changed = ids.clone()
    changed[0, 200] = (ids[0, 200] + 1) % 97
    with torch.no_grad():
        before, after = model(ids), model(changed)
    assert torch.equal(before[:, :200], after[:, :200])
    assert not torch.allclose(before[:, 200:], after[:, 200:])


def gradients(model: torch.nn.Module, language: LanguageModel, documents: Tensor) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(0, 97, documents.shape, generator=generator)
    labels = torch.where(documents > 0, torch.randint(0, 97, documents.shape, generator=generator), -100)
    positions = torch.arange(documents.shape[1]).expand_as(documents)
    language.zero_grad()
    hidden = model(ids, positions, documents)
    linear_cross_entropy(hidden, language.lm_head.weight, labels).backward()
    return [hidden.detach()[documents > 0]] + [parameter.grad for parameter in language.parameters()]


def test_padding_makes_no_nan_even_in_a_row_of_nothing_else() -> None:
    documents = torch.tensor([[1, 1, 1, 2, 2, 0, 0, 0], [0] * 8])
    model = build(SMALL["minimind2"])
    assert all(torch.isfinite(each).all() for each in gradients(model, model, documents))


@pytest.mark.parametrize("name", SMALL)
def test_the_masked_path_of_accelerators_agrees_with_the_cpu_s(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    documents = torch.tensor([[1, 1, 1, 2, 2, 0, 0, 0], [1] * 8, [0] * 8])
    model = build(SMALL[name])
    ours = gradients(model, model, documents)
    plain = Attention.forward

    def masked(self: Attention, x: Tensor, by: object, mask: object, document_ids: Tensor, cache: object) -> Tensor:
        from engine.model.mask import document_mask

        return plain(self, x, by, document_mask(document_ids), None, cache)

    monkeypatch.setattr(Attention, "forward", masked)
    for got, wanted in zip(ours, gradients(model, model, documents), strict=True):
        assert relative_error(got, wanted) < 1e-5


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", SMALL)
def test_autocast_stays_near_full_precision_and_leaves_gradients_in_it(name: str, dtype: torch.dtype) -> None:
    documents = torch.tensor([[1, 1, 1, 2, 2, 2, 2, 0]])
    model = build(SMALL[name])
    exact = gradients(model, model, documents)
    with torch.autocast("cpu", dtype=dtype):
        low = gradients(model, model, documents)
    tolerance = 32 * torch.finfo(dtype).eps
    assert any(not torch.equal(got, wanted) for got, wanted in zip(low, exact, strict=True))
    for got, wanted in zip(low[1:], exact[1:], strict=True):
        assert got.dtype == torch.float32
        assert relative_error(got, wanted) < tolerance


@pytest.mark.parametrize(
    ("backend", "recompute"),
    [
        pytest.param(
            "inductor",
            False,
            marks=pytest.mark.skipif(not shutil.which("g++"), reason="compiling on the cpu needs a C++ compiler"),
        ),
        ("aot_eager", True),
    ],
)
def test_compiled_in_one_graph_agrees_with_eager(backend: str, recompute: bool) -> None:
    model = build(shape_of("minimind3", vocab_size=97, hidden_size=32, num_hidden_layers=1), recompute=recompute)
    documents = torch.tensor([[1, 1, 1, 2, 2, 0, 0, 0], [1] * 8])
    eager = gradients(model, model, documents)
    torch.compiler.reset()
    compiled = gradients(torch.compile(model, backend=backend, fullgraph=True), model, documents)  # type: ignore[arg-type]
    for got, wanted in zip(compiled, eager, strict=True):
        assert relative_error(got, wanted) < 1e-4
