import subprocess
import sys

import pytest

from engine.errors import UserError
from engine.settings.shape import ModelShape, minimind2_intermediate_size, minimind3_intermediate_size, shape_of


@pytest.mark.parametrize(
    ("hidden", "second", "third"), [(512, 1408, 1664), (640, 1728, 2048), (768, 2048, 2432), (64, 192, 256)]
)
def test_intermediate_sizes(hidden: int, second: int, third: int) -> None:
    assert minimind2_intermediate_size(hidden) == second
    assert minimind3_intermediate_size(hidden) == third


def test_the_default_is_the_guide_s_model() -> None:
    assert shape_of("minimind2", hidden_size=512, num_hidden_layers=8) == ModelShape()


def test_the_third_generation() -> None:
    assert shape_of("minimind3", hidden_size=768, num_hidden_layers=8) == ModelShape(
        hidden_size=768,
        num_key_value_heads=4,
        head_dim=96,
        intermediate_size=2432,
        rms_norm_eps=1e-6,
        qk_norm=True,
        norm_cast="after_weight",
        initializer="normal",
    )


def test_a_shape_survives_its_dictionary() -> None:
    shape = shape_of("minimind3", hidden_size=256, num_hidden_layers=3, head_dim=16)
    assert ModelShape.from_dict(shape.to_dict()) == shape


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"num_key_value_heads": 3}, ["num_key_value_heads 3", "num_attention_heads is 8"]),
        ({"head_dim": 63}, ["head_dim is 63", "even"]),
        ({"vocab_size": 0}, ["vocab_size is 0"]),
        ({"hidden_size": 5.5}, ["hidden_size is 5.5"]),
        ({"num_hidden_layers": True}, ["num_hidden_layers is True"]),
        ({"rope_theta": 0.0}, ["rope_theta is 0.0", "above 0"]),
        ({"rms_norm_eps": float("nan")}, ["rms_norm_eps is nan"]),
        ({"norm_cast": "never"}, ["norm_cast is never", "before_weight, after_weight"]),
        ({"initializer": "zeros"}, ["initializer is zeros", "linear, normal"]),
    ],
)
def test_impossible_shapes_are_refused_by_name(change: dict[str, object], names: list[str]) -> None:
    with pytest.raises(UserError) as refused:
        ModelShape(**change)  # type: ignore[arg-type]
    assert all(name in str(refused.value) for name in names)


def test_heads_must_divide_the_hidden_size_unless_their_width_is_given() -> None:
    with pytest.raises(UserError, match="hidden_size is 500, which num_attention_heads 8 does not divide"):
        shape_of("minimind2", hidden_size=500, num_hidden_layers=1)
    assert shape_of("minimind2", hidden_size=500, num_hidden_layers=1, head_dim=64).query_size == 512


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UserError, match="minimind2, minimind3"):
        shape_of("minimind4", hidden_size=64, num_hidden_layers=1)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="no field named experts"):
        ModelShape.from_dict(ModelShape().to_dict() | {"experts": 4})


@pytest.mark.parametrize("module", ["engine.settings.shape", "engine.estimate"])
def test_shapes_and_estimates_need_no_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
