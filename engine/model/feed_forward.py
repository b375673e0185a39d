"""SwiGLU: down(silu(gate(x)) * up(x))."""

from torch import Tensor, nn
from torch.nn import functional as F

from engine.settings.shape import ModelShape

SwigluWeights = tuple[Tensor, Tensor, Tensor]
"""gate (I, C), up (I, C), down (C, I)."""


def swiglu(x: Tensor, weights: SwigluWeights) -> Tensor:
    """`x` (..., C) through a feed-forward; (..., C)."""
    gate, up, down = weights
    return F.linear(F.silu(F.linear(x, gate)) * F.linear(x, up), down)


class FeedForward(nn.Module):
    """A feed-forward, `size` wide inside: the dense one of a block by default."""

    def __init__(self, shape: ModelShape, size: int | None = None) -> None:
        super().__init__()
        size = shape.intermediate_size if size is None else size
        self.gate_proj = nn.Linear(shape.hidden_size, size, bias=False)
        self.up_proj = nn.Linear(shape.hidden_size, size, bias=False)
        self.down_proj = nn.Linear(size, shape.hidden_size, bias=False)

    @property
    def weights(self) -> SwigluWeights:
        """Its three matrices."""
        return self.gate_proj.weight, self.up_proj.weight, self.down_proj.weight

    def forward(self, x: Tensor) -> Tensor:  # (B, T, C) -> (B, T, C)
        """The transformed `x`."""
        return swiglu(x, self.weights)
