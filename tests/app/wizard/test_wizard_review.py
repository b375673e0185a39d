"""The last step: what the run will be, reasons and where they are mended, budget, name, command, calibration."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from screens import running, screen_text, until, until_shown
from wizard_steps import at_step, command_shown, field, flat, foreseen, type_into, until_told

from engine.estimate.calibration import Calibration
from minimind_tui.app.screens.wizard.form_input import FormInput
from minimind_tui.app.screens.wizard.review_step import ReasonLine, ReviewStep

HERE = Path(__file__).parent


async def test_the_run_is_previewed_in_words_and_as_a_curve(workspace: Path) -> None:
    async with running(size=(120, 36)) as (app, pilot):
        screen = await at_step(app, pilot, "review")
        await foreseen(pilot, screen)
        text = flat(app)
        assert "3 x 1 x 1 = 3 rows, x 256 = 768 positions, about" in text and "✓ Ready." in text
        for words in (
            "2.19M parameters",
            "all epochs",
            "Test CPU (cpu), fp32, threads: 2",
            "of 8.0 GB",
            "very roughly",
        ):
            assert words in text
        assert "an hour" not in text and command_shown(screen) == "minimind run --preset mini"
        assert isinstance(screen.pane, ReviewStep)
        told = dict(screen.pane.lines)
        assert "a checkpoint takes 21.6 MB" in told["disk"] and "at the end" in told["learning rate"]
        assert any("\u2800" < character <= "\u28ff" for character in text), "the learning rate is drawn"


async def test_it_fits_a_small_terminal(workspace: Path) -> None:
    async with running(size=(80, 24)) as (app, pilot):
        screen = await at_step(app, pilot, "review")
        await foreseen(pilot, screen)
        text = flat(app)
        for words in ("Ready", "Name", "Budget", "an update", "updates", "memory", "time", "disk"):
            assert words in text
        screen.query_one("#review").focus()
        await pilot.press("end")
        await pilot.pause()
        assert "Learning rate over the updates" in flat(app)


async def test_money_is_told_at_a_price(workspace: Path) -> None:
    async with running(size=(120, 36)) as (app, pilot):
        app.change_preferences(price_per_hour=3.0, currency="€")
        screen = await at_step(app, pilot, "review")
        await foreseen(pilot, screen)
        assert "at €3.00 an hour" in flat(app)


async def test_a_reason_leads_to_the_field_that_mends_it(workspace: Path) -> None:
    async with running(size=(120, 36)) as (app, pilot):
        screen = await at_step(app, pilot, "settings")
        screen.draft.form.set_text("num_attention_heads", "3")
        screen.draft.form.set_text("device", "cuda")
        await at_step(app, pilot, "review")
        seen = await foreseen(pilot, screen)
        assert {reason.field for reason in seen.reasons} == {"num_attention_heads", "device"}
        assert "Not ready:" in flat(app) and "› Settings: device" in flat(app)
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(screen.focused, ReasonLine), "the start leads to the first reason"
        while screen.focused.reason.field != "num_attention_heads":
            await pilot.press("down")
        await pilot.press("enter")
        await until(pilot, lambda: screen.draft.step == "settings")
        await until(pilot, lambda: screen.draft.setting == "num_attention_heads")
        assert "Query heads per layer." in flat(app)


async def test_a_missing_text_leads_to_the_data(workspace: Path) -> None:
    async with running(size=(80, 24)) as (app, pilot):
        screen = await at_step(app, pilot, "data")
        await type_into(pilot, screen, "#data-path", "gone.jsonl")
        await at_step(app, pilot, "review")
        seen = await foreseen(pilot, screen)
        assert [reason.step for reason in seen.reasons] == ["data"] and "There is no file gone.jsonl" in flat(app)
        await pilot.press("ctrl+r", "enter")
        await until(pilot, lambda: screen.draft.step == "data")


async def test_a_budget_takes_the_place_of_the_epochs(workspace: Path) -> None:
    async with running(size=(120, 36)) as (app, pilot):
        screen = await at_step(app, pilot, "review")
        await foreseen(pilot, screen)
        await type_into(pilot, screen, "#budget", "2h")
        await until_told(pilot, "time_budget ends it")
        command = screen.draft.command(None, app.device_facts)
        assert "--time_budget 2h" in command and "--epochs " in command and command == command_shown(screen)
        await type_into(pilot, screen, "#budget", "soon")
        await until_told(pilot, "'soon' is no budget")
        await until_told(pilot, "Not ready:")
        assert "--time_budget" not in command_shown(screen)
        await type_into(pilot, screen, "#budget", "$5")
        await until_told(pilot, "say what an hour costs")
        app.change_preferences(price_per_hour=2.5)
        await type_into(pilot, screen, "#budget", "$5 ")
        await until_told(pilot, "✓ Ready.")
        assert "--time_budget 2h" in command_shown(screen)
        await type_into(pilot, screen, "#budget", "")
        await until_told(pilot, "all epochs")
        assert command_shown(screen) == "minimind run --preset mini"


async def test_until_a_moment(workspace: Path) -> None:
    async with running(size=(120, 36)) as (app, pilot):
        screen = await at_step(app, pilot, "review")
        moment = (datetime.now().astimezone() + timedelta(hours=5)).strftime("%Y-%m-%d %H:%M")
        await type_into(pilot, screen, "#budget", moment)
        await until_told(pilot, "the deadline ends it")
        assert f"--deadline '{moment}'" in command_shown(screen)
        await type_into(pilot, screen, "#budget", "2020-01-01 08:00")
        await until_told(pilot, "is over")


async def test_a_name_that_no_folder_can_have_is_made_one(workspace: Path) -> None:
    async with running(size=(80, 24)) as (app, pilot):
        screen = await at_step(app, pilot, "review")
        await type_into(pilot, screen, "#run-name", "my run")
        assert "It will be called my-run." in flat(app)
        assert "--name 'my run'" in command_shown(screen)
        await pilot.press("enter")
        await pilot.pause()
        assert screen.focused is not None and screen.focused.id == "start"


async def test_the_command_is_copied_and_that_is_said(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(size=(120, 36)) as (app, pilot):
        copied: list[str] = []
        monkeypatch.setattr(app, "copy_to_clipboard", copied.append)
        screen = await at_step(app, pilot, "settings")
        screen.draft.form.set_text("epochs", "2")
        await pilot.press("ctrl+y")
        await until_told(pilot, "Copied: minimind run --preset mini --epochs 2")
        assert copied == ["minimind run --preset mini --epochs 2"]
        screen.draft.form.set_text("epochs", "x")
        await pilot.press("ctrl+y")
        await until_told(pilot, "First mend what is wrong")
        assert len(copied) == 1


async def test_keys_belong_to_their_steps(workspace: Path) -> None:
    async with running(size=(120, 36)) as (app, pilot):
        screen = await at_step(app, pilot, "data")
        for key in ("ctrl+r", "ctrl+t", "ctrl+k", "ctrl+y", "ctrl+g", "ctrl+f", "ctrl+z"):
            await pilot.press(key)
            await pilot.pause()
            assert app.screen is screen and screen.draft.step == "data"
        assert "Calibrate" not in screen_text(app)
        await at_step(app, pilot, "review")
        await until_shown(pilot, "Calibrate")


async def test_the_steps_are_clicked(workspace: Path) -> None:
    async with running(size=(120, 36)) as (app, pilot):
        screen = await at_step(app, pilot, "preset")
        await pilot.click("#steps", offset=(46, 0))
        await until(pilot, lambda: screen.draft.step == "review")
        await pilot.click("#steps", offset=(20, 0))
        await until(pilot, lambda: screen.draft.step == "data")
        await pilot.click("#steps", offset=(90, 0))
        await pilot.pause()
        assert screen.draft.step == "data"


# -- calibrating


@pytest.fixture
def calibration(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fake that measures when `measure-now` is there; then the preview knows the result."""
    monkeypatch.setattr("minimind_tui.app.screens.wizard.calibrating.MODULE", "fake_calibration")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), os.environ["PYTHONPATH"]]))

    def load(*_arguments: Any, **_named: Any) -> Calibration | None:
        if not (workspace / "measured").exists():
            return None
        return Calibration(
            seconds=0.25,
            seconds_low=0.2,
            seconds_high=0.3,
            tokens_per_s=3000.0,
            updates=40,
            when=datetime.now(UTC),
            source="calibration",
            accumulation_steps=1,
        )

    monkeypatch.setattr("minimind_tui.core.wizard.foresight.load_calibration", load)
    return workspace


