"""How the wizard looks: each step in two sizes and languages, without colours, and in whatever room there is."""

from pathlib import Path

import pytest
from screens import SIZES, running, screen_text, settle_on_snapshot, until
from wizard_steps import at_step, foreseen

from engine.language import set_language
from minimind_tui.app.application import MinimindApp
from minimind_tui.core.wizard.foresight import STEPS, Step

HIDE = {r"\d+\.\d(?= s\.)": "0.0", r"\d+\.\d(?= 秒)": "0.0"}
"""How long a look took."""


async def shown(app: MinimindApp, pilot: object, step: Step) -> None:
    """Go to a step and wait for all it tells."""
    screen = await at_step(app, pilot, step)  # type: ignore[arg-type]
    if step == "review":
        await foreseen(pilot, screen)  # type: ignore[arg-type]
    else:
        await until(pilot, lambda: screen.draft.look() is not None)  # type: ignore[arg-type]
    await pilot.pause()  # type: ignore[attr-defined]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("step", STEPS)
async def test_each_step(workspace: Path, step: Step, size: str, language: str) -> None:
    set_language(language)
    async with running(size=SIZES[size]) as (app, pilot):
        if step == "settings":
            screen = await at_step(app, pilot, "data")
            screen.draft.form.set_text("learning_rate", "0.01")
            screen.draft.form.set_text("epochs", "0")
            screen.draft.setting = "epochs"
        await shown(app, pilot, step)
        await settle_on_snapshot(pilot, f"wizard-{step}-{size}-{language}", lambda: screen_text(app), hide=HIDE)


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_what_is_not_ready(workspace: Path, language: str) -> None:
    set_language(language)
    async with running(size=(80, 24)) as (app, pilot):
        screen = await at_step(app, pilot, "settings")
        for name, text in (
            ("num_attention_heads", "3"),
            ("device", "cuda"),
            ("epochs", "x"),
            ("data_path", "gone.jsonl"),
        ):
            screen.draft.form.set_text(name, text)
        await shown(app, pilot, "review")
        await settle_on_snapshot(pilot, f"wizard-not-ready-80x24-{language}", lambda: screen_text(app))


@pytest.mark.parametrize("size", [(20, 5), (40, 12), (10, 3), (200, 60)])
async def test_any_room_will_do(workspace: Path, size: tuple[int, int]) -> None:
    async with running(size=(80, 24)) as (app, pilot):
        for step in STEPS:
            screen = await at_step(app, pilot, step)
            await pilot.resize_terminal(*size)
            await until(pilot, lambda: app.screen.size == size)
            await pilot.press("down", "up", "tab")
            await pilot.resize_terminal(80, 24)
            await until(pilot, lambda: app.screen.size == (80, 24))
            assert app.troubles == [] and app.screen is screen and screen.draft.step == step


async def test_without_colours_everything_is_still_told(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with running(size=(80, 24)) as (app, pilot):
        screen = await at_step(app, pilot, "settings")
        screen.draft.form.set_text("epochs", "0")
        for step in STEPS:
            await shown(app, pilot, step)
        text = screen_text(app)
        assert "! Settings" in text and "Not ready" in text and "✗ epochs" in text
