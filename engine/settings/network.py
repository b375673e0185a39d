"""The network that settings ask for."""

from dataclasses import replace
from typing import Any, Literal

from engine.settings.settings import Settings
from engine.settings.shape import ModelShape, shape_of

_OVERRIDES = ("qk_norm", "norm_cast", "rms_norm_eps", "initializer")


def shape_from_settings(settings: Settings, vocab_size: int) -> ModelShape:
    """The shape of the network: the architecture's rules, then what the settings say otherwise than `auto`.

    Raises UserError when the numbers do not fit each other.
    """
    shape = shape_of(
        settings.architecture,
        vocab_size=vocab_size,
        hidden_size=settings.hidden_size,
        num_hidden_layers=settings.num_hidden_layers,
        num_attention_heads=settings.num_attention_heads,
        num_key_value_heads=settings.num_key_value_heads,
        head_dim=_unless_auto(settings.head_dim),
        intermediate_size=_unless_auto(settings.intermediate_size),
        rope_theta=settings.rope_theta,
        num_experts=settings.num_experts if settings.use_moe else 0,
        num_experts_per_tok=_unless_auto(settings.num_experts_per_tok),
        num_shared_experts=_unless_auto(settings.num_shared_experts),
        expert_size=_unless_auto(settings.moe_intermediate_size),
        norm_topk_prob=None if settings.norm_topk_prob == "auto" else settings.norm_topk_prob,
    )
    asked: dict[str, Any] = {name: getattr(settings, name) for name in _OVERRIDES}
    return replace(shape, **{name: value for name, value in asked.items() if value != "auto"})


def _unless_auto(value: Literal["auto"] | int) -> int | None:
    return None if value == "auto" else value
