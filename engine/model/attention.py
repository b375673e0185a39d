"""Causal self-attention with grouped key-value heads and rotary positions."""

from torch import Tensor, nn
from torch.nn import functional as F

from engine.model.kv_cache import KVCache
from engine.model.mask import cached_mask
from engine.model.norm import RMSNorm
from engine.model.packed_attention import packed_attention
from engine.model.rope import Rotation, rotate
from engine.settings.shape import ModelShape


class Attention(nn.Module):
    """The attention of block `layer`."""

    def __init__(self, shape: ModelShape, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.head_dim = shape.head_dim
        self.grouped = shape.num_key_value_heads != shape.num_attention_heads
        self.q_proj = nn.Linear(shape.hidden_size, shape.query_size, bias=False)
        self.k_proj = nn.Linear(shape.hidden_size, shape.key_value_size, bias=False)
        self.v_proj = nn.Linear(shape.hidden_size, shape.key_value_size, bias=False)
        self.o_proj = nn.Linear(shape.query_size, shape.hidden_size, bias=False)
        if shape.qk_norm:
            self.q_norm = RMSNorm(shape.head_dim, shape.rms_norm_eps, shape.norm_cast)
            self.k_norm = RMSNorm(shape.head_dim, shape.rms_norm_eps, shape.norm_cast)
        self.qk_norm = shape.qk_norm

    def forward(
        self,
        x: Tensor,
        by: Rotation,
        mask: Tensor | None = None,
        document_ids: Tensor | None = None,
        cache: KVCache | None = None,
    ) -> Tensor:
        """Mix the positions of `x` (B, T, C), each with those before it.

        `document_ids` (B, T) or `mask` (B, 1, T, T) say how far back it may look, at most one of them given; `cache`
        holds what came before `x`.
        """
        query = self.q_proj(x).unflatten(-1, (-1, self.head_dim))  # (B, T, H, D)
        key = self.k_proj(x).unflatten(-1, (-1, self.head_dim))  # (B, T, H_kv, D)
        value = self.v_proj(x).unflatten(-1, (-1, self.head_dim))
        if self.qk_norm:
            query, key = self.q_norm(query), self.k_norm(key)
        query, key = rotate(query, by).type_as(value), rotate(key, by).type_as(value)
        if document_ids is not None:
            return self.o_proj(packed_attention(query, key, value, document_ids).flatten(2))  # type: ignore[no-any-return]
        query, key, value = (each.transpose(1, 2) for each in (query, key, value))  # (B, H, T, D)
        causal = mask is None
        if cache is not None:
            seen = cache.length
            key, value = (each.type_as(query) for each in cache.extend(self.layer, key, value))
            if seen:
                mask, causal = cached_mask(query.shape[2], seen, x.device), False
        mixed = F.scaled_dot_product_attention(query, key, value, mask, is_causal=causal, enable_gqa=self.grouped)
        return self.o_proj(mixed.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]
