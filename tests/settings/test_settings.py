"""One declaration per setting: complete, bilingual, bounded, and explained when it is wrong."""

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from engine.errors import UserError
from engine.settings.declaration import GROUPS, declarations
from engine.settings.network import shape_from_settings
from engine.settings.resolve import build_settings
from engine.settings.settings import SETTING_NAMES, Settings

GUIDE = {
    "epochs": 1,
    "batch_size": 32,
    "learning_rate": 5e-4,
    "max_seq_len": 512,
    "accumulation_steps": 8,
    "grad_clip": 1.0,
    "hidden_size": 512,
    "num_hidden_layers": 8,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "weight_decay": 0.01,
    "adam_beta1": 0.9,
    "adam_beta2": 0.999,
    "adam_eps": 1e-8,
    "save_interval": 100,
    "save_weight": "pretrain",
    "from_weight": "none",
    "use_moe": False,
    "use_wandb": False,
    "schedule": "cosine",
    "min_lr_ratio": 0.1,
    "warmup_steps": 0,
}


@pytest.mark.parametrize("name", SETTING_NAMES)
def test_every_setting_is_declared_in_full(name):
    declaration = declarations(Settings)[name]
    assert declaration.group in GROUPS
    assert declaration.english.rstrip().endswith(".") and len(declaration.english) > 10
    assert any("\u4e00" <= character <= "\u9fff" for character in declaration.chinese)
    assert declaration.help("zh") == declaration.chinese and declaration.help("en") == declaration.english


@pytest.mark.parametrize(("name", "value"), GUIDE.items())
def test_the_defaults_are_the_guide_s(name, value):
    assert getattr(Settings(), name) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("False", False), ("false", False), ("0", False), ("no", False), ("off", False), ("True", True), ("1", True)],
)
def test_false_is_false(text, value):  # trap 30
    assert build_settings({"pack": text}).pack is value
    assert build_settings({"qk_norm": text}).qk_norm is value


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("learning_rate", "-1", ["more than 0"]),
        ("learning_rate", "nan", ["finite"]),
        ("learning_rate", "fast", ["a number"]),
        ("batch_size", "0", ["1 or more"]),
        ("batch_size", "1.5", ["a whole number"]),
        ("use_wandb", "maybe", ["true or false"]),
        ("dtype", "int8", ["auto", "bf16", "fp16", "fp32"]),
        ("head_dim", "wide", ["auto", "a whole number"]),
        ("head_dim", "0", ["1 or more"]),
        ("time_budget", "soon", ["90s", "2h"]),
        ("deadline", "25:00", ["08:00"]),
        ("device", "gpu", ["cuda"]),
        ("save_weight", "../x", ["matches"]),
    ],
)
def test_a_wrong_value_is_named_with_its_place_and_what_was_expected(name, value, words):
    with pytest.raises(UserError) as error:
        build_settings({name: value}, places={name: f"--{name}"})
    message = str(error.value)
    assert message.startswith(f"{name} = {value} (--{name})")
    assert all(word in message for word in words)
    assert len(message.splitlines()) == 1


def test_every_mistake_is_told_at_once():
    with pytest.raises(UserError) as error:
        build_settings({"epochs": "x", "batch_size": -1})
    assert len(str(error.value).splitlines()) == 2


def test_an_unknown_setting_names_the_nearest():
    with pytest.raises(UserError, match=r"learning_rat .*Did you mean learning_rate"):
        build_settings({"learning_rat": 1})


@pytest.mark.parametrize(("architecture", "experts"), [("minimind2", (4, 2, 1, True)), ("minimind3", (4, 1, 0, False))])
def test_a_mixture_follows_its_generation(architecture, experts):
    settings = build_settings({"use_moe": "1", "architecture": architecture})
    shape = shape_from_settings(settings, 6400)
    found = (shape.num_experts, shape.num_experts_per_tok, shape.num_shared_experts, shape.norm_topk_prob)
    assert found == experts and shape.expert_size == shape.intermediate_size
    dense = shape_from_settings(build_settings({"use_moe": "0", "architecture": architecture, "num_experts": 8}), 6400)
    assert (dense.num_experts, dense.expert_size) == (0, 0)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"num_experts_per_tok": 5}, ["num_experts_per_tok is 5", "4 experts", "from 1 to 4"]),
        ({"num_experts": 2, "num_experts_per_tok": 3}, ["num_experts_per_tok is 3", "2 experts"]),
        ({"num_experts": 1}, ["num_experts = 1", "2 or more"]),
        ({"num_shared_experts": -1}, ["num_shared_experts = -1", "0 or more"]),
        ({"moe_intermediate_size": 0}, ["moe_intermediate_size = 0", "1 or more"]),
        ({"aux_loss": "entropy"}, ["aux_loss = entropy", "sequence", "batch"]),
        ({"aux_loss_coef": "-1"}, ["aux_loss_coef = -1", "0 or more"]),
    ],
)
def test_a_mixture_that_cannot_be_is_refused_in_one_message(values, words):
    with pytest.raises(UserError) as error:
        shape_from_settings(build_settings({"use_moe": True, **values}), 6400)
    assert len(str(error.value).splitlines()) == 1
    assert all(word in str(error.value) for word in words)


def test_later_layers_win():
    assert build_settings({"epochs": 2, "seed": 1}, {"epochs": "5"}).epochs == 5


@hypothesis_settings(max_examples=200, deadline=None)
@given(st.sampled_from(SETTING_NAMES), st.one_of(st.text(max_size=20), st.integers(), st.floats(), st.none()))
def test_any_value_gives_settings_or_one_clear_error(name, value):
    try:
        build_settings({name: value})
    except UserError as error:
        assert name in str(error)
