"""The palette and the panel of keys: every action, in our words, in both languages."""

from pathlib import Path

import pytest
from screens import running, screen_text, until, until_shown
from textual.command import CommandPalette
from textual.widgets import OptionList

from engine.language import set_language
from minimind_tui.app.application import MinimindApp
from minimind_tui.app.reachable import reachable_keys
from minimind_tui.app.screens.home import HomeScreen
from minimind_tui.app.screens.preferences.screen import PreferencesScreen
from minimind_tui.core.keys import keys_of


async def test_the_palette_knows_every_action_of_a_screen_and_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    beside = ("command_palette", "back")  # it is the palette itself, and from the first screen no way leads back
    for key in (*keys_of("app"), *keys_of("home")):
        owner = MinimindApp if key.scope == "app" else HomeScreen
        if key.action not in beside:
            monkeypatch.setattr(owner, f"action_{key.action}", lambda self, name=key.id: done.append(name))
    async with running() as (app, pilot):
        commands = {command.title: command for command in app.get_system_commands(app.screen)}
        assert "Back" not in commands
        keys = [entry.key for entry in reachable_keys(app.screen) if entry.key.action not in beside]
        assert [key.id for key in keys] == [
            key.id for scope in ("app", "home") for key in keys_of(scope) if key.action not in beside
        ]
        own = {key.label for key in keys if key.scope == "home"}
        keys = [key for key in keys if key.scope == "home" or key.label not in own]  # one way to each place
        for key in keys:
            assert commands[key.label].help.startswith(key.help)
            commands[key.label].callback()
        await until(pilot, lambda: len(done) == len(keys))
    assert sorted(done) == sorted(key.id for key in keys)


@pytest.mark.parametrize(("language", "words"), [("en", "Find an action by its name"), ("zh", "按名称查找操作")])
async def test_the_palette_opens_finds_and_closes(language: str, words: str) -> None:
    set_language(language)
    async with running() as (app, pilot):
        await pilot.press("ctrl+p")
        await until_shown(pilot, words)
        assert isinstance(app.screen, CommandPalette)
        await pilot.press(*("preferences" if language == "en" else "偏好"))
        await until(pilot, lambda: app.screen.query_one(OptionList).option_count > 0)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, PreferencesScreen))


@pytest.mark.parametrize(("language", "words"), [("en", "Nothing matches."), ("zh", "没有匹配的项。")])
@pytest.mark.parametrize("which", ["command_palette", "change_theme"])
async def test_that_nothing_is_found_is_said_in_our_words(language: str, words: str, which: str) -> None:
    set_language(language)
    async with running() as (app, pilot):
        await app.run_action(which)
        await until(pilot, lambda: isinstance(app.screen, CommandPalette))
        await pilot.press(*"zzqq")
        await until_shown(pilot, words)
        await pilot.pause(0.8)  # Textual's own line would come by now
        assert "No matches found" not in screen_text(app) and words in screen_text(app)
        first = app.screen
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, CommandPalette) and app.screen is not first)


async def test_themes_are_found_in_the_palette() -> None:
    async with running() as (app, pilot):
        await app.run_action("change_theme")
        await until_shown(pilot, "Find a theme by its name")
        await pilot.press(*"nord")
        await until(pilot, lambda: app.screen.query_one(OptionList).option_count == 1)
        await pilot.press("enter")
        await until(pilot, lambda: app.theme == "nord")
        await until(pilot, lambda: app.preferences.theme == "nord")


async def test_a_picture_is_saved_in_the_current_folder(workspace: Path) -> None:
    async with running() as (app, pilot):
        app.save_picture()
        await until_shown(pilot, "Saved")
    assert len(list(workspace.glob("*.svg"))) == 1


async def test_the_panel_of_keys_speaks_our_words() -> None:
    async with running(size=(160, 48)) as (app, pilot):
        app.action_show_help_panel()
        await until_shown(pilot, "Try mini")
        await pilot.press("f7")
        await until_shown(pilot, "下一个字段")
        app.action_hide_help_panel()
        await pilot.pause()
