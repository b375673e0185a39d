"""The first step: cards by key, broken presets, texts that are not here, another preset over changes; saving one."""

from pathlib import Path

from screens import running, screen_text, until, until_shown
from textual.pilot import Pilot
from wizard_steps import at_step, flat, opened, until_told, wizard

from engine.settings.presets import load_preset
from minimind_tui.app.application import MinimindApp
from minimind_tui.app.screens.wizard.preset_step import CardView
from minimind_tui.app.screens.wizard.settings_step import SettingsStep


def under_cursor(app: MinimindApp) -> str:
    focused = app.screen.focused
    assert isinstance(focused, CardView)
    return focused.card.name


def write_preset(workspace: Path, name: str, text: str) -> None:
    (workspace / "presets").mkdir(exist_ok=True)
    (workspace / "presets" / f"{name}.toml").write_text(text, encoding="utf-8")


async def test_cards_tell_what_presets_cost(workspace: Path) -> None:
    async with running(size=(120, 36)) as (app, pilot):
        await opened(app, pilot)
        await until_shown(pilot, "roughly ")
        text = screen_text(app)
        assert "● mini" in text and "○ full" in text and "2.19M parameters" in text and "of 8.0 GB" in text
        assert "datasets/pretrain_data.jsonl: not here yet" in text


async def test_the_arrows_go_from_card_to_card(workspace: Path) -> None:
    async with running(size=(80, 24)) as (app, pilot):
        await opened(app, pilot)
        assert under_cursor(app) == "mini"
        await pilot.press("up", "left")
        assert under_cursor(app) == "mini"
        await pilot.press("down", "down")
        assert under_cursor(app) == "full-moe"
        await pilot.resize_terminal(120, 36)
        await pilot.pause()
        await pilot.press("right")
        assert under_cursor(app) == "mini-moe"
        await pilot.press("up")
        assert under_cursor(app) == "full"


async def test_the_card_under_the_cursor_is_taken(workspace: Path) -> None:
    async with running(size=(80, 24)) as (app, pilot):
        screen = await opened(app, pilot)
        await pilot.press("down", "ctrl+n")
        await until(pilot, lambda: screen.draft.step == "data")
        assert screen.draft.preset == "full"
        assert screen.draft.form.base == load_preset("full").settings()
        await until_told(pilot, "The full pretraining text is not shipped")
        assert "! Data" in screen_text(app)


async def test_a_card_is_taken_with_the_mouse(workspace: Path) -> None:
    async with running(size=(120, 36)) as (app, pilot):
        screen = await opened(app, pilot)
        await pilot.click("#card-1")
        assert under_cursor(app) == "full" and screen.draft.step == "preset"
        await pilot.click("#card-1", times=2)
        await until(pilot, lambda: screen.draft.step == "data")
        assert screen.draft.preset == "full"


async def test_a_broken_preset_is_shown_with_its_error_and_not_taken(workspace: Path) -> None:
    write_preset(workspace, "broken", "[training]\nepochs = 0\n[red]\n")
    write_preset(workspace, "wrong", "[training]\nepochs = 0\n")
    async with running(size=(110, 72)) as (app, pilot):
        screen = await opened(app, pilot)
        text = flat(app)
        assert "It cannot be used: " in text and "unknown table [red]" in text and "epochs = 0" in text
        views = [view for view in screen.query(CardView) if view.card.name == "wrong"]
        views[0].focus()
        await pilot.press("enter")
        await pilot.pause()
        assert screen.draft.step == "preset" and screen.draft.preset == "mini"
        assert any("epochs = 0" in note.message for note in app._notifications)


async def test_texts_of_presets_are_nobody_s_markup(workspace: Path) -> None:
    write_preset(workspace, "a[b]c", '[preset]\nsummary = "[red]not[/red] [@click=app.quit]markup"\n')
    async with running(size=(120, 60)) as (app, pilot):
        await opened(app, pilot)
        text = screen_text(app)
        assert "[red]not[/red] [@click=app.quit]markup" in text and "a[b]c" in text


