"""Continuing a text token by token."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch

from engine.model.kv_cache import KVCache
from engine.model.sampling import choose_token
from engine.model.transformer import LanguageModel


class WrittenToken(NamedTuple):
    """A token, and the natural logarithm of the probability the model gave it: of all V, at temperature 1."""

    id: int
    log_probability: float


def generate(
    model: LanguageModel,
    prompt: Sequence[int],
    *,
    max_tokens: int,
    eos_id: int | None = None,
    temperature: float = 0.8,
    top_k: int = 0,
    top_p: float = 0.9,
    seed: int = 0,
    use_cache: bool = True,
) -> Iterator[int]:
    """The tokens that follow `prompt`, one at a time, up to and without `eos_id`.

    Draws from a generator of its own (`seed`), so no other random state moves. Without the cache every token costs a
    pass over the whole text; the tokens are the same. Raises ValueError for an empty prompt.
    """
    for token in generate_scored(
        model,
        prompt,
        max_tokens=max_tokens,
        eos_id=eos_id,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        seed=seed,
        use_cache=use_cache,
    ):
        yield token.id


@torch.no_grad()
def generate_scored(
    model: LanguageModel,
    prompt: Sequence[int],
    *,
    max_tokens: int,
    eos_id: int | None = None,
    temperature: float = 0.8,
    top_k: int = 0,
    top_p: float = 0.9,
    seed: int = 0,
    use_cache: bool = True,
) -> Iterator[WrittenToken]:
    """As `generate`, each token with its log-probability."""
    if not prompt:
        raise ValueError("a prompt needs at least one token (bos)")
    weight = model.lm_head.weight
    generator = torch.Generator(device=weight.device).manual_seed(seed)
    cache = None
    if use_cache:
        capacity = len(prompt) + max_tokens
        cache = KVCache(model.shape, 1, capacity, device=weight.device, dtype=weight.dtype)
    text = torch.tensor([list(prompt)], device=weight.device)  # (1, T)
    unseen = text
    for _step in range(max_tokens):
        hidden = model(unseen, cache=cache)  # (1, T, C)
        logits = model.logits(hidden[:, -1])  # (1, V)
        token = choose_token(logits, temperature=temperature, top_k=top_k, top_p=top_p, generator=generator)
        if (token_id := int(token)) == eos_id:
            return
        yield WrittenToken(token_id, float(logits.float().log_softmax(dim=-1)[0, token_id]))
        text = text if cache else torch.cat((text, token), dim=1)
        unseen = token if cache else text
