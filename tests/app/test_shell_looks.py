"""How what all screens share looks: languages, themes, no colours, and the footer at any width."""

import os
from pathlib import Path

import pytest
from placeholder_screen import Placeholder
from run_material import write_run
from screens import running, screen_text, until, until_shown
from textual.app import ComposeResult
from textual.content import Content

from engine.language import current_language, set_language
from engine.run.schema import State
from minimind_tui.app.application import MinimindApp
from minimind_tui.app.bindings import bindings_of
from minimind_tui.app.texts import PlainText
from minimind_tui.app.widgets.key_footer import KeyFooter
from minimind_tui.core.keys import keys_of


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
    write_run(workspace, steps=150, total_steps=600, state=State.RUNNING)
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
