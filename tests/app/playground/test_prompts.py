"""Prompts and options as they are typed: what reaches the process, what is wrong, earlier prompts, many lines."""

import json
from pathlib import Path

import pytest
from playground_driving import asked, opened, pids, write
from run_material import write_run
from screens import running, screen_text, until, until_shown

from minimind_tui.app.screens.playground.typing_fields import PromptArea


async def test_a_prompt_is_typed_and_answered_by_the_newest_run(workspace: Path, writer: Path) -> None:
    run = write_run(workspace, steps=200)
    async with running(size=(80, 24)) as (app, pilot):
        screen = await opened(app, pilot)
        await pilot.press(*"Once", "space", *"more", "enter")
        await until_shown(pilot, "3 tokens · 42/s · perplexity 2.72 · seed")
        text = screen_text(app)
        assert "Once more once upon a time" in text and f"{run.id} · newest · step 200" in text
        assert screen.query_one(PromptArea).text == "Once more", "the prompt stays, to be tried again"
        [request] = asked(writer)
        assert request["weights"] == str(run.weights / "pretrain_160.safetensors")
        assert request["prompt"] == "Once more" and request["device"] == "auto" and request["threads"] is None


async def test_the_model_is_loaded_while_the_prompt_is_typed(workspace: Path, writer: Path) -> None:
    write_run(workspace)
    async with running(size=(80, 24)) as (app, pilot):
        screen = await opened(app, pilot)
        assert pids(screen) == [], "a look at the screen costs nothing"
        await pilot.press("a", "b", "c")
        await until(pilot, lambda: screen.state.left.device == "cpu")
        [loading] = [json.loads(line) for line in writer.read_text().splitlines()]
        assert loading["max_tokens"] == 0 and screen.state.left.answers == []
        assert "step 200" in screen_text(app)
        [pid] = pids(screen)
        await write(pilot, screen, "abc")
        assert pids(screen) == [pid] and len(asked(writer)) == 1
        await pilot.press("ctrl+d")
        await until_shown(pilot, "enter takes it")
        await pilot.press("down", "enter")
        await until(pilot, lambda: screen.state.right is not None and screen.state.right.device == "cpu")
        assert len(asked(writer)) == 1, "a second model is loaded as soon as it is chosen"


async def test_every_option_is_typed_by_keys_and_reaches_the_process(workspace: Path, writer: Path) -> None:
    write_run(workspace)
    async with running(size=(80, 24)) as (app, pilot):
        screen = await opened(app, pilot)
        for value in ("1.5", "40", "0.7", "17", "64"):
            await pilot.press("tab", *value)  # entering a field selects what is in it
        await pilot.press("enter")
        await until(pilot, lambda: len(screen.state.left.answers) == 1 and not screen.state.is_writing)
        [request] = asked(writer)
        expected = {"temperature": 1.5, "top_k": 40, "top_p": 0.7, "seed": 17, "max_tokens": 64}
        assert request.items() >= expected.items()


async def test_without_a_seed_each_answer_draws_another(workspace: Path, writer: Path) -> None:
    write_run(workspace)
    async with running() as (app, pilot):
        screen = await opened(app, pilot)
        for _n in range(3):
            await write(pilot, screen, "x")
        assert len({request["seed"] for request in asked(writer)}) == 3
        assert [answer.seed for answer in screen.state.left.answers] == [request["seed"] for request in asked(writer)]


@pytest.mark.parametrize(
    ("tabs", "text", "words"),
    [
        (1, "warm", "Temperature: expected a number."),
        (2, "-1", "Top-k: expected 0 to"),
        (3, "0", "Top-p: expected more than 0"),
        (4, "x", "Seed: expected a whole number."),
        (5, "0", "Tokens: expected 1 to 32768."),
    ],
)
async def test_a_wrong_option_is_told_in_place_and_nothing_is_written(
    tabs: int, text: str, words: str, workspace: Path, writer: Path
) -> None:
    write_run(workspace)
    async with running(size=(80, 24)) as (app, pilot):
        screen = await opened(app, pilot)
        await pilot.press(*["tab"] * tabs, *text)
        await pilot.pause()
        assert words in screen_text(app)
        wrong = app.focused
        await pilot.press("shift+tab", "enter")
        await pilot.pause()
        assert not screen.state.left.answers and asked(writer) == []
        assert app.focused is wrong, "the cursor is where it has to be mended"


async def test_earlier_prompts_come_back_by_either_key(workspace: Path) -> None:
    write_run(workspace)
    async with running(size=(80, 24)) as (app, pilot):
        screen = await opened(app, pilot)
        for prompt in ("one", "two\nlines", "three"):
            await write(pilot, screen, prompt)
        area = screen.query_one(PromptArea)
        area.put("draft")
        await pilot.press("up")
        await pilot.pause()
        assert area.text == "three"
        await pilot.press("ctrl+up")
        await pilot.pause()
        assert area.text == "two\nlines"
        await pilot.press("up")
        await pilot.pause()
        assert area.text == "two\nlines" and area.cursor_location[0] == 0, "first the cursor moves within the text"
        await pilot.press("up")
        await pilot.pause()
        assert area.text == "one"
        await pilot.press("down", "down")
        await pilot.pause()
        assert area.text == "three"
        await pilot.press("ctrl+down")
        await pilot.pause()
        assert area.text == "draft"


@pytest.mark.parametrize("key", ["ctrl+j", "shift+enter"])
async def test_a_prompt_may_have_many_lines(key: str, workspace: Path, writer: Path) -> None:
    write_run(workspace)
    async with running(size=(80, 24)) as (app, pilot):
        screen = await opened(app, pilot)
        await pilot.press("a", key, "b", "enter")
        await until(pilot, lambda: len(screen.state.left.answers) == 1 and not screen.state.is_writing)
        assert asked(writer)[0]["prompt"] == "a\nb"


async def test_every_function_key_works_from_within_the_prompt(workspace: Path) -> None:
    write_run(workspace)
    async with running(size=(80, 24)) as (app, pilot):
        screen = await opened(app, pilot)
        assert isinstance(app.focused, PromptArea)
        live = {key for key, active in screen.active_bindings.items() if (active.binding.id or "").startswith("app.")}
        assert {"f1", "f2", "f3", "f4", "f5", "f6", "f7", "escape", "ctrl+q", "ctrl+p"} <= live
