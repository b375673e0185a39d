"""The help: the keys of the screen below it, those of its charts too, found by what they do."""

import pytest
from screens import running, screen_text, settle_on_snapshot, until_shown
from textual.app import ComposeResult
from textual.widget import Widget

from engine.language import set_language
from minimind_tui.app.base_screen import BaseScreen
from minimind_tui.app.bindings import bindings_of
from minimind_tui.app.reachable import reachable_keys
from minimind_tui.app.screens.help.screen import HelpScreen
from minimind_tui.app.texts import PlainText
from minimind_tui.core.help import help_sections
from minimind_tui.core.keys import key_table, keys_of


class ChartLike(Widget):
    can_focus = True
    BINDINGS = bindings_of("chart")


class ChartScreen(BaseScreen):
    BINDINGS = bindings_of("dashboard")

    def title_words(self) -> str:
        return "Charts"

    def compose_body(self) -> ComposeResult:
        yield ChartLike()
        yield ChartLike()


@pytest.mark.parametrize("key", ["question_mark", "f1"])
@pytest.mark.parametrize("closing", ["escape", "question_mark", "f1", "q"])
async def test_it_opens_and_closes(key: str, closing: str) -> None:
    async with running(size=(80, 24)) as (app, pilot):
        home = app.screen
        await pilot.press(key)
        await pilot.pause()
        assert isinstance(app.screen, HelpScreen) and "Try mini" in screen_text(app)
        await pilot.press(closing)
        await pilot.pause()
        assert app.screen is home


async def test_it_lists_the_keys_of_charts_whether_one_has_the_focus_or_not() -> None:
    async with running() as (app, pilot):
        app.push_screen(ChartScreen())
        await pilot.pause()
        for focus in (False, True):
            app.screen.set_focus(app.screen.query(ChartLike).last() if focus else None)
            await pilot.pause()
            found = reachable_keys(app.screen)
            assert {entry.key.scope for entry in found} == {"app", "dashboard", "chart"}
            assert [entry.key.id for entry in found if entry.key.scope == "chart"] == [
                key.id for key in keys_of("chart")
            ]
            charts = [entry for entry in found if entry.key.scope == "chart"]
            assert all(entry.active is focus for entry in charts)
            wanted = app.screen.query(ChartLike).last() if focus else app.screen.query(ChartLike).first()
            assert all(entry.node is wanted for entry in charts)
        await pilot.press("question_mark")
        await pilot.pause()
        text = screen_text(app)
        assert "Charts" in text and "Log scale" in text


async def test_a_search_narrows_it_and_escape_ends_the_search_first() -> None:
    async with running(size=(80, 24)) as (app, pilot):
        await pilot.press("question_mark")
        await pilot.press("slash", *"CHINESE")
        await until_shown(pilot, "f7")
        listed = str(app.screen.query_one("#list", PlainText).content)
        assert "f7" in listed and "Try mini" not in listed and "The idea" not in listed
        await pilot.press("enter")
        await pilot.press("slash", *"zzz")
        await until_shown(pilot, "No key is called that.")
        await pilot.press("escape")
        await until_shown(pilot, "Try mini")
        assert isinstance(app.screen, HelpScreen)
        await pilot.press("escape")
        await pilot.pause()
        assert not isinstance(app.screen, HelpScreen)


async def test_it_tells_where_runs_lie_and_that_training_goes_on() -> None:
    async with running(size=(100, 48)) as (app, pilot):
        await pilot.press("question_mark")
        await until_shown(pilot, "The idea")
        text = " ".join(screen_text(app).split())
        assert "folder below runs" in text and "Close this window or log out: it goes on." in text


def test_sections_keep_the_screens_own_keys_first() -> None:
    keys = [(key, key.keys) for key in key_table() if key.scope in ("app", "runs")]
    titles = [section.title for section in help_sections(keys)]
    assert titles == ["Runs", "Everywhere"]
    [only] = help_sections(keys, "filter TEXT")
    assert [line.label for line in only.lines] == ["Filter"]
    assert help_sections(keys, "nothing at all") == []


@pytest.mark.parametrize("size", [(20, 5), (40, 12), (200, 60)])
async def test_any_size_works(size: tuple[int, int]) -> None:
    async with running(size=(80, 24)) as (app, pilot):
        await pilot.press("question_mark")
        await pilot.resize_terminal(*size)
        await pilot.pause(0.1)
        assert "Home" in screen_text(app) or size == (20, 5)
        await pilot.press("down", "pagedown", "end", "home", "escape")
        await pilot.pause()


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("size", ["80x24", "120x36"])
async def test_it_looks_as_it_should(size: str, language: str) -> None:
    set_language(language)
    columns, rows = map(int, size.split("x"))
    async with running(size=(columns, rows)) as (app, pilot):
        await pilot.press("question_mark")
        await settle_on_snapshot(pilot, f"help-{size}-{language}", lambda: screen_text(app))
