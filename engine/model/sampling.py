"""Choosing the next token from the model's logits."""

import torch
from torch import Tensor


def choose_token(
    logits: Tensor, *, temperature: float, top_k: int, top_p: float, generator: torch.Generator | None
) -> Tensor:
    """Draw one token id for each row of `logits` (B, V); returns (B, 1).

    temperature 0 takes the likeliest token. top_k keeps that many likeliest tokens (0: all), then top_p keeps the
    fewest likeliest ones that together hold that probability (nucleus sampling, Holtzman et al. 2020).
    """
    if temperature == 0:
        return logits.argmax(dim=-1, keepdim=True)
    logits = logits.float() / temperature
    if 0 < top_k < logits.size(-1):
        kth = logits.topk(top_k, dim=-1).values[:, -1:]
        logits = logits.masked_fill(logits < kth, float("-inf"))
    if top_p < 1:
        ordered, order = logits.sort(dim=-1, descending=True, stable=True)
        probabilities = ordered.softmax(dim=-1)
        # A token goes when those before it already hold top_p; so the likeliest one always stays.
        gone = probabilities.cumsum(dim=-1) - probabilities >= top_p
        logits = logits.masked_fill(gone.scatter(-1, order, gone), float("-inf"))
    return torch.multinomial(logits.softmax(dim=-1), 1, generator=generator)