async def changed_mini(app: MinimindApp, pilot: Pilot[int]) -> None:
    screen = await opened(app, pilot)
    screen.draft.form.set_text("epochs", "4")
    await pilot.press("down", "enter")
    await until_shown(pilot, "You changed 1 settings of mini.")


async def test_another_preset_keeps_changes_when_told_so(workspace: Path) -> None:
    async with running(size=(80, 24)) as (app, pilot):
        await changed_mini(app, pilot)
        await pilot.press("k")
        screen = wizard(app)
        await until(pilot, lambda: screen.draft.step == "data")
        assert screen.draft.preset == "full" and screen.draft.form.field("epochs").text == "4"


async def test_another_preset_as_it_is(workspace: Path) -> None:
    async with running(size=(80, 24)) as (app, pilot):
        await changed_mini(app, pilot)
        await pilot.press("f")
        screen = wizard(app)
        await until(pilot, lambda: screen.draft.step == "data")
        assert screen.draft.preset == "full" and screen.draft.form.changed == []


async def test_the_preset_stays_when_told_so(workspace: Path) -> None:
    async with running(size=(80, 24)) as (app, pilot):
        await changed_mini(app, pilot)
        await pilot.press("s")
        await pilot.pause()
        screen = wizard(app)
        assert (
            screen.draft.step == "preset" and screen.draft.preset == "mini" and screen.draft.form.changed == ["epochs"]
        )


# -- saving one


async def test_a_tuned_form_is_saved_as_a_preset(workspace: Path) -> None:
    async with running(size=(80, 24)) as (app, pilot):
        screen = await at_step(app, pilot, "settings")
        screen.draft.form.set_text("epochs", "4")
        await pilot.press("ctrl+k")
        await until_shown(pilot, "Save as a preset")
        await pilot.press(*"../x")
        await until_shown(pilot, "A name has letters")
        await pilot.press("enter")
        await pilot.press("ctrl+u", *"mine", "enter")
        await until_shown(pilot, "One sentence that says what it is")
        assert "mini: epochs 4" in screen_text(app)
        await pilot.press("enter")
        await until(pilot, lambda: (workspace / "presets" / "mine.toml").exists())
        await until(pilot, lambda: app.screen is screen and screen.draft.preset == "mine")
        assert load_preset("mine").settings().epochs == 4 and load_preset("mine").summary == "mini: epochs 4"
        assert screen.draft.form.changed == []
        await until(pilot, lambda: isinstance(screen.pane, SettingsStep))
        assert "0 changed" in screen_text(app)


async def test_a_preset_is_not_replaced_unasked(workspace: Path) -> None:
    write_preset(workspace, "mine", "[training]\nepochs = 9\n")
    async with running(size=(80, 24)) as (app, pilot):
        screen = await at_step(app, pilot, "settings")
        screen.draft.form.set_text("epochs", "4")
        for answer in ("c", "n", "r"):
            await pilot.press("ctrl+k")
            await until_shown(pilot, "Save as a preset")
            await pilot.press(*"mine", "enter")
            await until_shown(pilot, "presets/mine.toml is there already.")
            await pilot.press(answer)
            await pilot.pause()
            if answer == "n":
                await until_shown(pilot, "its name")
                await pilot.press("escape")
            assert load_preset("mine").settings().epochs == 9
        await until_shown(pilot, "One sentence")
        await pilot.press("enter")
        await until(pilot, lambda: load_preset("mine").settings().epochs == 4)


async def test_a_builtin_s_name_asks_and_a_wrong_form_is_told(workspace: Path) -> None:
    async with running(size=(80, 24)) as (app, pilot):
        screen = await at_step(app, pilot, "settings")
        await pilot.press("ctrl+k")
        await until_shown(pilot, "Save as a preset")
        await pilot.press(*"mini", "enter")
        await until_shown(pilot, "mini is built in; yours takes its place")
        await pilot.press("escape")
        screen.draft.form.set_text("epochs", "x")
        await pilot.press("ctrl+k")
        await until(pilot, lambda: any("epochs = x" in note.message for note in app._notifications))
        assert app.screen is screen and not (workspace / "presets").exists()
