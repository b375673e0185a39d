"""Every message of the interface has its Chinese translation, compiled and used."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from babel.messages.catalog import Catalog
from source_tree import ROOT

SCRIPT = ROOT / "docs" / "make_translations.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_translations", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def template(script: ModuleType) -> Catalog:
    return script.extract_messages()  # type: ignore[no-any-return]


def test_every_message_can_be_extracted(script: ModuleType, template: Catalog) -> None:
    assert script.calls_without_a_literal() == []
    assert len(template) > 400
    # text over several lines, and from both packages
    assert any(str(message.id).startswith("The full pretraining text is not shipped. ") for message in template)
    assert "Print the version." in template


@pytest.mark.parametrize("language", ["zh"])
def test_every_message_is_translated(script: ModuleType, template: Catalog, language: str) -> None:
    found = script.problems(template, script.read_translations(language)) + script.stale_problems(language)
    assert found == [], "run python docs/make_translations.py, then translate:\n" + "\n".join(found)


def test_translations_are_chinese(script: ModuleType) -> None:
    """But for what is no word: names, units, symbols, fields."""
    plain = {
        message: text
        for message, text in script.translations_of(script.read_translations("zh")).items()
        if not any("\u4e00" <= character <= "\u9fff" for character in text)
        and any(character.isalpha() for character in re.sub(r"\{[^}]*\}", "", message))
    }
    assert len(plain) < 20, plain
    assert all(len(message) <= 30 for message in plain), plain


@pytest.mark.parametrize(
    ("translation", "complaint"),
    [
        ("", "not translated"),
        ("运行 {run} 读取 `minimind runs`，--force", "fields"),
        ("运行 {run} 在 {path:.1f} 读取 `minimind runs`，--force", "fields"),
        ("运行 {run} 在 {path} 读取 minimind runs，--force", "must stay"),
        ("运行 {run} 在 {path} 读取 `minimind runs`", "must stay"),
        ("运行 {run} 在 {path} 读取 `minimind runs`，--force\n", "number of lines"),
        ("运行 {run} 在 {path 读取 `minimind runs`，--force", "fields"),
        ("在 {path} 中，`minimind runs` 读取 {run}，--force", None),
    ],
)
def test_a_wrong_translation_is_found(script: ModuleType, translation: str, complaint: str | None) -> None:
    message = "Run {run} in {path}: `minimind runs` reads it, --force."
    template, catalogue = Catalog(), Catalog(locale="zh")
    template.add(message, locations=[("engine/x.py", 1)])
    catalogue.add(message, translation)
    found = script.problems(template, catalogue)
    if complaint is None:
        assert found == []
    else:
        (problem,) = found
        assert complaint in problem and "engine/x.py" in problem


def test_missing_fuzzy_and_dead_entries_are_found(script: ModuleType) -> None:
    template, catalogue = Catalog(), Catalog(locale="zh")
    for message in ("new", "changed"):
        template.add(message, locations=[("engine/x.py", 1)])
    catalogue.add("changed", "变了", flags=["fuzzy"])
    catalogue.add("dead", "没了")
    found = script.problems(template, catalogue)
    assert [problem.split(":")[0] for problem in found] == [
        "not in the .po",
        "changed, and its translation is to be looked at",
        "no longer a message",
    ]


def test_update_takes_new_messages_and_compiles(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    po = tmp_path / "locale" / "zh" / "LC_MESSAGES" / "minimind.po"
    (tmp_path / "engine").mkdir()
    source = tmp_path / "engine" / "a.py"
    monkeypatch.setattr(script, "ROOT", tmp_path)
    monkeypatch.setattr(script, "LOCALE_DIR", tmp_path / "locale")

    source.write_text('_("Hello {name}"\n  ", how are you?")\n_(f"x")\nf"{_(\'Bye\')}"\n')
    assert script.main([]) == 1
    assert script.main(["--missing"]) == 1
    assert 'msgid "Bye"' in po.read_text(encoding="utf-8")  # within an f-string
    po.write_text(
        po.read_text(encoding="utf-8").replace('are you?"\nmsgstr ""', 'are you?"\nmsgstr "{name}，你好吗？"'),
        encoding="utf-8",
    )
    assert script.translations_of(script.read_translations("zh")) == {"Hello {name}, how are you?": "{name}，你好吗？"}
    assert len(script.stale_problems("zh")) == 1  # the .mo is older
    source.write_text('_("Hello {name}"\n  ", how are you?")\n')
    assert script.main([]) == 0
    assert script.main(["--missing"]) == 0
    before = po.read_bytes()
    assert script.main([]) == 0
    assert po.read_bytes() == before

    source.write_text('_("Hello {name}, how are you today?")\n')
    assert script.main([]) == 1  # kept for the translator to look at, used by nobody
    assert "fuzzy" in po.read_text(encoding="utf-8") and "{name}，你好吗？" in po.read_text(encoding="utf-8")
    assert script.translations_of(script.read_translations("zh")) == {}


@pytest.mark.parametrize(
    ("words", "environment", "said"),
    [
        (["presets", "show", "nope"], {"MINIMIND_LANG": "zh"}, "没有名为 nope 的预设。"),
        (["--lang", "zh", "presets", "show", "nope"], {"MINIMIND_LANG": "en"}, "没有名为 nope 的预设。"),
        (["presets", "show", "nope"], {"LANG": "zh_CN.UTF-8"}, "没有名为 nope 的预设。"),
        (["presets", "show", "nope"], {"LANG": "de_DE.UTF-8"}, "No preset named nope."),
        (["--lang", "en", "presets", "show", "nope"], {"MINIMIND_LANG": "zh"}, "No preset named nope."),
    ],
)
def test_messages_come_in_the_language_asked_for(words: list[str], environment: dict[str, str], said: str) -> None:
    done = _minimind(words, environment)
    assert done.returncode == 2
    assert said in done.stderr


def test_the_help_follows_the_option_too() -> None:
    """Help texts are made as their modules load: these must load after the words typed were looked at."""
    done = _minimind(["--lang", "zh", "--help"], {"MINIMIND_LANG": "en"})
    assert done.returncode == 0
    assert "训练模型" in done.stdout and "退出码" in done.stdout and "显示版本。" in done.stdout


def _minimind(words: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    languages = ("MINIMIND_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
    kept = {name: value for name, value in os.environ.items() if name not in languages}
    return subprocess.run(
        [sys.executable, "-c", "import sys; from minimind_tui.cli import main; sys.exit(main())", *words],
        env=kept | {"PYTHONUTF8": "1", "COLUMNS": "200"} | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
