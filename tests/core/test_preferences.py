"""Preferences are kept, survive nonsense in their file, and never stand in the way."""

import os
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minimind_tui.core.preferences import Preferences, load_preferences, preferences_path, save_preferences


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("MINIMIND_CONFIG", str(tmp_path / "config"))
    monkeypatch.delenv("MINIMIND_LANG", raising=False)
    return tmp_path / "config"


def test_without_a_file_the_defaults_hold() -> None:
    assert load_preferences() == (Preferences(), "")


def test_what_is_saved_is_loaded() -> None:
    changed = Preferences(language="zh", theme="nord", marker="ascii", refresh_seconds=2.5, price_per_hour=1.2)
    assert save_preferences(changed) == ""
    assert load_preferences() == (changed, "")


def test_a_wrong_value_falls_to_its_default_and_is_named() -> None:
    preferences_path().parent.mkdir()
    preferences_path().write_text('theme = "nord"\nrefresh_seconds = "often"\nmarker = 3\n')
    loaded, problem = load_preferences()
    assert loaded == Preferences(theme="nord")
    assert "refresh_seconds" in problem and "marker" in problem and str(preferences_path()) in problem


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_any_file_leaves_usable_preferences(content: bytes) -> None:
    preferences_path().parent.mkdir(exist_ok=True)
    preferences_path().write_bytes(content)
    loaded, _problem = load_preferences()
    assert isinstance(loaded, Preferences)


def test_comments_and_unknown_keys_stay() -> None:
    preferences_path().parent.mkdir()
    preferences_path().write_text('# mine\nfuture = 1\ntheme = "nord"\n')
    save_preferences(Preferences(theme="gruvbox"))
    text = preferences_path().read_text()
    assert "# mine" in text and tomllib.loads(text)["future"] == 1 and tomllib.loads(text)["theme"] == "gruvbox"


def test_a_folder_that_cannot_be_written_is_told(config: Path) -> None:
    config.write_text("a file where the folder should be")
    assert "preferences" in save_preferences(Preferences())


def test_the_environment_is_stronger_than_what_was_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Preferences(language="en").language_now() == "en"
    monkeypatch.setenv("MINIMIND_LANG", "zh")
    assert Preferences(language="en").language_now() == "zh"
    assert os.environ["MINIMIND_LANG"] == "zh"
