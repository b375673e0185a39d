"""What keeps a resumed run exact, and the words when something changed."""

import pytest
import torch

from engine.train.exactness import surroundings, why_inexact


def around(**changes):
    values = {
        "device": torch.device("cpu"),
        "dtype": "fp32",
        "compiled": False,
        "deterministic": True,
        "recompute": False,
        "batch_size": 4,
        "accumulation_steps": 2,
        "world_size": 1,
    }
    return surroundings(**{**values, **changes})


def test_the_same_surroundings_are_exact():
    assert why_inexact(around(), around()) == []


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"dtype": "bf16"}, "precision"),
        ({"recompute": True}, "recomputation"),
        ({"batch_size": 8}, "micro-batch"),
        ({"accumulation_steps": 1}, "accumulation"),
        ({"world_size": 2}, "processes"),
    ],
)
def test_each_change_is_a_reason_that_names_before_and_after(change, word):
    (reason,) = why_inexact(around(), around(**change))
    assert word in reason
    assert str(next(iter(change.values()))) in reason


def test_another_thread_count_or_torch_is_a_reason():
    saved = around()
    assert any("threads" in reason for reason in why_inexact(saved | {"threads": 99}, around()))
    assert any("torch" in reason for reason in why_inexact(saved | {"torch": "1.0"}, around()))


def test_compiled_or_undetermined_code_is_never_called_exact():
    assert why_inexact(around(compiled=True), around(compiled=True))
    assert why_inexact(around(deterministic=False), around(deterministic=False))


def test_surroundings_load_with_weights_only(tmp_path):
    torch.save(around(), tmp_path / "x.pth")
    assert torch.load(tmp_path / "x.pth", weights_only=True) == around()
