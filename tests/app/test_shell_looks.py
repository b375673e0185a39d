"""How what all screens share looks: languages, themes, no colours, and the footer at any width."""

import os
from pathlib import Path

import pytest
from placeholder_screen import Placeholder
from run_material import write_run
from screens import drawn, running, screen_text, until, until_shown
from textual.app import ComposeResult
from textual.content import Content

from engine.language import current_language, set_language
from engine.run.schema import State
from minimind_tui.app.application import MinimindApp
from minimind_tui.app.bindings import bindings_of
from minimind_tui.app.texts import PlainText
from minimind_tui.app.widgets.key_footer import KeyFooter
from minimind_tui.core.keys import keys_of
from minimind_tui.core.preferences import Preferences, save_preferences


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


async def test_themes_are_changed_in_place(workspace: Path) -> None:
    write_run(workspace, steps=150, total_steps=600, state=State.RUNNING)
    async with running(size=(80, 24)) as (app, pilot):
        assert len(app.available_themes) > 20
        for theme in sorted(app.available_themes):
            app.theme = theme
            await pilot.pause()
            assert "150/600" in screen_text(app), theme


async def test_without_colours_the_cursor_is_still_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with running(size=(80, 24)) as (app, pilot):
        await until_shown(pilot, "The guide's")
        turned = {
            name: any(segment.style.reverse for segment in strip if name in segment.text and segment.style)
            for strip in drawn(app)
            for name in ("Smoke test: a 2 M", "pretraining: 25.8")
            if any(name in segment.text for segment in strip)
        }
        assert turned == {"Smoke test: a 2 M": True, "pretraining: 25.8": False}


async def test_a_theme_that_is_gone_falls_back() -> None:
    save_preferences(Preferences(theme="no-such-theme"))
    async with running() as (app, _pilot):
        assert app.theme == "minimind-dark"


class Empty(Placeholder):
    def compose_body(self) -> ComposeResult:
        yield PlainText("Nothing takes the keys here.")


SCREENS = ("home", "wizard", "dashboard", "runs", "compare", "playground", "preferences")


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_the_footer_keeps_help_quit_and_the_first_keys_at_80_columns(language: str) -> None:
    set_language(language)
    async with running(size=(80, 24)) as (app, pilot):
        for scope in SCREENS:
            kind = type("Footed", (Empty,), {"BINDINGS": bindings_of(scope)})  # type: ignore[arg-type]
            for key in keys_of(scope):  # type: ignore[arg-type]
                setattr(kind, f"action_{key.action}", lambda self: None)
            app.push_screen(kind())
            shown = [key for key in keys_of(scope) if key.footer]  # type: ignore[arg-type]
            for key in (*shown[:3], *(key for key in keys_of("app") if key.action in ("help", "leave"))):
                await until(pilot, lambda key=key: f" {key.label}" in footer_line(app))  # type: ignore[misc]
            assert Content(footer_line(app)).cell_length <= 80
            app.pop_screen()


def footer_line(app: MinimindApp) -> str:
    """What stands in the screen's last line."""
    return screen_text(app).rstrip("\n").split("\n")[-1]


async def test_the_footer_leaves_out_whole_keys(workspace: Path) -> None:
    async with running(size=(80, 24)) as (app, pilot):
        footer = app.screen.query_one(KeyFooter)

        def whole() -> bool:
            keys = footer.query("FooterKey")
            return bool(keys) and all(key.description in footer_line(app) for key in keys)  # type: ignore[attr-defined]

        for width in (160, 60, 40, 30):
            await pilot.resize_terminal(width, 24)
            await until(pilot, lambda width=width: footer.outer_size.width == width)  # type: ignore[misc]
            await until(pilot, whole)


async def test_the_footer_is_made_anew_only_for_other_keys(workspace: Path) -> None:
    write_run(workspace, steps=150, total_steps=600, state=State.FINISHED)
    async with running(size=(120, 36)) as (app, pilot):
        footer = app.screen.query_one(KeyFooter)
        before = list(footer.query("FooterKey"))
        assert before
        for _move in range(3):
            await pilot.press("tab")  # from list to list: the same keys hold
        await pilot.pause()
        assert list(footer.query("FooterKey")) == before
        await pilot.resize_terminal(60, 36)
        await until(pilot, lambda: list(footer.query("FooterKey")) != before)
