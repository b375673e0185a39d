"""What was set up stays: over steps, away and back, in another language; and asks before it is lost."""

from pathlib import Path

from screens import running, screen_text, until, until_shown
from wizard_steps import at_step, field, flat, foreseen, opened, type_into, wizard

from engine.language import current_language
from engine.settings.presets import load_preset
from minimind_tui.app.screens.wizard.field_list import FieldList
from minimind_tui.app.screens.wizard.form_input import FormInput
from minimind_tui.app.screens.wizard.screen import WizardScreen


async def test_going_back_and_forth_loses_nothing(workspace: Path) -> None:
    async with running(size=(80, 24)) as (app, pilot):
        screen = await at_step(app, pilot, "settings")
        await field(pilot, screen, "warmup_steps", "7")
        await field(pilot, screen, "epochs", "x")
        await at_step(app, pilot, "review")
        await type_into(pilot, screen, "#run-name", "mine")
        await type_into(pilot, screen, "#budget", "2h")
        for step in ("settings", "data", "preset", "data", "settings", "review", "settings"):
            await at_step(app, pilot, step)  # type: ignore[arg-type]
        form = screen.draft.form
        assert form.field("warmup_steps").text == "7" and form.field("epochs").text == "x"
        assert form.changed == ["epochs", "warmup_steps"]
        assert screen.draft.setting == "epochs" and screen.query_one(FieldList).setting == "epochs", "where one was"
        await at_step(app, pilot, "review")
        assert screen.query_one("#run-name", FormInput).value == "mine"
        assert screen.query_one("#budget", FormInput).value == "2h"


async def test_leaving_and_returning_goes_on_where_one_was(workspace: Path) -> None:
    async with running(size=(80, 24)) as (app, pilot):
        screen = await at_step(app, pilot, "settings")
        await field(pilot, screen, "seed", "7")
        await pilot.press("escape")
        await pilot.pause()
        assert not isinstance(app.screen, WizardScreen)
        again = await opened(app, pilot)
        assert again is not screen and again.draft is screen.draft and again.draft.step == "settings"
        assert again.query_one(FieldList).setting == "seed" and again.focused is again.query_one(FieldList)
        await pilot.press("f3")
        await pilot.pause()
        assert wizard(app).draft is screen.draft
        assert len(app.screen_stack) == 3, "one wizard above home"


async def test_another_language_keeps_everything(workspace: Path) -> None:
    async with running(size=(80, 24)) as (app, pilot):
        screen = await at_step(app, pilot, "settings")
        await field(pilot, screen, "epochs", "x")
        await pilot.press("f7")
        await until(pilot, lambda: current_language() == "zh")
        await until_shown(pilot, "epochs = x")
        assert "whole number" not in flat(app) and screen.draft.form.problem("epochs") in flat(app)
        await until(pilot, lambda: screen.focused is screen.query_one(FieldList))
        assert screen.query_one(FieldList).setting == "epochs"
        await pilot.press("2")
        assert screen.draft.form.field("epochs").text == "2"
        for step in ("preset", "data", "settings", "review"):
            await at_step(app, pilot, step)  # type: ignore[arg-type]
        await foreseen(pilot, screen)
        await pilot.press("f7")
        await until(pilot, lambda: current_language() == "en")
        await until_shown(pilot, "Ready")
        assert "--epochs 2" in screen_text(app)


async def test_a_step_told_in_another_language_is_looked_at_in_it(workspace: Path) -> None:
    async with running(size=(120, 36)) as (app, pilot):
        await at_step(app, pilot, "data")
        await until_shown(pilot, "300 documents")
        await pilot.press("f7")
        await until(pilot, lambda: current_language() == "zh")
        await until(pilot, lambda: "300" in screen_text(app) and "documents" not in screen_text(app))


async def test_a_preset_chosen_elsewhere_begins_with_its_data(workspace: Path) -> None:
    async with running(size=(80, 24)) as (app, pilot):
        app.open_wizard(preset="minimind3")
        await pilot.pause()
        screen = wizard(app)
        assert screen.draft.preset == "minimind3" and screen.draft.step == "data"
        app.open_wizard(preset="mini")
        await pilot.pause()
        assert wizard(app).draft.preset == "mini", "nothing was changed, so nothing is asked"


async def test_what_would_be_lost_is_asked_for(workspace: Path) -> None:
    async with running(size=(80, 24)) as (app, pilot):
        screen = await at_step(app, pilot, "settings")
        screen.draft.form.set_text("epochs", "5")
        for answer, preset in (("g", "mini"), ("b", "full")):
            app.open_wizard(preset="full")
            await until_shown(pilot, "A run was being set up")
            assert "from mini and had changed 1" in flat(app)
            await pilot.press(answer)
            await until(pilot, lambda: isinstance(app.screen, WizardScreen))
            await pilot.pause()
            assert wizard(app).draft.preset == preset
            assert bool(wizard(app).draft.form.changed) == (preset == "mini")
            assert wizard(app).draft.step == ("settings" if preset == "mini" else "data")


async def test_settings_to_begin_with_are_marked_against_their_preset(workspace: Path) -> None:
    settings = load_preset("mini").settings().model_copy(update={"epochs": 8, "adam_eps": 1e-6})
    async with running(size=(80, 24)) as (app, pilot):
        app.open_wizard(preset="mini", settings=settings)
        await pilot.pause()
        screen = wizard(app)
        assert screen.draft.step == "settings" and screen.draft.form.changed == ["epochs", "adam_eps"]
        assert screen.draft.settings(None, None) == settings
        assert "2 changed" in screen_text(app)


async def test_a_preset_that_cannot_be_used_is_told_and_another_taken(workspace: Path) -> None:
    (workspace / "presets").mkdir()
    (workspace / "presets" / "bad.toml").write_text("[training]\nepochs = 0\n")
    async with running(size=(80, 24)) as (app, pilot):
        app.open_wizard(preset="bad")
        await pilot.pause()
        assert wizard(app).draft.preset == "mini"
        assert any("epochs = 0" in note.message for note in app._notifications)
