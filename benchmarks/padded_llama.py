"""The loop to compare with: transformers' Llama on padded rows, trained as MiniMind's trainer does."""

from typing import Any

import transformers
from torch import Tensor
from torch.nn import functional as F

from engine.settings.shape import ModelShape


def build_llama(shape: ModelShape) -> Any:
    """transformers' LlamaForCausalLM of `shape`, with its own initial weights, attending through SDPA."""
    common: dict[str, Any] = {
        "vocab_size": shape.vocab_size,
        "hidden_size": shape.hidden_size,
        "num_hidden_layers": shape.num_hidden_layers,
        "num_attention_heads": shape.num_attention_heads,
        "num_key_value_heads": shape.num_key_value_heads,
        "intermediate_size": shape.intermediate_size,
        "rms_norm_eps": shape.rms_norm_eps,
        "max_position_embeddings": shape.max_position_embeddings,
        "tie_word_embeddings": True,
        "use_cache": False,
        "attn_implementation": "sdpa",
    }
    if int(transformers.__version__.split(".")[0]) >= 5:
        common["rope_parameters"] = {"rope_type": "default", "rope_theta": shape.rope_theta}
    else:
        common["rope_theta"] = shape.rope_theta
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**common)).train()


def padded_loss(model: Any, ids: Tensor, real: Tensor) -> Tensor:
    """The mean cross-entropy over the real positions (`real` is 1 there) of padded rows `ids` (B, T)."""
    logits = model(ids).logits[:, :-1]
    each = F.cross_entropy(logits.reshape(-1, logits.shape[-1]), ids[:, 1:].reshape(-1), reduction="none")
    weight = real[:, 1:].reshape(-1)
    return (each * weight).sum() / weight.sum()
