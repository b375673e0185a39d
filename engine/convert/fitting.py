"""Weights and shapes: which shape a file belongs to, and whether it fits the network it is meant for."""

import json

import torch

from engine.convert.names import EMBEDDING, expert_counts, layer_count, weights_of
from engine.convert.reading import Weights
from engine.errors import UserError
from engine.estimate.size import parameters
from engine.language import _
from engine.model.transformer import LanguageModel
from engine.settings.shape import ModelShape, shape_of

_HEADS = 8  # of every MiniMind model; the tensors alone do not tell when queries are not normalised
_LISTED = 5  # tensor names that a message lists


def infer_shape(weights: Weights, num_attention_heads: int | None = None) -> ModelShape:
    """The shape of the network that `weights` were taken from.

    It is read from the file's own description where our engine wrote one, else from names and sizes of the tensors:
    normalised queries mean MiniMind's third generation. Where sizes leave the number of heads open it is
    `num_attention_heads`, by default 8. How many experts a token goes through no tensor tells: it is the generation's
    number, their weights scaled to a sum of 1 as MiniMind does, also where it is one.

    Raises UserError when no shape explains the tensors. So the network of the shape is as large as the file, whatever
    the file says of itself.
    """
    if "shape" in weights.metadata:
        return _described(weights)
    tensors = weights.tensors
    routed, shared = expert_counts(tensors)
    block = "model.layers.0."
    _refuse_gaps(weights)
    try:
        vocab_size, hidden_size = tensors[EMBEDDING].shape
        query_size = tensors[block + "self_attn.q_proj.weight"].shape[0]
        key_value_size = tensors[block + "self_attn.k_proj.weight"].shape[0]
        gate = "mlp.experts.0.gate_proj.weight" if routed else "mlp.gate_proj.weight"
        intermediate_size = tensors[block + gate].shape[0]
    except (ValueError, IndexError) as error:
        raise UserError(
            _("{path}: its tensors have not the dimensions of a model").format(path=weights.path)
        ) from error
    except KeyError as error:
        raise UserError(
            _("{path} has no tensor named {name}: it is not a model of the MiniMind kind").format(
                path=weights.path, name=error.args[0]
            )
        ) from error
    norm = tensors.get(block + "self_attn.q_norm.weight")
    head_dim = norm.shape[0] if norm is not None else query_size // (num_attention_heads or _HEADS)
    if not head_dim or query_size % head_dim or key_value_size % head_dim:
        raise UserError(
            _(
                "{path}: {heads} attention heads do not explain queries of width {query_size} and keys of width "
                "{key_value_size}; give the right num_attention_heads"
            ).format(
                path=weights.path,
                heads=num_attention_heads or _HEADS,
                query_size=query_size,
                key_value_size=key_value_size,
            )
        )
    return shape_of(
        "minimind2" if norm is None else "minimind3",
        vocab_size=vocab_size,
        hidden_size=hidden_size,
        num_hidden_layers=layer_count(tensors),
        num_attention_heads=query_size // head_dim,
        num_key_value_heads=key_value_size // head_dim,
        head_dim=head_dim,
        intermediate_size=intermediate_size,
        num_experts=routed,
        num_shared_experts=shared,
        norm_topk_prob=True,
    )


def _described(weights: Weights) -> ModelShape:
    """The shape a file describes, if its tensors are of that size; a file without tensors is believed."""
    try:
        shape = ModelShape.from_dict(json.loads(weights.metadata["shape"]))
        numbers = parameters(shape)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(_("{path}: what it says of its shape makes no sense").format(path=weights.path)) from error
    there = sum(tensor.numel() for tensor in weights.tensors.values())
    if weights.tensors and there != numbers:
        raise UserError(
            _("{path} says that it is a model of {claimed} parameters, and holds {there}").format(
                path=weights.path, claimed=f"{numbers:,}", there=f"{there:,}"
            )
        )
    return shape


def _refuse_gaps(weights: Weights) -> None:
    """Raise UserError where tensors are numbered beyond the layers there are: a network of so many would be built."""
    layers = layer_count(weights.tensors)
    if layers > len(weights.tensors):
        raise UserError(
            _("{path} names layer {layer} and has {n} tensors: layers are missing").format(
                path=weights.path, layer=layers - 1, n=len(weights.tensors)
            )
        )


def load_weights(model: LanguageModel, weights: Weights) -> None:
    """Copy `weights` into `model`, every tensor of both accounted for; the head follows the embedding.

    Raises UserError naming the settings that differ when they do not fit; `model` is then unchanged.
    """
    own = weights_of(model)
    wanted = {name: tensor.shape for name, tensor in own.items()}
    given = {name: tensor.shape for name, tensor in weights.tensors.items()}
    if wanted != given:
        raise UserError(
            _("The weights in {path} do not fit this model: {reasons}").format(
                path=weights.path, reasons="; ".join(_differences(model, weights))
            )
        )
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(weights.tensors[name])


def _differences(model: LanguageModel, weights: Weights) -> list[str]:
    """Why `weights` do not fit, as settings where they explain it, else as tensors."""
    shape = model.shape
    wanted = {name: tuple(tensor.shape) for name, tensor in weights_of(model).items()}
    given = {name: tuple(tensor.shape) for name, tensor in weights.tensors.items()}
    reasons = []

    def compare(setting: str, here: object, there: object) -> None:
        if here != there:
            reasons.append(
                _("{setting} is {here} here and {there} in the file").format(setting=setting, here=here, there=there)
            )

    block = "model.layers.0."
    for setting, here, there in zip(("vocab_size", "hidden_size"), wanted[EMBEDDING], given[EMBEDDING], strict=False):
        compare(setting, here, there)
    compare("num_hidden_layers", shape.num_hidden_layers, layer_count(weights.tensors))
    compare("qk_norm", shape.qk_norm, block + "self_attn.q_norm.weight" in given)
    routed, shared = expert_counts(given)
    compare("use_moe", bool(shape.num_experts), bool(routed))
    if shape.num_experts and routed:
        compare("num_experts", shape.num_experts, routed)
        compare("num_shared_experts", shape.num_shared_experts, shared)
    for setting, projection, size in (
        ("intermediate_size", "mlp.gate_proj.weight", shape.intermediate_size),
        ("moe_intermediate_size", "mlp.experts.0.gate_proj.weight", shape.expert_size),
        ("num_attention_heads * head_dim", "self_attn.q_proj.weight", shape.query_size),
        ("num_key_value_heads * head_dim", "self_attn.k_proj.weight", shape.key_value_size),
    ):
        if given.get(block + projection):
            compare(setting, size, given[block + projection][0])
    if reasons:
        return reasons
    for label, names in (
        (_("missing: {names}"), sorted(wanted.keys() - given.keys())),
        (_("not of this model: {names}"), sorted(given.keys() - wanted.keys())),
        (
            _("of another size: {names}"),
            sorted(name for name in wanted.keys() & given.keys() if wanted[name] != given[name]),
        ),
    ):
        if names:
            rest = len(names) - _LISTED
            listed = ", ".join(names[:_LISTED]) + (_(" and {n} more").format(n=rest) if rest > 0 else "")
            reasons.append(label.format(names=listed))
    return reasons
