"""Choosing the next token: temperature, top-k, top-p."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model.sampling import choose_token


def draws(logits: list[float], count: int = 400, **how: object) -> set[int]:
    options = {"temperature": 1.0, "top_k": 0, "top_p": 1.0} | how
    generator = torch.Generator().manual_seed(0)
    rows = torch.tensor([logits]).expand(count, -1)
    return set(choose_token(rows, generator=generator, **options).flatten().tolist())  # type: ignore[arg-type]


def test_temperature_zero_is_greedy():
    assert draws([0.0, 3.0, 2.9], temperature=0) == {1}


def test_top_k_keeps_exactly_the_likeliest():
    assert draws([0.0, 3.0, 2.9, 2.8], top_k=2) == {1, 2}
    assert draws([0.0, 3.0, 2.9, 2.8], top_k=99) == {0, 1, 2, 3}


def test_top_p_keeps_the_fewest_that_hold_the_probability():
    probabilities = torch.tensor([0.5, 0.3, 0.15, 0.05])
    logits = probabilities.log().tolist()
    assert draws(logits, top_p=0.5) == {0}
    assert draws(logits, top_p=0.6) == {0, 1}
    assert draws(logits, top_p=0.79) == {0, 1}
    assert draws(logits, top_p=0.9) == {0, 1, 2}


def test_a_tiny_top_p_still_leaves_the_likeliest():
    assert draws([0.0, 5.0, 1.0], top_p=1e-9) == {1}


def test_the_same_seed_draws_the_same():
    logits = torch.randn(1, 50, generator=torch.Generator().manual_seed(1))
    picks = [
        choose_token(logits, temperature=1.0, top_k=0, top_p=1.0, generator=torch.Generator().manual_seed(seed)).item()
        for seed in (7, 7, 8, 9, 10, 11)
    ]
    assert picks[0] == picks[1] and len(set(picks)) > 1


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.floats(-20, 20), min_size=1, max_size=30),
    st.integers(0, 40),
    st.floats(0.01, 1.0),
    st.sampled_from([0.0, 0.1, 1.0, 5.0]),
)
def test_any_options_draw_a_token_among_the_top_k(logits, top_k, top_p, temperature):
    picked = choose_token(
        torch.tensor([logits]), temperature=temperature, top_k=top_k, top_p=top_p, generator=torch.Generator()
    ).item()
    better = sum(value > logits[int(picked)] for value in logits)
    assert better < (top_k or len(logits))


def test_low_temperature_sharpens():
    hot = draws([1.0, 0.5, 0.0], temperature=5.0)
    cold = draws([1.0, 0.5, 0.0], temperature=0.05)
    assert cold == {0} and hot == {0, 1, 2}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_half_precision_logits_are_drawn_in_fp32(dtype):
    rows = torch.zeros(4, 6400, dtype=dtype)
    ids = choose_token(rows, temperature=1.0, top_k=0, top_p=0.9, generator=torch.Generator().manual_seed(3))
    assert ids.shape == (4, 1) and ids.dtype == torch.int64
