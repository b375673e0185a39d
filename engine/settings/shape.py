"""The shape of a network: every number that fixes its tensors and its arithmetic. Imports no torch."""

import math
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self, get_args

from engine.errors import UserError
from engine.language import _

Architecture = Literal["minimind2", "minimind3"]
NormCast = Literal["before_weight", "after_weight"]
Initializer = Literal["linear", "normal"]

_MULTIPLE = 64  # both generations round the intermediate size up to a multiple of this
_COUNTS = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "intermediate_size",
    "max_position_embeddings",
)


def minimind2_intermediate_size(hidden_size: int) -> int:
    """Width of the feed-forward in MiniMind's second generation: 8/3 of the hidden size, up to a multiple of 64."""
    return _MULTIPLE * math.ceil(int(hidden_size * 8 / 3) / _MULTIPLE)


def minimind3_intermediate_size(hidden_size: int) -> int:
    """Width of the feed-forward in MiniMind's third generation: pi times the hidden size, up to a multiple of 64."""
    return _MULTIPLE * math.ceil(math.pi * hidden_size / _MULTIPLE)


@dataclass(frozen=True, slots=True)
class ModelShape:
    """What a network is built from. The defaults are MiniMind2-small, 25.8 M parameters.

    `norm_cast` says where RMSNorm returns to the input's dtype: `before_weight` multiplies the weight with the
    normalised value already cast, `after_weight` multiplies in fp32 and casts the product.
    `initializer` is `linear` (uniform in +-1/sqrt(fan_in)) or `normal` (mean 0, deviation 0.02).

    With `num_experts` above 0 the feed-forward is a mixture of so many routed experts, each `expert_size` wide inside:
    every token goes through the `num_experts_per_tok` that the router rates highest, their outputs weighted by its
    softmax (scaled to a sum of 1 with `norm_topk_prob`), and through all `num_shared_experts`, unweighted.

    Raises UserError when the numbers do not make a network.
    """

    vocab_size: int = 6400
    hidden_size: int = 512
    num_hidden_layers: int = 8
    num_attention_heads: int = 8
    num_key_value_heads: int = 2
    head_dim: int = 64
    intermediate_size: int = 1408
    rms_norm_eps: float = 1e-5
    rope_theta: float = 1e6
    qk_norm: bool = False
    norm_cast: NormCast = "before_weight"
    initializer: Initializer = "linear"
    max_position_embeddings: int = 32768
    num_experts: int = 0
    num_experts_per_tok: int = 0
    num_shared_experts: int = 0
    expert_size: int = 0
    norm_topk_prob: bool = False

    def __post_init__(self) -> None:
        for name in _COUNTS:
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise UserError(
                    _("{name} is {value}; it must be a whole number of at least 1.").format(name=name, value=value)
                )
        if self.num_experts:
            self._check_experts()
        if self.num_attention_heads % self.num_key_value_heads:
            raise UserError(
                _(
                    "num_attention_heads is {heads}, which num_key_value_heads {kv_heads} does not divide; "
                    "choose a divisor, for example {example}."
                ).format(
                    heads=self.num_attention_heads,
                    kv_heads=self.num_key_value_heads,
                    example=math.gcd(self.num_attention_heads, self.num_key_value_heads),
                )
            )
        if self.head_dim % 2:
            raise UserError(
                _("head_dim is {head_dim}; rotary positions need an even one.").format(head_dim=self.head_dim)
            )
        for name in ("rms_norm_eps", "rope_theta"):
            if not getattr(self, name) > 0:
                raise UserError(
                    _("{name} is {value}; it must be above 0.").format(name=name, value=getattr(self, name))
                )
        for name, choices in (("norm_cast", get_args(NormCast)), ("initializer", get_args(Initializer))):
            if getattr(self, name) not in choices:
                raise UserError(
                    _("{name} is {value}; it must be one of {choices}.").format(
                        name=name, value=getattr(self, name), choices=", ".join(choices)
                    )
                )

    def _check_experts(self) -> None:
        if self.num_experts < 2:
            raise UserError(
                _("num_experts is {value}; a mixture needs at least 2 experts.").format(value=self.num_experts)
            )
        if not 1 <= self.num_experts_per_tok <= self.num_experts:
            raise UserError(
                _(
                    "num_experts_per_tok is {chosen}, but each layer has {experts} experts: choose from 1 to "
                    "{experts}, or raise num_experts."
                ).format(chosen=self.num_experts_per_tok, experts=self.num_experts)
            )
        for name, value, least in (
            ("num_shared_experts", self.num_shared_experts, 0),
            ("moe_intermediate_size", self.expert_size, 1),
        ):
            if value < least:
                raise UserError(
                    _("{name} is {value}; it must be {least} or more.").format(name=name, value=value, least=least)
                )

    @property
    def query_size(self) -> int:
        """Width of all query heads together, H * D."""
        return self.num_attention_heads * self.head_dim

    @property
    def key_value_size(self) -> int:
        """Width of all key (or value) heads together."""
        return self.num_key_value_heads * self.head_dim

    def to_dict(self) -> dict[str, Any]:
        """Every field by name, ready for JSON or TOML."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The shape that `to_dict` wrote.

        Raises UserError naming the fields that a shape does not have.
        """
        known = {field.name for field in fields(cls)}
        unknown = sorted(values.keys() - known)
        if unknown:
            raise UserError(
                _("A model shape has no field named {names}; it has {known}.").format(
                    names=", ".join(unknown), known=", ".join(sorted(known))
                )
            )
        return cls(**values)


