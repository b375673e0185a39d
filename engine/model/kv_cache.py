"""Keys and values of the positions a generation has already seen."""

import torch
from torch import Tensor

from engine.settings.shape import ModelShape


class KVCache:
    """Room for `capacity` positions of `batch` sequences of equal length, in every layer.

    `length` positions are filled. A forward pass over T new positions writes them behind these, layer by layer, and
    calls `advance(T)` once at its end.
    """

    def __init__(
        self, shape: ModelShape, batch: int, capacity: int, *, device: torch.device | str, dtype: torch.dtype
    ) -> None:
        size = (shape.num_hidden_layers, batch, shape.num_key_value_heads, capacity, shape.head_dim)
        self._keys = torch.zeros(size, device=device, dtype=dtype)
        self._values = torch.zeros(size, device=device, dtype=dtype)
        self.capacity = capacity
        self.length = 0

    def extend(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Store new keys and values (B, H, T, D) of `layer`; returns all of them, (B, H, length + T, D).

        Raises ValueError when they do not fit.
        """
        end = self.length + key.shape[2]
        if end > self.capacity:
            raise ValueError(f"{end} positions do not fit into a cache of {self.capacity}")
        self._keys[layer, :, :, self.length : end] = key
        self._values[layer, :, :, self.length : end] = value
        return self._keys[layer, :, :, :end], self._values[layer, :, :, :end]

    def advance(self, positions: int) -> None:
        """Count `positions` more as seen."""
        self.length += positions
