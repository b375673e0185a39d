"""Continuing a text: with and without the cache, repeatable, and without touching other random state."""

import pytest
import torch

from engine.model.generation import generate
from engine.model.transformer import LanguageModel
from engine.settings.shape import shape_of


@pytest.fixture(scope="module", params=["minimind2", "minimind3"])
def model(request):
    shape = shape_of(request.param, vocab_size=97, hidden_size=32, num_hidden_layers=2, num_attention_heads=4)
    return LanguageModel(shape, generator=torch.Generator().manual_seed(5)).eval()


@pytest.mark.parametrize("prompt", [[1], [1, 5, 9, 33, 2, 8]])
def test_greedy_is_the_same_with_and_without_the_cache(model, prompt):
    with_cache, without = (
        list(generate(model, prompt, max_tokens=40, temperature=0, use_cache=use)) for use in (True, False)
    )
    assert with_cache == without and len(with_cache) == 40


def test_sampling_follows_its_seed(model):
    texts = [list(generate(model, [1, 7], max_tokens=20, temperature=1.5, seed=seed)) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def test_it_ends_before_eos(model):
    free = list(generate(model, [1], max_tokens=30, temperature=0))
    eos = free[3]
    assert list(generate(model, [1], max_tokens=30, temperature=0, eos_id=eos)) == free[: free.index(eos)]


def test_no_global_random_state_moves(model):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    list(generate(model, [1], max_tokens=5, temperature=1.0))
    assert torch.equal(before, torch.get_rng_state())


def test_an_empty_prompt_is_refused(model):
    with pytest.raises(ValueError, match="bos"):
        next(generate(model, [], max_tokens=1))