def shape_of(
    architecture: Architecture,
    *,
    vocab_size: int = 6400,
    hidden_size: int,
    num_hidden_layers: int,
    num_attention_heads: int = 8,
    num_key_value_heads: int | None = None,
    head_dim: int | None = None,
    intermediate_size: int | None = None,
    rope_theta: float = 1e6,
    max_position_embeddings: int = 32768,
    num_experts: int = 0,
    num_experts_per_tok: int | None = None,
    num_shared_experts: int | None = None,
    expert_size: int | None = None,
    norm_topk_prob: bool | None = None,
) -> ModelShape:
    """The shape a MiniMind generation gives to these sizes; what is None follows the generation's own rule.

    Without `num_experts` it is dense and the values after it do not count. Where a token goes through one expert only,
    the rule leaves its weight unscaled, other than MiniMind: scaled to 1 it would give the router no gradient.
    Raises UserError for an unknown architecture, or a hidden size that the heads do not divide.
    """
    if architecture not in get_args(Architecture):
        raise UserError(
            _("architecture is {value}; it must be one of {choices}.").format(
                value=architecture, choices=", ".join(get_args(Architecture))
            )
        )
    third = architecture == "minimind3"
    if head_dim is None:
        if num_attention_heads < 1 or hidden_size % num_attention_heads:
            raise UserError(
                _(
                    "hidden_size is {hidden_size}, which num_attention_heads {heads} does not divide; "
                    "change one of them, or set head_dim."
                ).format(hidden_size=hidden_size, heads=num_attention_heads)
            )
        head_dim = hidden_size // num_attention_heads
    rule = minimind3_intermediate_size if third else minimind2_intermediate_size
    width = rule(hidden_size) if intermediate_size is None else intermediate_size
    experts: dict[str, Any] = {}
    if num_experts:
        chosen = (1 if third else 2) if num_experts_per_tok is None else num_experts_per_tok
        experts = {
            "num_experts": num_experts,
            "num_experts_per_tok": chosen,
            "num_shared_experts": (0 if third else 1) if num_shared_experts is None else num_shared_experts,
            "expert_size": width if expert_size is None else expert_size,
            "norm_topk_prob": chosen > 1 if norm_topk_prob is None else norm_topk_prob,
        }
    return ModelShape(
        vocab_size=vocab_size,
        hidden_size=hidden_size,
        num_hidden_layers=num_hidden_layers,
        num_attention_heads=num_attention_heads,
        num_key_value_heads=(4 if third else 2) if num_key_value_heads is None else num_key_value_heads,
        head_dim=head_dim,
        intermediate_size=width,
        rms_norm_eps=1e-6 if third else 1e-5,
        rope_theta=rope_theta,
        qk_norm=third,
        norm_cast="after_weight" if third else "before_weight",
        initializer="normal" if third else "linear",
        max_position_embeddings=max_position_embeddings,
        **experts,
    )