async def test_a_calibration_is_watched_and_makes_the_time_known(calibration: Path) -> None:
    async with running(size=(120, 36)) as (app, pilot):
        screen = await at_step(app, pilot, "review")
        await foreseen(pilot, screen)
        assert "very roughly" in flat(app) and "(ctrl+g measures it)" in flat(app)
        await pilot.press("ctrl+g")
        await until_told(pilot, "Calibrating: 3 of 20 s measured ... (ctrl+g ends it)")
        (calibration / "measure-now").touch()
        await until_told(pilot, "0.25 s an update, measured")
        assert "very roughly" not in flat(app)
        assert any("Other processes" in note.message for note in app._notifications)
        request = json.loads((calibration / "calibration-request.json").read_text())
        assert request["settings"]["hidden_size"] == 160 and request["data"].endswith("mini_pretrain_data.jsonl")
        assert request["context"] > 1


async def test_a_calibration_is_ended_by_the_same_key(calibration: Path) -> None:
    async with running(size=(120, 36)) as (app, pilot):
        screen = await at_step(app, pilot, "review")
        await foreseen(pilot, screen)
        await pilot.press("ctrl+g")
        await until_told(pilot, "Calibrating: 3 of 20 s")
        await pilot.press("ctrl+g")
        await until_told(pilot, "(ctrl+g measures it)")
        assert not [note for note in app._notifications if note.severity == "error"]


