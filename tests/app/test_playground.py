"""The playground: prompts, answers as they come, two sides, stops, deaths, and no process left behind."""

import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from run_material import change_status, write_run
from screens import SIZES, compare_with_snapshot, running, screen_text, settle_on_snapshot, until, until_shown
from textual.pilot import Pilot

from engine.language import set_language
from engine.run.schema import State
from minimind_tui import generating
from minimind_tui.app.application import MinimindApp
from minimind_tui.app.screens.playground.screen import PlaygroundScreen
from minimind_tui.app.screens.playground.typing_fields import PromptArea
from minimind_tui.core.playground import AnswerState

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def writer(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The fake writer in place of torch; returns the file that keeps what it is asked."""
    monkeypatch.setattr(generating, "WORKER", "fake_writer")
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    monkeypatch.setenv("FAKE_WRITER_STEP", "200")
    log = workspace / "asked.jsonl"
    monkeypatch.setenv("FAKE_WRITER_LOG", str(log))
    return log


def asked(log: Path) -> list[dict[str, Any]]:
    """The requests for a text; those that only load a model ahead are left out."""
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return [request for line in lines if (request := json.loads(line))["max_tokens"]]


def screen_of(app: MinimindApp) -> PlaygroundScreen:
    assert isinstance(app.screen, PlaygroundScreen)
    return app.screen


async def opened(app: MinimindApp, pilot: Pilot[int]) -> PlaygroundScreen:
    await pilot.press("f5")
    await pilot.pause()
    return screen_of(app)


async def write(pilot: Pilot[int], screen: PlaygroundScreen, prompt: str, *, wait: bool = True) -> None:
    """Give a prompt as if it was typed, and wait for all answers."""
    screen.query_one(PromptArea).put(prompt)
    await pilot.pause()
    await pilot.press("enter")
    if wait:
        await until(pilot, lambda: bool(screen.state.left.answers) and not screen.state.is_writing)
        await until(pilot, lambda: screen._writers.is_quiet and not screen._draw_planned)
        await pilot.pause()


def pids(screen: PlaygroundScreen) -> list[int]:
    return screen._writers.pids


def without_footer(app: MinimindApp) -> str:
    return "".join(screen_text(app).splitlines(keepends=True)[:-1])


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


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


@pytest.mark.parametrize("key", ["ctrl+x", "escape"])
async def test_writing_stops_at_once(key: str, workspace: Path) -> None:
    write_run(workspace)
    async with running(size=(80, 24)) as (app, pilot):
        screen = await opened(app, pilot)
        await write(pilot, screen, "long", wait=False)
        await until_shown(pilot, "word5")
        assert "Stop" in screen_text(app).splitlines()[-1]
        await pilot.press(key)
        answer = screen.state.left.answers[0]
        assert answer.state is AnswerState.STOPPED
        shown = answer.text
        await pilot.pause(0.2)
        assert answer.text == shown and "stopped" in screen_text(app)
        assert "Stop" not in screen_text(app).splitlines()[-1]
        await write(pilot, screen, "again")
        assert screen.state.left.answers[-1].state is AnswerState.DONE, "the process serves on"
        await pilot.press("escape")
        await pilot.pause()
        assert not isinstance(app.screen, PlaygroundScreen), "with nothing to stop, escape goes back"


async def test_it_does_not_begin_anew_while_it_writes(workspace: Path, writer: Path) -> None:
    write_run(workspace)
    async with running(size=(80, 24)) as (app, pilot):
        screen = await opened(app, pilot)
        await write(pilot, screen, "long", wait=False)
        await until_shown(pilot, "word5")
        await pilot.press("ctrl+g")
        await until_shown(pilot, "still writing")
        assert len(screen.state.left.answers) == 1


async def test_two_sides_get_the_same_prompt_and_seed(workspace: Path, writer: Path) -> None:
    run = write_run(workspace, steps=200)
    async with running(size=(80, 24)) as (app, pilot):
        screen = await opened(app, pilot)
        await pilot.press("ctrl+d")
        await until_shown(pilot, "step 150")
        await pilot.press(*"step", "space", *"150")
        await pilot.pause()
        await pilot.press("enter")
        await until(pilot, lambda: len(screen.query(".pane")) == 2)
        await write(pilot, screen, "Once")
        left, right = asked(writer)
        if "checkpoints" in left["weights"]:
            left, right = right, left
        assert right["weights"] == str(run.checkpoints / "step-00000150/model.safetensors")
        same = ("prompt", "seed", "temperature", "max_tokens", "threads")
        assert [left[name] for name in same] == [right[name] for name in same]
        assert left["threads"] == 1, "half of the two cores"
        assert screen_text(app).count("Once once upon a time") == 2
        both = pids(screen)
        assert len(both) == 2
        await pilot.press("ctrl+d")
        await until(pilot, lambda: len(screen.query(".pane")) == 1)
        assert sum(map(is_gone, both)) == 1
        await write(pilot, screen, "Once")
        assert len(asked(writer)) == 3 and asked(writer)[2]["threads"] is None


async def test_leaving_while_it_writes_leaves_no_process(workspace: Path) -> None:
    write_run(workspace)
    async with running() as (app, pilot):
        screen = await opened(app, pilot)
        await write(pilot, screen, "long", wait=False)
        await until_shown(pilot, "word5")
        [pid] = pids(screen)
        await pilot.press("f2")
        await until(pilot, lambda: is_gone(pid), 3)


async def test_quitting_while_it_writes_leaves_no_process(workspace: Path) -> None:
    write_run(workspace)
    async with running() as (app, pilot):
        screen = await opened(app, pilot)
        await write(pilot, screen, "long", wait=False)
        await until_shown(pilot, "word5")
        [pid] = pids(screen)
        await pilot.press("ctrl+q")
    for _attempt in range(60):
        if is_gone(pid):
            return
        time.sleep(0.05)
    pytest.fail("an orphan")


async def test_a_killed_process_is_told_and_another_takes_over(workspace: Path) -> None:
    write_run(workspace)
    async with running() as (app, pilot):
        screen = await opened(app, pilot)
        await write(pilot, screen, "long", wait=False)
        await until_shown(pilot, "word5")
        os.kill(pids(screen)[0], signal.SIGKILL)
        await until_shown(pilot, "✗ The generating process was killed")
        await write(pilot, screen, "again")
        assert "again once upon a time" in screen_text(app)
        os.kill(pids(screen)[0], signal.SIGKILL)
        await until_shown(pilot, "The next prompt starts another.")
        await write(pilot, screen, "once more")
        assert "starts another" not in screen_text(app) and "once more once upon" in screen_text(app)


@pytest.mark.parametrize(
    ("prompt", "words"), [("die", "code 9: no such device"), ("error", "the tokenizer is another one [/red]")]
)
async def test_failures_are_told_in_the_pane(prompt: str, words: str, workspace: Path) -> None:
    write_run(workspace)
    async with running() as (app, pilot):
        screen = await opened(app, pilot)
        await write(pilot, screen, prompt)
        await until_shown(pilot, words)
        await write(pilot, screen, "fine")
        assert "fine once upon a time" in screen_text(app)


async def test_a_run_without_weights_and_a_deleted_one_are_told(workspace: Path) -> None:
    early = write_run(workspace, "early", steps=10, state=State.RUNNING, save_every=0)
    async with running() as (app, pilot):
        app.open_playground(early)
        await pilot.pause()
        screen = screen_of(app)
        await write(pilot, screen, "x")
        assert "has saved no weights yet" in screen_text(app)
        shutil.rmtree(early.path)
        await write(pilot, screen, "y")
        assert screen.state.left.answers[-1].state is AnswerState.FAILED
        assert "✗" in screen_text(app)


async def test_a_deleted_checkpoint_goes_on_from_memory_and_says_so(workspace: Path) -> None:
    run = write_run(workspace, steps=200)
    async with running() as (app, pilot):
        app.open_playground(run, 150)
        await pilot.pause()
        screen = screen_of(app)
        await write(pilot, screen, "x")
        assert f"{run.id} · step 150" in screen_text(app)
        shutil.rmtree(run.checkpoints / "step-00000150")
        await write(pilot, screen, "y")
        assert "Its weights were deleted" in screen_text(app) and "y once upon a time" in screen_text(app)


async def test_a_damaged_checkpoint_is_refused(workspace: Path, writer: Path) -> None:
    run = write_run(workspace, steps=200)
    (run.checkpoints / "step-00000150/model.safetensors").write_bytes(b"weights of step 151")
    async with running() as (app, pilot):
        app.open_playground(run, 150)
        await pilot.pause()
        await write(pilot, screen_of(app), "x")
        assert "hash differs" in screen_text(app) and asked(writer) == []


async def test_what_a_model_writes_is_text_and_nothing_else(workspace: Path) -> None:
    write_run(workspace)
    async with running(size=(80, 24)) as (app, pilot):
        screen = await opened(app, pilot)
        await write(pilot, screen, "hostile")
        text = screen_text(app)
        assert "hostile [31mred [bold]b[/bold] [/] 从前" in text
        assert not {"\x1b", "\x07", "\u202e"} & set(text)


async def test_newer_weights_of_a_training_run_are_offered_and_taken(
    workspace: Path, writer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_WRITER_STEP", "150")
    run = write_run(workspace, steps=160, state=State.RUNNING)
    async with running(size=(80, 24)) as (app, pilot):
        app.open_playground(run, 100)
        await pilot.pause()
        screen = screen_of(app)
        assert "Step 150 is there; ctrl+n takes it." in screen_text(app)
        await pilot.press("ctrl+n")
        await write(pilot, screen, "x")
        assert "is there" not in screen_text(app)
        assert asked(writer)[0]["weights"].startswith(str(run.weights))
        change_status(run, step=210, last_checkpoint=200)
        await until_shown(pilot, "Step 200 is there; the next prompt takes it.")
        monkeypatch.setenv("FAKE_WRITER_STEP", "200")
        await pilot.press("ctrl+n")
        await until_shown(pilot, "The newest weights")


async def test_it_keeps_off_an_accelerator_that_a_run_holds(
    workspace: Path, writer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_WRITER_DEVICE", "cuda:0")
    run = write_run(workspace, "old")
    async with running(size=(120, 36)) as (app, pilot):
        assert app.device_facts is not None
        app.device_facts = app.device_facts.model_copy(update={"device": "cuda"})
        screen = await opened(app, pilot)
        await write(pilot, screen, "x")
        assert "cuda:0" in screen_text(app)
        [pid] = pids(screen)
        live = write_run(workspace, "live", state=State.RUNNING)
        app.device_facts = app.device_facts.model_copy(update={"host": json.loads(live.status.read_bytes())["host"]})
        await until(pilot, lambda: is_gone(pid))
        await until_shown(pilot, f"Writing on the cpu: {live.id} trains on the accelerator.")
        await write(pilot, screen, "y")
        assert [request["device"] for request in asked(writer)] == ["auto", "cpu"]
        assert all(str(run.path) in request["weights"] for request in asked(writer))


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


async def test_every_function_key_works_from_within_the_prompt(workspace: Path) -> None:
    write_run(workspace)
    async with running(size=(80, 24)) as (app, pilot):
        screen = await opened(app, pilot)
        assert isinstance(app.focused, PromptArea)
        live = {key for key, active in screen.active_bindings.items() if (active.binding.id or "").startswith("app.")}
        assert {"f1", "f2", "f3", "f4", "f5", "f6", "f7", "escape", "ctrl+q", "ctrl+p"} <= live


async def test_without_a_model_it_says_how_to_begin(workspace: Path) -> None:
    async with running(size=(80, 24)) as (app, pilot):
        screen = await opened(app, pilot)
        assert "There is no model yet." in screen_text(app) and "minimind run --preset mini" in screen_text(app)
        await pilot.press("x", "enter")
        await until_shown(pilot, "Choose a model first: ctrl+o.")
        assert not screen.state.left.answers
        write_run(workspace)
        await until_shown(pilot, "Type a beginning", 5)


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
        compare_with_snapshot(f"playground-empty-{size}-{language}", without_footer(app))
        await write(pilot, screen, "Once")
        await write(pilot, screen, "limit")
        compare_with_snapshot(f"playground-{size}-{language}", without_footer(app))
        await pilot.press("ctrl+d")
        await until_shown(pilot, "150")
        await settle_on_snapshot(pilot, f"playground-models-{size}-{language}", lambda: without_footer(app))
        await pilot.press("down", "down", "enter")
        await until(pilot, lambda: len(screen.query(".pane")) == 2)
        await write(pilot, screen, "从前")
        compare_with_snapshot(f"playground-two-{size}-{language}", without_footer(app))
