"""The network: both MiniMind generations, under MiniMind's own state-dict keys."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from engine.model.attention import Attention
from engine.model.feed_forward import FeedForward, SwigluWeights, swiglu
from engine.model.fused_feed_forward import fused_feed_forward
from engine.model.initialise import initialise
from engine.model.kv_cache import KVCache
from engine.model.mask import document_mask
from engine.model.mixture import MixtureOfExperts
from engine.model.norm import RMSNorm
from engine.model.rope import Rotation, rotation
from engine.model.router import Routing
from engine.settings.shape import ModelShape


class Block(nn.Module):
    """Attention, then feed-forward, each on a normalised copy and added to the stream."""

    def __init__(self, shape: ModelShape, layer: int, recompute: bool) -> None:
        super().__init__()
        self.recompute = recompute
        self.input_layernorm = RMSNorm(shape.hidden_size, shape.rms_norm_eps, shape.norm_cast)
        self.self_attn = Attention(shape, layer)
        self.post_attention_layernorm = RMSNorm(shape.hidden_size, shape.rms_norm_eps, shape.norm_cast)
        self.mlp = MixtureOfExperts(shape, recompute) if shape.num_experts else FeedForward(shape)

    def forward(
        self,
        x: Tensor,
        by: Rotation,
        mask: Tensor | None = None,
        document_ids: Tensor | None = None,
        cache: KVCache | None = None,
        real: Tensor | None = None,
    ) -> tuple[Tensor, Routing | None]:
        """The stream `x` (B, T, C) after this block, see Attention.forward; and what its router did, if it has one.

        `real` (B, T) is False at padding, for the router.
        """
        x = x + self.self_attn(self.input_layernorm(x), by, mask, document_ids, cache)
        if isinstance(self.mlp, FeedForward):
            return self._feed_forward(x, self.mlp.weights), None
        mixed, routing = self.mlp(self.post_attention_layernorm(x), real)
        shared = self.mlp.shared_weights
        return (x if shared is None else self._feed_forward(x, shared)) + mixed, routing

    def _feed_forward(self, x: Tensor, weights: SwigluWeights) -> Tensor:
        """The stream with what a dense feed-forward adds to it."""
        if self.post_attention_layernorm.is_fused_for(x):
            keep = torch.is_grad_enabled() and not self.recompute
            return fused_feed_forward(x, self.post_attention_layernorm, weights, keep=keep)
        if self.recompute and torch.is_grad_enabled():
            return checkpoint(  # type: ignore[no-any-return]
                self._plain_feed_forward, x, weights, use_reentrant=False, preserve_rng_state=False
            )
        return self._plain_feed_forward(x, weights)

    def _plain_feed_forward(self, x: Tensor, weights: SwigluWeights) -> Tensor:
        return x + swiglu(self.post_attention_layernorm(x), weights)


class Decoder(nn.Module):
    """Embedding, blocks and final norm."""

    def __init__(self, shape: ModelShape, recompute: bool) -> None:
        super().__init__()
        self.shape = shape
        self.embed_tokens = nn.Embedding(shape.vocab_size, shape.hidden_size)
        self.layers = nn.ModuleList(Block(shape, layer, recompute) for layer in range(shape.num_hidden_layers))
        self.norm = RMSNorm(shape.hidden_size, shape.rms_norm_eps, shape.norm_cast)
        self.routing: Routing | None = None
        """What the routers did in the last training pass, until it is taken."""

    def forward(
        self,
        ids: Tensor,
        positions: Tensor | None = None,
        document_ids: Tensor | None = None,
        cache: KVCache | None = None,
    ) -> Tensor:
        """Hidden states (B, T, C); see LanguageModel.forward."""
        if cache is not None and document_ids is not None:
            raise ValueError("a cache holds one document a row; give document_ids or a cache, not both")
        if positions is None:
            seen = 0 if cache is None else cache.length
            positions = torch.arange(seen, seen + ids.shape[1], device=ids.device)[None]
        by = rotation(positions, self.shape.head_dim, self.shape.rope_theta)
        real = document_ids != 0 if self.shape.num_experts and document_ids is not None else None
        mask = None
        if cache is None and ids.device.type == "cpu":
            document_ids = torch.ones_like(ids) if document_ids is None else document_ids
        elif document_ids is not None:
            mask, document_ids = document_mask(document_ids), None
        x = self.embed_tokens(ids)  # (B, T, C)
        routings: list[Routing] = []
        for block in self.layers:
            x, routing = block(x, by, mask, document_ids, cache, real)
            if routing is not None:
                routings.append(routing)
        if routings:
            self.routing = Routing(*map(torch.stack, zip(*routings, strict=True)))
        if cache is not None:
            cache.advance(ids.shape[1])
        return self.norm(x)  # type: ignore[no-any-return]


class LanguageModel(nn.Module):
    """A decoder with its head, which shares the embedding's tensor.

    `generator` draws the initial weights (on the cpu); None takes torch's own. `recompute` trades time for memory:
    the backward pass computes the wide values inside each feed-forward again instead of keeping them.
    """

    def __init__(self, shape: ModelShape, *, recompute: bool = False, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.shape = shape
        with torch.device("meta"):  # each weight is drawn once, below
            self.model = Decoder(shape, recompute)
            self.lm_head = nn.Linear(shape.hidden_size, shape.vocab_size, bias=False)
        self.to_empty(device="cpu")
        self.lm_head.weight = self.model.embed_tokens.weight
        initialise(self, shape.initializer, generator)

    def forward(
        self,
        ids: Tensor,
        positions: Tensor | None = None,
        document_ids: Tensor | None = None,
        cache: KVCache | None = None,
    ) -> Tensor:
        """Hidden states (B, T, C) of token `ids` (B, T), ready for the head; a loss applies it in slices.

        `positions` (B, T) restart at 0 in every document; None counts each row from 0, or on from the cache.
        `document_ids` (B, T) keep the documents of packed rows apart, 0 being padding; None means one document a row
        (padding behind it does no harm). `cache` is read and extended, for generation.
        """
        return self.model(ids, positions, document_ids, cache)  # type: ignore[no-any-return]

    def take_routing(self) -> Routing | None:
        """What the routers of all layers did in the last pass in training mode, (L, B, ...), with its gradients.

        Given once, so that no graph outlives its update; None for a dense network.
        """
        routing, self.model.routing = self.model.routing, None
        return routing

    def logits(self, hidden: Tensor) -> Tensor:
        """The head's logits (..., V) for hidden states (..., C)."""
        return F.linear(hidden, self.lm_head.weight)
