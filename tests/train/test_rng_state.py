import io
import random
from typing import Any

import numpy as np
import pytest
import torch

from engine.train.rng import capture_rng, derive_seed, isolated_rng, restore_rng, seed_everything


def draws() -> tuple[float, float, float, float, int]:
    """One draw of every kind, an odd number of Gaussians each so that cached halves count."""
    return (
        random.random(),
        random.gauss(0, 1),
        float(np.random.standard_normal()),
        float(torch.randn(())),
        int(torch.randint(2**40, ())),
    )


def through_weights_only(state: dict[str, Any]) -> dict[str, Any]:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    loaded: dict[str, Any] = torch.load(buffer, weights_only=True)
    return loaded


def test_one_seed_fixes_every_generator() -> None:
    seed_everything(7)
    first = draws()
    seed_everything(7)
    assert draws() == first
    seed_everything(8)
    assert not set(draws()) & set(first)


@pytest.mark.parametrize("seed", [-1, 0, 2**32 + 5, 2**63 - 1])
def test_any_seed_is_taken_and_fixes_what_is_drawn(seed: int) -> None:
    seed_everything(seed)
    first = draws()
    seed_everything(seed)
    assert draws() == first


def test_every_generator_goes_on_from_a_file_that_loads_with_weights_only() -> None:  # trap 61
    seed_everything(1)
    draws()
    saved = through_weights_only(capture_rng())
    expected = [draws() for _ in range(3)]
    seed_everything(2)
    assert restore_rng(saved) == ()
    assert [draws() for _ in range(3)] == expected


def test_capturing_draws_nothing() -> None:
    seed_everything(1)
    expected = draws()
    seed_everything(1)
    capture_rng()
    assert draws() == expected


def test_what_this_machine_cannot_restore_is_said() -> None:
    state = capture_rng()
    gpus = [torch.zeros(16, dtype=torch.uint8)] * (torch.cuda.device_count() + 1)
    notes = restore_rng({**state, "cuda": [*state["cuda"], gpus[0]]})
    assert len(notes) == 1 and "GPU" in notes[0]


def test_side_work_leaves_no_trace_and_repeats_itself() -> None:
    seed_everything(3)
    expected = [draws() for _ in range(2)]
    seed_everything(3)
    got = [draws()]
    with isolated_rng(11):
        inside = draws()
    got.append(draws())
    assert got == expected
    with isolated_rng(11):
        assert draws() == inside


def test_side_work_that_fails_leaves_no_trace_either() -> None:
    seed_everything(3)
    expected = draws()
    seed_everything(3)
    with pytest.raises(RuntimeError), isolated_rng(11):
        draws()
        raise RuntimeError
    assert draws() == expected


def test_derived_seeds_are_fixed_distinct_and_in_range() -> None:
    seeds = {derive_seed(1, "sample", step) for step in range(1000)} | {derive_seed(1, "validate", 1), derive_seed(2)}
    assert len(seeds) == 1002
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert derive_seed(1, "a", "b") != derive_seed(1, "ab")
    assert derive_seed(1337, "sample", 100) == 3284307851561453894
