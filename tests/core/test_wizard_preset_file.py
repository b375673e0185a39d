"""A tuned form as a preset of the workspace: it reads back, stays in its folder, and replaces nothing unasked."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from engine.errors import UserError
from engine.settings.presets import load_preset, preset_paths, read_preset
from engine.settings.settings import Settings
from minimind_tui.core.wizard.preset_file import (
    hides_builtin,
    preset_name_problem,
    preset_path,
    render_preset,
    save_preset,
)


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def save(name: str, settings: Settings, **options: Any) -> Path:
    return save_preset(
        name, settings, summary="A trial", based_on="mini", base=load_preset("mini").settings(), **options
    )


def test_it_reads_back_and_is_offered(workspace: Path) -> None:
    tuned = (
        load_preset("mini")
        .settings()
        .model_copy(
            update={
                "learning_rate": 0.01,
                "schedule": "cosine",
                "sample_prompts": ('say "hi"', "从前\n有"),
                "epochs": 3,
            }
        )
    )
    path = save("mine", tuned)
    assert path == workspace / "presets" / "mine.toml" and "mine" in preset_paths()
    preset = load_preset("mine")
    assert preset.settings() == tuned and preset.summary == "A trial"
    text = path.read_text(encoding="utf-8")
    assert "learning_rate = 0.01 # mini: 0.004" in text
    assert "schedule =" not in text, "the default is not named, though mini has another"
    assert "hidden_size = 160\n" in text, "what the preset has too carries no comment"
    assert not list(path.parent.glob(".*")), "nothing is left beside it"


@pytest.mark.parametrize(
    "name",
    ["", "  ", "../up", "a/b", "/abs", ".hidden", "a b", "-x", "x" * 65, "a\0b", "a\nb", "..", "é/..", "dot."],
)
def test_a_name_that_could_leave_the_folder_is_none(workspace: Path, name: str) -> None:
    assert preset_name_problem(name)
    with pytest.raises(UserError):
        save(name, Settings())
    assert list(workspace.rglob("*")) == []


@pytest.mark.parametrize("name", ["mine", "mine.toml", " mine ", "v1.2", "我的", "a_b-c"])
def test_a_usual_name_is_one(workspace: Path, name: str) -> None:
    assert preset_name_problem(name) == ""
    assert save(name, Settings()).parent == workspace / "presets"


@hypothesis_settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(max_size=12, alphabet="ab./\\~ \t-_:é\x1b\x00"))
def test_no_name_leaves_the_folder(workspace: Path, name: str) -> None:
    if preset_name_problem(name) == "":
        assert preset_path(name).parent == workspace / "presets"
        assert preset_path(name).resolve().parent == (workspace / "presets").resolve()


def test_nothing_is_replaced_unasked() -> None:
    path = save("mine", Settings())
    before = path.read_bytes()
    with pytest.raises(UserError, match="there already"):
        save("mine", Settings(epochs=9))
    assert path.read_bytes() == before
    save("mine", Settings(epochs=9), overwrite=True)
    assert load_preset("mine").settings().epochs == 9


def test_a_builtin_name_is_known() -> None:
    assert hides_builtin("mini") and not hides_builtin("mine")


def test_a_folder_that_refuses_is_told(workspace: Path) -> None:
    (workspace / "presets").write_text("a file")
    with pytest.raises(UserError, match="Cannot write"):
        save("mine", Settings())


def test_texts_of_others_break_no_toml(workspace: Path) -> None:
    base = Settings(sample_prompts=("a\nb\x1b[31m\x07", "#"))
    text = render_preset(
        base.model_copy(update={"sample_prompts": ("x",)}), summary='"quoted" \\', based_on="a", base=base
    )
    path = workspace / "x.toml"
    path.write_text(text, encoding="utf-8")
    assert read_preset(path).settings().sample_prompts == ("x",)
    assert read_preset(path).summary == '"quoted" \\'
