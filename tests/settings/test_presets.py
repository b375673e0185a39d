"""Presets: what is shipped, what they cost in parameters, and how their mistakes are told."""

import pytest

from engine.errors import UserError
from engine.estimate.size import active_parameters, parameters
from engine.settings.network import shape_from_settings
from engine.settings.presets import DEFAULT_PRESET, load_preset, preset_paths, read_preset
from engine.settings.run_toml import parse_settings, render_settings
from engine.settings.settings import SETTING_NAMES

MIXTURES = [
    ("full-moe", 95_052_288, 60_449_280),
    ("minimind2-moe", 145_029_760, 91_945_600),
    ("minimind3-moe", 198_416_640, 63_936_768),
    ("mini-moe", 2_564_000, 2_072_480),
]


@pytest.fixture(autouse=True)
def workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "presets").mkdir()
    return tmp_path


def test_the_shipped_presets_are_there_and_valid():
    assert {"mini", "full", "minimind2", "minimind3"} <= set(preset_paths())
    assert {"mini-moe", "full-moe", "minimind2-moe", "minimind3-moe"} <= set(preset_paths())
    for name in preset_paths():
        preset = load_preset(name)
        assert preset.settings() and preset.english and preset.chinese


@pytest.mark.parametrize(("name", "total", "active"), MIXTURES)
def test_mixtures_are_of_minimind_s_sizes(name, total, active):
    shape = shape_from_settings(load_preset(name).settings(), 6400)
    assert (parameters(shape), active_parameters(shape)) == (total, active)


def test_full_is_the_guide_s_full_pretraining():
    assert DEFAULT_PRESET == "full"
    settings = load_preset("full").settings()
    assert (settings.epochs, settings.batch_size, settings.accumulation_steps) == (3, 32, 8)
    assert (settings.max_seq_len, settings.learning_rate, settings.optimizer) == (512, 5e-4, "adamw")
    assert settings.data_path == "datasets/pretrain_data.jsonl"


def test_a_preset_names_only_what_differs(workspace):
    for name in preset_paths():
        values = load_preset(name).values
        assert 0 < len(values) < len(SETTING_NAMES) / 2


def test_the_workspace_s_presets_stand_beside_and_win(workspace):
    (workspace / "presets" / "mine.toml").write_text("[training]\nepochs = 7\n")
    (workspace / "presets" / "mini.toml").write_text("[training]\nepochs = 9\n")
    assert load_preset("mine").settings().epochs == 7
    assert load_preset("mini").settings().epochs == 9


def test_a_typo_names_the_nearest_preset():
    with pytest.raises(UserError, match="Did you mean mini"):
        load_preset("mimi")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[training]\nepohcs = 3\n", ["epohcs", "[training]", "Did you mean epochs"]),
        ("[trainig]\nepochs = 3\n", ["[trainig]", "Did you mean [training]"]),
        ("[model]\nepochs = 3\n", ["epochs", "[model]", "[training]"]),
        ("epochs = 3\n", ["epochs", "[training]"]),
        ("[training]\nepochs = -3\n", ["epochs = -3", "bad.toml", "1 or more"]),
        ("[training\nepochs = 3\n", ["bad.toml", "line 1"]),
        ("[preset]\nsumary = 'x'\n", ["summary"]),
        ("preset = 3\n", ["summary"]),
    ],
)
def test_mistakes_in_a_preset_name_the_file_the_place_and_the_way_out(workspace, text, words):
    path = workspace / "presets" / "bad.toml"
    path.write_text(text)
    with pytest.raises(UserError) as error:
        read_preset(path).settings()
    assert all(word in str(error.value) for word in words), str(error.value)


def test_a_binary_file_is_no_preset(workspace):
    path = workspace / "presets" / "bad.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"bad\.toml"):
        read_preset(path)


@pytest.mark.parametrize("name", ["mini", "full", "minimind2", "minimind3"])
def test_run_toml_repeats_the_settings_exactly(workspace, name):
    settings = load_preset(name).settings()
    path = workspace / "run.toml"
    path.write_text(render_settings(settings, name))
    assert parse_settings(path) == (settings, name)
    text = path.read_text()
    assert all(f"\n{setting} = " in text for setting in SETTING_NAMES)
