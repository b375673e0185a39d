"""What all screens share: leaving, the palette, languages and themes, the footer, trouble, tiny terminals."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar

import pytest
from run_material import write_run
from screens import running, screen_text, until, until_shown
from textual.app import ComposeResult
from textual.command import CommandPalette
from textual.content import Content
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Button, OptionList

from engine.errors import UserError
from engine.language import current_language, set_language
from engine.run.folder import RunFolder
from engine.run.schema import State
from minimind_tui.app.application import MinimindApp
from minimind_tui.app.base_screen import BaseScreen
from minimind_tui.app.bindings import bindings_of
from minimind_tui.app.dialogs import ChoiceDialog
from minimind_tui.app.entry import main
from minimind_tui.app.reachable import reachable_keys
from minimind_tui.app.screens.home import HomeScreen
from minimind_tui.app.screens.preferences.screen import PreferencesScreen
from minimind_tui.app.texts import PlainText
from minimind_tui.app.widgets.key_footer import KeyFooter
from minimind_tui.core.keys import keys_of


def training(workspace: Path) -> RunFolder:
    return write_run(workspace, steps=150, total_steps=600, state=State.RUNNING)


@asynccontextmanager
async def leaving(workspace: Path, key: str) -> AsyncIterator[tuple[MinimindApp, Pilot[int]]]:
    async with running(size=(80, 24)) as (app, pilot):
        await pilot.press(key)
        await pilot.pause()
        assert isinstance(app.screen, ChoiceDialog) and "Still training" in screen_text(app)
        yield app, pilot


# -- leaving


@pytest.mark.parametrize("key", ["q", "ctrl+q", "ctrl+c"])
async def test_it_ends_at_once_when_nothing_trains(workspace: Path, key: str) -> None:
    write_run(workspace, steps=10)
    async with running() as (app, pilot):
        await pilot.press(key)
        await until(pilot, lambda: app.return_code is not None)
    assert app.return_code == 0 and app.farewell == []


@pytest.mark.parametrize("key", ["q", "ctrl+q", "ctrl+c"])
async def test_it_asks_while_something_trains(workspace: Path, key: str) -> None:
    folder = training(workspace)
    async with leaving(workspace, key) as (app, pilot):
        assert folder.id in screen_text(app)
        await pilot.press("s")
        await pilot.pause()
        assert isinstance(app.screen, HomeScreen) and app.return_code is None
    assert not folder.control.exists()


async def test_escape_stays(workspace: Path) -> None:
    training(workspace)
    async with leaving(workspace, "q") as (app, pilot):
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, HomeScreen) and app.return_code is None


async def test_detaching_touches_nothing_and_says_how_to_come_back(workspace: Path) -> None:
    folder = training(workspace)
    async with leaving(workspace, "q") as (app, pilot):
        await pilot.press("d")
        await until(pilot, lambda: app.return_code is not None)
    assert app.return_code == 0
    assert app.farewell == [f"{folder.id} goes on by itself.", f"  Come back: minimind-tui {folder.id}"]
    assert not folder.control.exists()


async def test_stopping_asks_the_run_to_save_and_stop(workspace: Path) -> None:
    folder = training(workspace)
    async with leaving(workspace, "q") as (app, pilot):
        await pilot.press("x")
        await until(pilot, lambda: app.return_code is not None)
    assert '"op":"stop"' in folder.control.read_text().replace(" ", "")
    assert app.farewell == [f"{folder.id} saves and stops.", f"  Go on later: minimind resume {folder.id}"]


async def test_a_signal_ends_it_without_asking(workspace: Path) -> None:
    folder = training(workspace)
    async with running() as (app, pilot):
        app.leave_for_signal(15)
        await until(pilot, lambda: app.return_code is not None)
    assert app.return_code == 143 and folder.id in app.farewell[0] and not folder.control.exists()


# -- the ways between screens


class Placeholder(BaseScreen):
    """Stands for a screen in the tests of what all screens share."""

    def title_words(self) -> str:
        return "Placeholder"

    def compose_body(self) -> ComposeResult:
        yield Button("Press me")


async def test_escape_leads_back_and_home_is_the_last() -> None:
    async with running() as (app, pilot):
        app.push_screen(Placeholder())
        app.push_screen(Placeholder())
        await pilot.pause()
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, Placeholder)
        await pilot.press("escape", "escape", "escape")
        await pilot.pause()
        assert isinstance(app.screen, HomeScreen)
        app.push_screen(Placeholder())
        app.push_screen(Placeholder())
        await pilot.pause()
        await pilot.press("f2")
        await pilot.pause()
        assert isinstance(app.screen, HomeScreen)


async def test_f6_opens_the_preferences_once() -> None:
    async with running() as (app, pilot):
        await pilot.press("f6", "f6")
        await pilot.pause()
        assert isinstance(app.screen, PreferencesScreen) and len(app.screen_stack) == 3


@pytest.mark.parametrize(
    ("key", "opens"), [("f3", "open_wizard"), ("f4", "action_show_runs"), ("f5", "open_playground")]
)
async def test_function_keys_lead_everywhere(key: str, opens: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr(MinimindApp, opens, lambda self: seen.append(opens))
    async with running() as (app, pilot):
        app.push_screen(Placeholder())
        await pilot.pause()
        await pilot.press(key)
        await pilot.pause()
    assert seen == [opens]


async def test_a_run_given_is_shown_at_once(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(MinimindApp, "open_run", lambda self, folder: shown.append(folder.id))
    folder = write_run(workspace, steps=10)
    async with running(MinimindApp(open_first=folder, problem="The preferences are odd.")) as (app, _pilot):
        assert shown == [folder.id] and "The preferences are odd." in screen_text(app)


# -- the palette


async def test_the_palette_knows_every_action_of_a_screen_and_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    for key in (*keys_of("app"), *keys_of("home")):
        owner = MinimindApp if key.scope == "app" else HomeScreen
        if key.action != "command_palette":
            monkeypatch.setattr(owner, f"action_{key.action}", lambda self, name=key.id: done.append(name))
    async with running() as (app, pilot):
        commands = {command.title: command for command in app.get_system_commands(app.screen)}
        keys = [entry.key for entry in reachable_keys(app.screen) if entry.key.action != "command_palette"]
        assert [key.id for key in keys] == [
            key.id for scope in ("app", "home") for key in keys_of(scope) if key.action != "command_palette"
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


# -- languages and themes


async def test_a_language_switch_reaches_screens_below_and_the_footer() -> None:
    async with running() as (app, pilot):
        await pilot.press("f6")
        await until_shown(pilot, "Preferences")
        await pilot.press("f7")
        await until_shown(pilot, "偏好")
        await until_shown(pilot, "q 退出")
        await pilot.press("escape")
        await until_shown(pilot, "从预设开始")
        text = screen_text(app)
        for english in ("Home", "Running", "Recent", "Start from", "machine", "Try mini", "New run", "Quit", "Help"):
            assert english not in text
        assert current_language() == "zh" == os.environ["MINIMIND_LANG"]


async def test_every_theme_draws_every_screen(workspace: Path) -> None:
    training(workspace)
    write_run(workspace, "old", steps=20, run_id="20261123-000000-old")
    async with running(size=(80, 24)) as (app, pilot):
        for theme in sorted(app.available_themes):
            app.theme = theme
            await pilot.pause()
            assert "150/600" in screen_text(app), theme
        await pilot.press("f6")
        for theme in sorted(app.available_themes):
            app.theme = theme
            await pilot.pause()
            assert "Money" in screen_text(app), theme
        await pilot.press("question_mark")
        await pilot.pause()
        for theme in sorted(app.available_themes):
            app.theme = theme
            await pilot.pause()
            assert "Everywhere" in screen_text(app), theme


async def test_without_colours_the_cursor_is_still_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with running(size=(80, 24)) as (app, pilot):
        await pilot.pause(0.2)
        grounds = {
            name: {segment.style.bgcolor for segment in strip if name in segment.text and segment.style}
            for strip in app.screen._compositor.render_strips()
            for name in ("Smoke test", "The guide's")
            if any(name in segment.text for segment in strip)
        }
        assert len(grounds) == 2 and grounds["Smoke test"] != grounds["The guide's"]


async def test_a_theme_that_is_gone_falls_back() -> None:
    app = MinimindApp()
    app.preferences = app.preferences.model_copy(update={"theme": "no-such-theme"})
    async with running(app) as (_app, _pilot):
        assert app.theme == "minimind-dark"


# -- the footer


class Empty(Placeholder):
    def compose_body(self) -> ComposeResult:
        yield PlainText("Nothing takes the keys here.")


SCREENS = ("home", "wizard", "dashboard", "runs", "compare", "playground", "preferences")


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("scope", SCREENS)
async def test_the_footer_keeps_help_quit_and_the_first_keys_at_80_columns(scope: str, language: str) -> None:
    kind = type("Footed", (Empty,), {"BINDINGS": bindings_of(scope)})  # type: ignore[arg-type]
    for key in keys_of(scope):  # type: ignore[arg-type]
        setattr(kind, f"action_{key.action}", lambda self: None)
    set_language(language)
    async with running(size=(80, 24)) as (app, pilot):
        app.push_screen(kind())
        await pilot.pause(0.1)
        await until(pilot, lambda: bool(app.screen.query("KeyFooter FooterKey")))
        await pilot.pause(0.1)
        line = screen_text(app).rstrip("\n").split("\n")[-1]
        shown = [key for key in keys_of(scope) if key.footer]  # type: ignore[arg-type]
        for key in (*shown[:3], *(key for key in keys_of("app") if key.action in ("help", "leave"))):
            assert f" {key.label}" in line, line
        assert Content(line).cell_length <= 80


async def test_the_footer_leaves_out_whole_keys(workspace: Path) -> None:
    async with running(size=(80, 24)) as (app, pilot):
        for width in (160, 60, 40, 30, 12):
            await pilot.resize_terminal(width, 24)
            await pilot.pause(0.2)
            footer = app.screen.query_one(KeyFooter)
            line = screen_text(app).rstrip("\n").split("\n")[-1]
            for key in footer.query("FooterKey"):
                if width >= 30:
                    assert key.description in line, (width, line)  # type: ignore[attr-defined]


# -- trouble


class Breaking(Placeholder):
    BINDINGS: ClassVar = [("b", "break", "Break"), ("u", "user_mistake", "Mistake")]

    def action_break(self) -> None:
        raise ValueError("broken [red]action[/red]")

    def action_user_mistake(self) -> None:
        raise UserError("Take another [b]file[/b].")

    def on_button_pressed(self) -> None:
        raise KeyError("broken handler")

    async def on_key(self, event: object) -> None:
        if getattr(event, "key", "") == "z":
            await asyncio.sleep(0)
            raise RuntimeError("broken coroutine")


@pytest.mark.parametrize(
    ("press", "words"),
    [("b", "ValueError: broken [red]action[/red]"), ("enter", "KeyError"), ("z", "broken coroutine")],
)
async def test_an_error_of_ours_is_shown_in_a_panel_and_ends_nothing(press: str, words: str) -> None:
    async with running() as (app, pilot):
        app.push_screen(Breaking())
        await pilot.pause()
        await pilot.press(press)
        await until_shown(pilot, "Something went wrong here")
        text = " ".join(screen_text(app).replace("│", " ").split())
        assert words in text and "the traceback is in" in text
        [told] = app.troubles
        path = Path(told.split("traceback is in ")[1].rstrip(")"))
        assert "Traceback" in path.read_text()
        path.unlink()
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, Breaking)
        app.troubles.clear()


async def test_a_mistake_of_the_user_is_told_in_its_own_words() -> None:
    async with running() as (app, pilot):
        app.push_screen(Breaking())
        await pilot.pause()
        await pilot.press("u")
        await until_shown(pilot, "Take another [b]file[/b].")
        assert isinstance(app.screen, Breaking)


async def test_a_screen_that_cannot_be_made_is_trouble_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: MinimindApp) -> Screen[None]:
        raise ImportError("no such screen")

    monkeypatch.setattr(MinimindApp, "open_wizard", broken)
    async with running() as (app, pilot):
        await pilot.press("f3")
        await until_shown(pilot, "no such screen")
        app.troubles.clear()


async def test_a_look_that_fails_is_told_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running() as (app, pilot):

        def fail() -> bool:
            raise OSError("the disk is gone")

        monkeypatch.setattr(app.index, "poll", fail)
        app._looked_at = -100.0
        await until_shown(pilot, "the disk is gone")
        assert app.return_code is None


# -- arguments


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--nonsense"], "Unknown option --nonsense"),
        (["--lang", "fr"], "en, zh"),
        (["one", "two"], "One run can be opened at a time"),
    ],
)
def test_a_wrong_argument_is_one_message(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert words in shown.err and shown.out == "" and "Traceback" not in shown.err


def test_version_and_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0 and main(["--help"]) == 0
    assert "minimind-tui [RUN]" in capsys.readouterr().out
