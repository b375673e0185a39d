"""The ways between screens, from the command line and by keys: back, home, everywhere."""

from pathlib import Path

import pytest
from placeholder_screen import Placeholder
from run_material import write_run
from screens import running, screen_text

from minimind_tui.app.application import MinimindApp
from minimind_tui.app.entry import main
from minimind_tui.app.screens.home import HomeScreen
from minimind_tui.app.screens.preferences.screen import PreferencesScreen


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
