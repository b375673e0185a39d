"""The preferences: every one is seen and kept at once, a wrong value is explained, all can be as at first."""

import os
import tomllib
from pathlib import Path

import pytest
from screens import running, screen_text, settle_on_snapshot, until, until_shown
from textual.widgets import Input

from engine.language import current_language, set_language
from minimind_tui.app.application import MinimindApp
from minimind_tui.app.screens.preferences import screen as preferences_screen
from minimind_tui.app.screens.preferences.screen import PreferencesScreen
from minimind_tui.app.widgets.choices import Choices
from minimind_tui.core.preference_form import check
from minimind_tui.core.preferences import Preferences, load_preferences, preferences_path

KEEP_SECONDS = 0.05
"""How long what is typed rests here before it is kept."""


@pytest.fixture(autouse=True)
def kept_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preferences_screen, "_KEEP_SECONDS", KEEP_SECONDS)


def kept() -> dict[str, object]:
    path = preferences_path()
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


async def test_a_language_is_chosen_spoken_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIMIND_LANG", "en")
    async with running(size=(80, 24)) as (app, pilot):
        await pilot.press("s")
        await pilot.pause()
        assert isinstance(app.screen, PreferencesScreen)
        await pilot.press("down", "down", "enter")
        await until_shown(pilot, "偏好")
        assert kept()["language"] == "zh" and current_language() == "zh"
        assert os.environ["MINIMIND_LANG"] == "zh"  # what is started from here speaks it too
        await pilot.press("escape")
        await until_shown(pilot, "从预设开始")
        await pilot.press("f7")
        await until_shown(pilot, "Start from a preset")
        assert kept()["language"] == "en" and os.environ["MINIMIND_LANG"] == "en"


async def test_a_theme_is_seen_while_the_cursor_moves_and_kept_where_it_rests() -> None:
    async with running(size=(120, 36)) as (app, pilot):
        await pilot.press("f6")
        await pilot.pause()
        app.screen.query_one("#theme").focus()
        await pilot.press("down")
        await until(pilot, lambda: app.theme == "minimind-light")
        assert "theme" not in kept()
        await until(pilot, lambda: kept().get("theme") == "minimind-light")
        await pilot.press("down")
        await until(pilot, lambda: app.theme not in ("minimind-light", "minimind-dark"))
        last = app.theme
        await pilot.press("escape")  # at once: it is kept when the screen goes as well
        await until(pilot, lambda: kept().get("theme") == last)
    assert MinimindApp().preferences.theme == last


async def test_a_marker_is_kept() -> None:
    async with running(size=(120, 36)) as (app, pilot):
        await pilot.press("f6")
        await pilot.pause()
        app.screen.query_one("#marker").focus()
        await pilot.press("end", "space")
        await pilot.pause()
        assert app.preferences.marker == "ascii" == kept()["marker"]


@pytest.mark.parametrize(
    ("field", "typed", "value"),
    [("refresh_seconds", "2.5", 2.5), ("price_per_hour", "1,20", 1.2), ("currency", "CHF", "CHF")],
)
async def test_what_is_typed_is_kept(field: str, typed: str, value: object) -> None:
    async with running(size=(80, 24)) as (app, pilot):
        await pilot.press("f6")
        await pilot.pause()
        box = app.screen.query_one(f"#{field}", Input)
        box.focus()
        await pilot.press(
            "ctrl+u", *(("comma" if letter == "," else "." if letter == "." else letter) for letter in typed)
        )
        await until(pilot, lambda: kept().get(field) == value)
        assert getattr(app.preferences, field) == value


async def test_a_wrong_value_is_explained_and_not_kept() -> None:
    async with running(size=(80, 24)) as (app, pilot):
        before = app.preferences
        await pilot.press("f6")
        await pilot.pause()
        for field, typed, words in (
            ("refresh_seconds", "0", "between 0.25 and 60"),
            ("refresh_seconds", "fast", "between 0.25 and 60"),
            ("refresh_seconds", "", "between 0.25 and 60"),
            ("price_per_hour", "-1", "between 0 and 10,000"),
            ("price_per_hour", "nan", "between 0 and 10,000"),
            ("currency", "EUROS", "At most four"),
        ):
            box = app.screen.query_one(f"#{field}", Input)
            box.value = typed
            await until_shown(pilot, words)
            await pilot.pause(2 * KEEP_SECONDS)
            assert app.preferences == before, (field, typed)
            box.value = str(getattr(before, field))
            await until(pilot, lambda words=words: words not in screen_text(app))  # type: ignore[misc]


async def test_the_interval_holds_at_once() -> None:
    async with running() as (app, pilot):
        looks: list[float] = []
        app._look = lambda: looks.append(app.preferences.refresh_seconds)  # type: ignore[method-assign]
        app.change_preferences(refresh_seconds=0.25)
        await until(pilot, lambda: len(looks) >= 2, seconds=3)


async def test_all_can_be_as_at_first() -> None:
    async with running(size=(80, 24)) as (app, pilot):
        app.change_preferences(theme="nord", marker="dot", refresh_seconds=9.0, currency="¥", welcomed=True)
        await pilot.press("f6")
        await pilot.pause()
        await pilot.press("ctrl+z")
        await pilot.pause()
        assert app.preferences == Preferences(welcomed=True) and app.theme == "minimind-dark"
        assert app.screen.query_one("#refresh_seconds", Input).value == "1"
        assert app.screen.query_one("#marker", Choices).chosen == "braille"
        assert load_preferences() == (app.preferences, "")


async def test_everything_is_reached_by_tab() -> None:
    async with running(size=(80, 24)) as (app, pilot):
        await pilot.press("f6")
        seen = []
        for _step in range(6):
            await pilot.pause()
            seen.append(app.focused.id if app.focused else None)
            await pilot.press("tab")
        assert seen == ["language", "marker", "refresh_seconds", "price_per_hour", "currency", "theme"]


async def test_a_file_that_cannot_be_written_is_told(workspace: Path) -> None:
    (workspace / "config").write_text("a file where a folder should be")
    async with running() as (app, pilot):
        app.change_preferences(marker="dot")
        await until_shown(pilot, "could not be kept")
        assert app.preferences.marker == "dot"


def test_check_takes_numbers_as_people_write_them() -> None:
    assert check(Preferences(), "price_per_hour", " 2,5 ") == (2.5, "")
    value, problem = check(Preferences(), "price_per_hour", "1e9")
    assert value is None and problem


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("size", ["80x24", "120x36"])
async def test_it_looks_as_it_should(size: str, language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIMIND_CONFIG", "config")
    set_language(language)
    columns, rows = map(int, size.split("x"))
    async with running(size=(columns, rows)) as (app, pilot):
        await pilot.press("f6")
        await settle_on_snapshot(pilot, f"preferences-{size}-{language}", lambda: screen_text(app))


@pytest.mark.parametrize("size", [(20, 5), (40, 12), (200, 60)])
async def test_any_size_works(size: tuple[int, int]) -> None:
    async with running(size=(80, 24)) as (app, pilot):
        await pilot.press("f6")
        await pilot.resize_terminal(*size)
        await pilot.press("down", "tab", "tab", "tab")
        await pilot.pause(0.1)
        assert isinstance(app.screen, PreferencesScreen)
