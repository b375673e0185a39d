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

    def __post_init__(self) -> None:
        for name in _COUNTS:
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise UserError(
                    _("{name} is {value}; it must be a whole number of at least 1.").format(name=name, value=value)
                )
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
) -> ModelShape:
    """The shape a MiniMind generation gives to these sizes; what is None follows the generation's own rule.

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
    return ModelShape(
        vocab_size=vocab_size,
        hidden_size=hidden_size,
        num_hidden_layers=num_hidden_layers,
        num_attention_heads=num_attention_heads,
        num_key_value_heads=(4 if third else 2) if num_key_value_heads is None else num_key_value_heads,
        head_dim=head_dim,
        intermediate_size=rule(hidden_size) if intermediate_size is None else intermediate_size,
        rms_norm_eps=1e-6 if third else 1e-5,
        rope_theta=rope_theta,
        qk_norm=third,
        norm_cast="after_weight" if third else "before_weight",
        initializer="normal" if third else "linear",
        max_position_embeddings=max_position_embeddings,
    )