async def test_a_calibration_that_fails_is_told(calibration: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_CALIBRATION_FAILS", "1")
    (calibration / "measure-now").touch()
    async with running(size=(120, 36)) as (app, pilot):
        screen = await at_step(app, pilot, "review")
        await foreseen(pilot, screen)
        await pilot.press("ctrl+g")
        await until_told(pilot, "Too little memory for this.")
        await until_told(pilot, "(ctrl+g measures it)")


async def test_leaving_ends_the_calibration(calibration: Path) -> None:
    async with running(size=(120, 36)) as (app, pilot):
        screen = await at_step(app, pilot, "review")
        await foreseen(pilot, screen)
        await pilot.press("ctrl+g")
        await until_told(pilot, "Calibrating: 3 of 20 s")
        process = screen._calibrator._run._process  # type: ignore[union-attr]
        await pilot.press("escape")
        await until(pilot, lambda: process.poll() is not None)


async def test_the_start_says_what_is_wrong_where_it_is_typed(workspace: Path) -> None:
    async with running(size=(80, 24)) as (app, pilot):
        screen = await at_step(app, pilot, "settings")
        await field(pilot, screen, "epochs", "x")
        await pilot.press("enter")
        await until(pilot, lambda: screen.draft.step == "review")
        await until_told(pilot, "epochs = x (this form): expected a whole number.")
        await foreseen(pilot, screen)
        await pilot.press("ctrl+n")
        await pilot.pause()
        assert screen.draft.step == "review" and not (workspace / "runs").exists()
        assert screen.query_one("#budget", FormInput).value == ""
