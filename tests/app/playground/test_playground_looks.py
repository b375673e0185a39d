"""What the playground shows: hostile texts, scrolling, copies, sizes, themes, languages, and its snapshots."""

from pathlib import Path

import pytest
from playground_driving import opened, without_footer, write
from run_material import write_run
from screens import SIZES, running, screen_text, settle_on_snapshot, until, until_shown

from engine.language import set_language
from minimind_tui.app.screens.playground.typing_fields import PromptArea
from minimind_tui.core.playground import AnswerState


async def test_what_a_model_writes_is_text_and_nothing_else(workspace: Path) -> None:
    write_run(workspace)
    async with running(size=(80, 24)) as (app, pilot):
        screen = await opened(app, pilot)
        await write(pilot, screen, "hostile")
        text = screen_text(app)
        assert "hostile [31mred [bold]b[/bold] [/] 从前" in text
        assert not {"\x1b", "\x07", "\u202e"} & set(text)


async def test_the_last_answer_is_copied(workspace: Path) -> None:
    write_run(workspace)
    async with running(size=(80, 24)) as (app, pilot):
        screen = await opened(app, pilot)
        await pilot.press("ctrl+y")
        await until_shown(pilot, "nothing to copy")
        await write(pilot, screen, "Once")
        await pilot.press("ctrl+y")
        await until_shown(pilot, "Copied: 21 characters.")
        assert app.clipboard == "Once once upon a time"


async def test_what_was_written_scrolls_and_follows(workspace: Path) -> None:
    write_run(workspace)
    async with running(size=(80, 24)) as (app, pilot):
        screen = await opened(app, pilot)
        for number in range(2):
            await write(pilot, screen, "line\n" * 30 + f"prompt {number}")
        await until_shown(pilot, "prompt 1 once")
        await pilot.press("pageup")
        await pilot.pause()
        assert "prompt 1 once" not in screen_text(app)
        scrolled = screen_text(app)
        screen._draw()
        await pilot.pause(0.1)
        assert screen_text(app) == scrolled, "who reads is not moved"
        for _n in range(9):
            await pilot.press("pagedown")
        await pilot.pause()
        assert "prompt 1 once" in screen_text(app)
        await write(pilot, screen, "prompt 2")
        assert "prompt 2 once" in screen_text(app)
        await pilot.press("ctrl+l")
        await pilot.pause()
        assert "prompt 2 once" not in screen_text(app) and "Type a beginning" in screen_text(app)


async def test_everything_is_there_again_after_a_visit_elsewhere(workspace: Path) -> None:
    write_run(workspace, steps=200)
    async with running(size=(80, 24)) as (app, pilot):
        screen = await opened(app, pilot)
        await pilot.press("tab", *"1.5")
        await write(pilot, screen, "Once")
        screen.query_one(PromptArea).put("half typed")
        await pilot.pause()
        await pilot.press("f2")
        await pilot.pause()
        again = await opened(app, pilot)
        assert again is not screen
        text = screen_text(app)
        assert "Once once upon a time" in text and "half typed" in text and "1.5" in text


async def test_another_language_keeps_everything(workspace: Path) -> None:
    write_run(workspace, steps=200)
    async with running(size=(80, 24)) as (app, pilot):
        screen = await opened(app, pilot)
        await write(pilot, screen, "Once")
        await pilot.press("f7")
        await until_shown(pilot, "提示")
        text = screen_text(app)
        assert "Once once upon a time" in text and "perplexity" not in text
        await write(pilot, screen, "从前")
        assert "从前 once upon a time" in screen_text(app)


@pytest.mark.parametrize(
    ("size", "theme"),
    [
        ((20, 5), "minimind-dark"),
        ((40, 12), "minimind-light"),
        ((80, 24), "ansi-dark"),
        ((200, 60), "minimind-light"),
    ],
)
async def test_any_size_and_theme_can_be_used(size: tuple[int, int], theme: str, workspace: Path) -> None:
    write_run(workspace, steps=200)
    async with running(size=size) as (app, pilot):
        app.theme = theme
        screen = await opened(app, pilot)
        await write(pilot, screen, "Once")
        await pilot.press("ctrl+o")
        await pilot.pause()
        await pilot.press("escape")
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert "Once once upon a time" in screen_text(app)
        assert screen.state.left.answers[0].state is AnswerState.DONE


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("size", SIZES)
async def test_how_it_looks(size: str, language: str, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minimind_tui.core.playground.secrets.randbelow", lambda _below: 123456789)
    set_language(language)
    write_run(workspace, steps=200)
    async with running(size=SIZES[size]) as (app, pilot):
        screen = await opened(app, pilot)
        await settle_on_snapshot(pilot, f"playground-empty-{size}-{language}", lambda: without_footer(app))
        await write(pilot, screen, "Once")
        await write(pilot, screen, "limit")
        await settle_on_snapshot(pilot, f"playground-{size}-{language}", lambda: without_footer(app))
        await pilot.press("ctrl+d")
        await until_shown(pilot, "150")
        await settle_on_snapshot(pilot, f"playground-models-{size}-{language}", lambda: without_footer(app))
        await pilot.press("down", "down", "enter")
        await until(pilot, lambda: len(screen.query(".pane")) == 2)
        await write(pilot, screen, "从前")
        await settle_on_snapshot(pilot, f"playground-two-{size}-{language}", lambda: without_footer(app))
