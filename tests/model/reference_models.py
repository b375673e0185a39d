"""Independent networks of the same shape, built by transformers, to compare ours with."""

from typing import Any

import torch
import transformers
from torch import Tensor

from engine.model.transformer import LanguageModel
from engine.settings.shape import ModelShape, shape_of

# Small, but with every ratio that matters: several query heads a key head, a head width that is not hidden / heads.
SMALL = {
    "minimind2": shape_of(
        "minimind2", vocab_size=97, hidden_size=48, num_hidden_layers=3, num_attention_heads=4, intermediate_size=80
    ),
    "minimind3": shape_of(
        "minimind3", vocab_size=97, hidden_size=48, num_hidden_layers=3, head_dim=16, intermediate_size=80
    ),
}
MIXTURES = {
    name: shape_of(
        "minimind3", vocab_size=97, hidden_size=48, num_hidden_layers=2, head_dim=16, intermediate_size=40,
        num_experts=experts, num_experts_per_tok=chosen, num_shared_experts=0, norm_topk_prob=scaled,
    )
    for name, experts, chosen, scaled in (
        ("minimind3-moe", 4, 1, False),
        ("as MiniMind scales", 4, 1, True),
        ("top-2", 4, 2, True),
        ("many", 12, 3, False),
    )
}  # fmt: skip
FULL = {
    "minimind2-small": shape_of("minimind2", hidden_size=512, num_hidden_layers=8),
    "minimind3": shape_of("minimind3", hidden_size=768, num_hidden_layers=8),
}


def reference(shape: ModelShape, attention: str = "sdpa") -> Any:
    """transformers' model of `shape`: Qwen3-MoE with experts, Qwen3 where queries are normalised, else Llama."""
    common: dict[str, Any] = {
        "vocab_size": shape.vocab_size,
        "hidden_size": shape.hidden_size,
        "num_hidden_layers": shape.num_hidden_layers,
        "num_attention_heads": shape.num_attention_heads,
        "num_key_value_heads": shape.num_key_value_heads,
        "head_dim": shape.head_dim,
        "intermediate_size": shape.intermediate_size,
        "rms_norm_eps": shape.rms_norm_eps,
        "max_position_embeddings": shape.max_position_embeddings,
        "tie_word_embeddings": True,
        "attention_bias": False,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": None,
        "attn_implementation": attention,
    }
    if int(transformers.__version__.split(".")[0]) >= 5:
        common["rope_parameters"] = {"rope_type": "default", "rope_theta": shape.rope_theta}
    else:
        common["rope_theta"] = shape.rope_theta
    if shape.num_experts:
        common |= {
            "experts_implementation": "eager",
            "num_experts": shape.num_experts,
            "num_experts_per_tok": shape.num_experts_per_tok,
            "moe_intermediate_size": shape.expert_size,
            "norm_topk_prob": shape.norm_topk_prob,
            "decoder_sparse_step": 1,
            "mlp_only_layers": [],
        }
        return transformers.Qwen3MoeForCausalLM(transformers.Qwen3MoeConfig(**common))
    if shape.qk_norm:
        return transformers.Qwen3ForCausalLM(transformers.Qwen3Config(**common))
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**common))


def twin(model: LanguageModel) -> Any:
    """The reference network with the weights of `model`, loaded strictly by name."""
    other = reference(model.shape)
    other.load_state_dict(their_names(model.state_dict(), set(other.state_dict())), strict=True)
    return other.train()


def their_names(tensors: dict[str, Tensor], wanted: set[str]) -> dict[str, Tensor]:
    """Our tensors as the reference has them: since transformers 5 experts are stacked, gate above up."""
    renamed = {name: tensor for name, tensor in tensors.items() if name in wanted}
    for name in wanted - renamed.keys():
        layer, _, kind = name.rpartition(".")  # model.layers.0.mlp.experts, gate_up_proj or down_proj
        count = sum(key.startswith(layer + ".") and key.endswith("up_proj.weight") for key in tensors)
        parts = ("gate_proj", "up_proj") if kind == "gate_up_proj" else (kind,)
        renamed[name] = torch.stack(
            [torch.cat([tensors[f"{layer}.{expert}.{part}.weight"] for part in parts]) for expert in range(count)]
        )
    return renamed


def build(shape: ModelShape, seed: int = 0, recompute: bool = False) -> LanguageModel:
    """A network with norms that are not all 1, so that a misplaced norm weight shows."""
    generator = torch.Generator().manual_seed(seed)
    model = LanguageModel(shape, recompute=recompute, generator=generator)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.add_(torch.rand(parameter.shape, generator=generator) - 0.5)
    return model


def relative_error(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference, over the largest value of the expected tensor."""
    return float((ours - theirs).detach().abs().max() / theirs.detach().abs().max())
