"""docs/SETTINGS.md and SETTINGS.zh.md are current, and tell every setting as it is declared."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
from source_tree import ROOT

from engine.settings.declaration import declarations
from engine.settings.settings import SETTING_NAMES, Settings

SCRIPT = ROOT / "docs" / "make_settings.py"
LANGUAGES = ("en", "zh")


@pytest.fixture(scope="module")
def make_settings() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_settings", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def table(page: str) -> dict[str, list[str]]:
    """The rows of a page's tables by setting."""
    rows = (re.split(r"(?<!\\)\|", line)[1:-1] for line in page.splitlines() if line.startswith("|"))
    stripped = [[cell.strip().replace("\\|", "|") for cell in row] for row in rows]
    return {row[0].strip("*`"): row[1:] for row in stripped if "`" in row[0]}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_is_current(make_settings: ModuleType, language: str) -> None:
    path = make_settings.FILES[language]
    current = make_settings.render(language)
    assert path.read_text(encoding="utf-8") == current, f"{path.name} is stale: run python docs/make_settings.py"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_tells_every_setting(make_settings: ModuleType, language: str) -> None:
    rows = table(make_settings.render(language))
    assert tuple(rows) == SETTING_NAMES
    declared = declarations(Settings)
    for name, (flag, _values, default, unit, meaning, _on_resume) in rows.items():
        assert flag == f"`--{name.replace('_', '-')}`"
        assert meaning == declared[name].help(language)
        assert bool(unit) == bool(declared[name].unit)
        value = Settings.model_fields[name].default
        if isinstance(value, bool):
            assert default == ("`true`" if value else "`false`")
        elif isinstance(value, int | float):
            assert float(default.strip("`")) == value
        else:
            assert (value if isinstance(value, str) else value[0]) in default


@pytest.mark.parametrize(
    ("name", "english", "chinese", "on_resume"),
    [
        ("hidden_size", "whole number, 8 to 65536", "整数，8 到 65536", "kept (shape)"),
        ("head_dim", "`auto` or whole number, 1 to 1048576", "`auto`或整数，1 到 1048576", "kept (shape)"),
        ("learning_rate", "number, above 0, 10 or less", "数，大于 0，不大于 10", "kept"),
        ("adam_beta1", "number, 0 or more, below 1", "数，不小于 0，小于 1", "kept"),
        ("qk_norm", "`auto` or `true`, `false`", "`auto`或`true`、`false`", "kept (shape)"),
        ("schedule", "`cosine`, `linear`, `wsd`, `constant`", "`cosine`，`linear`，`wsd`，`constant`", "kept"),
        ("device", r"`^(auto|cpu|mps|cuda(:\d+)?)$`", r"`^(auto|cpu|mps|cuda(:\d+)?)$`", "inexact"),
        ("sample_prompts", "list of texts", "文本列表", "free"),
        ("data_path", "text, not empty", "文本，非空", "kept"),
    ],
)
def test_values_and_bounds_are_in_words(
    make_settings: ModuleType, name: str, english: str, chinese: str, on_resume: str
) -> None:
    assert table(make_settings.render("en"))[name][1] == english
    assert table(make_settings.render("en"))[name][-1] == on_resume
    assert table(make_settings.render("zh"))[name][1] == chinese


def test_check_tells_a_stale_page(make_settings: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make_settings, "FILES", {name: tmp_path / f"{name}.md" for name in LANGUAGES})
    assert make_settings.main(["--check"]) == 1
    assert make_settings.main([]) == 0
    assert make_settings.main(["--check"]) == 0
    (tmp_path / "zh.md").write_text("old")
    assert make_settings.main(["--check"]) == 1
    assert make_settings.main(["--wrong"]) == 2
