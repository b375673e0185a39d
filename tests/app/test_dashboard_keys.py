"""Every key of the dashboard does what the footer says, and every request shows how it was answered."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from run_material import append_event, append_steps, change_status, write_run
from screens import running, screen_text, until, until_shown
from textual.pilot import Pilot
from textual.widgets import Input, OptionList

from engine.run.folder import RunFolder
from engine.run.jsonl_log import read_lines
from engine.run.schema import State
from minimind_tui.app.application import MinimindApp
from minimind_tui.app.dialogs import ChoiceDialog, TextDialog
from minimind_tui.app.screens.dashboard.learning_rate_dialog import LearningRateDialog
from minimind_tui.app.screens.dashboard.screen import DashboardScreen


@asynccontextmanager
async def dashboard(
    folder: RunFolder, size: tuple[int, int] = (80, 24)
) -> AsyncIterator[tuple[MinimindApp, Pilot[int], DashboardScreen]]:
    """The application with one run's dashboard open, which looks four times a second."""
    app = MinimindApp(open_first=folder)
    app.preferences = app.preferences.model_copy(update={"refresh_seconds": 0.25})
    async with running(app, size=size) as (app, pilot):
        screen = app.screen
        assert isinstance(screen, DashboardScreen)
        yield app, pilot, screen


def requests(folder: RunFolder) -> list[tuple[str, dict[str, object]]]:
    return [(line["op"], line["args"]) for line in read_lines(folder.control)]


async def asked(pilot: Pilot[int], folder: RunFolder, count: int = 1) -> dict[str, object]:
    """The newest of `count` requests in control.jsonl."""
    await until(pilot, lambda: len(read_lines(folder.control)) >= count)
    return read_lines(folder.control)[-1]


@pytest.mark.parametrize(("key", "op", "word"), [("s", "save", "Save"), ("p", "pause", "Pause")])
async def test_a_request_is_sent_and_its_answer_shown(workspace: Path, key: str, op: str, word: str) -> None:
    folder = write_run(workspace, state=State.RUNNING)
    async with dashboard(folder) as (_app, pilot, _screen):
        await pilot.press(key)
        request = await asked(pilot, folder)
        assert requests(folder) == [(op, {})]
        await until_shown(pilot, f"{word}: sent, waiting for the answer")
        append_event(folder, kind="control", id=request["id"], op=op, accepted=True, step=204)
        await until_shown(pilot, "at step 204")


async def test_a_refusal_is_told_with_its_reason(workspace: Path) -> None:
    folder = write_run(workspace, state=State.RUNNING)
    async with dashboard(folder) as (app, pilot, _screen):
        await pilot.press("s")
        request = await asked(pilot, folder)
        append_event(
            folder, kind="control", id=request["id"], op="save", accepted=False, reason="[b]Full[/b]", step=204
        )
        await until(pilot, lambda: "Save: refused. [b]Full[/b]" in [note.message for note in app._notifications])
        await until_shown(pilot, "Save: refused. [b]Full[/b]")


async def test_sample_asks_for_a_prompt_and_shows_what_comes(workspace: Path) -> None:
    folder = write_run(workspace, state=State.RUNNING)
    async with dashboard(folder) as (app, pilot, screen):
        await pilot.press("t")
        await until(pilot, lambda: isinstance(app.screen, TextDialog))
        app.screen.query_one(Input).value = "An [i]owl"
        await pilot.press("enter")
        await asked(pilot, folder)
        assert requests(folder) == [("sample", {"prompt": "An [i]owl"})] and screen.tab == "samples"
        append_event(folder, kind="sample", prompt="An [i]owl", text="\x1b[2Jhoots [/i]", step=205)
        await until_shown(pilot, "An [i]owl[2Jhoots [/i]")
        await pilot.press("t", "enter")
        await asked(pilot, folder, 2)
        assert requests(folder)[1] == ("sample", {})
        await pilot.press("t", "escape")
        await pilot.pause()
        assert app.screen is screen and len(requests(folder)) == 2


async def test_stop_asks_first(workspace: Path) -> None:
    folder = write_run(workspace, state=State.RUNNING)
    async with dashboard(folder) as (app, pilot, _screen):
        await pilot.press("x")
        await until(pilot, lambda: isinstance(app.screen, ChoiceDialog))
        assert "Stop at once" not in screen_text(app)
        await pilot.press("g")
        await pilot.pause()
        assert requests(folder) == []
        await pilot.press("x")
        await until(pilot, lambda: isinstance(app.screen, ChoiceDialog))
        await pilot.press("s")
        await asked(pilot, folder)
        assert requests(folder) == [("stop", {})]
        await until_shown(pilot, "Stop: sent")
        await pilot.press("x")  # the first is not answered: now it may be stopped at once
        await until_shown(pilot, "Stop at once")
        await pilot.press("n")
        await asked(pilot, folder, 2)
        assert requests(folder)[1] == ("stop", {"now": True})


async def test_a_hung_run_is_stopped_at_once_from_the_banner(workspace: Path) -> None:
    folder = write_run(workspace, state=State.STALLED, steps=180)
    async with dashboard(folder) as (app, pilot, _screen):
        await until_shown(pilot, "It hangs")
        await pilot.press("tab", "enter")
        await until(pilot, lambda: isinstance(app.screen, ChoiceDialog))
        assert "30 updates" in screen_text(app)
        await pilot.press("n")
        await asked(pilot, folder)
        assert requests(folder) == [("stop", {"now": True})]


async def test_the_learning_rate_is_scaled(workspace: Path) -> None:
    folder = write_run(workspace, state=State.RUNNING, status={"lr": 2e-3, "lr_scale": 0.5})
    async with dashboard(folder) as (app, pilot, screen):
        await pilot.press("l")
        await until(pilot, lambda: isinstance(app.screen, LearningRateDialog))
        assert "Now: 2.0e-03 (schedule × 0.5)" in screen_text(app) and "survives a resume" in screen_text(app)
        for wrong, told in (("0.5", "it has now"), ("0", "A factor above 0"), ("x", "A factor above 0")):
            app.screen.query_one(Input).value = wrong
            await pilot.press("enter")
            await until_shown(pilot, told)
        app.screen.query_one(Input).value = "25%"
        await until_shown(pilot, "Then: 1.0e-03 (schedule × 0.25)")
        await pilot.press("enter")
        await asked(pilot, folder)
        assert requests(folder) == [("set", {"lr_scale": 0.25})] and app.screen is screen
        await pilot.press("l", "escape")
        await pilot.pause()
        assert app.screen is screen


async def test_resume_says_what_it_will_be_and_starts(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_run(workspace, state=State.CRASHED, steps=180)
    resumed: list[RunFolder] = []
    monkeypatch.setattr("minimind_tui.core.run_actions.resume", resumed.append)
    async with dashboard(folder) as (app, pilot, _screen):
        await until_shown(pilot, "30 updates beyond")
        await pilot.press("r")
        await until(pilot, lambda: isinstance(app.screen, ChoiceDialog))
        assert "It goes on from step 150." in screen_text(app)
        await pilot.press("l")
        await pilot.pause()
        assert resumed == []
        await pilot.press("r")
        await until(pilot, lambda: isinstance(app.screen, ChoiceDialog))
        await pilot.press("r")
        await until(pilot, lambda: resumed == [folder])


async def test_a_resume_that_fails_is_told(workspace: Path) -> None:
    folder = write_run(workspace, state=State.STOPPED, manifest={"data_path": "/nowhere/text.jsonl"})
    async with dashboard(folder) as (_app, pilot, screen):
        await until_shown(pilot, "/nowhere/text.jsonl")
        assert screen.check_action("resume", ()) is False
        screen._resume()  # somebody else took the text away between the look and the key
        folder.run_toml.write_text("[nonsense")
        await until(pilot, lambda: bool(screen.app._notifications))


async def test_a_paused_run_goes_on(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_run(workspace, state=State.PAUSED)
    resumed: list[RunFolder] = []
    monkeypatch.setattr("minimind_tui.core.run_actions.resume", resumed.append)
    async with dashboard(folder) as (app, pilot, _screen):
        await until_shown(pilot, "Paused at step 200")
        assert "p Go on" in screen_text(app)
        await pilot.press("p")
        await until(pilot, lambda: resumed == [folder])


async def test_detach_goes_home_and_says_how_to_come_back(workspace: Path) -> None:
    folder = write_run(workspace, state=State.RUNNING)
    async with dashboard(folder) as (app, pilot, screen):
        await pilot.press("d")
        await until(pilot, lambda: app.screen is not screen)
        assert any(folder.id in note.message for note in app._notifications)
        assert requests(folder) == []


async def test_playground_is_opened_for_the_run(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_run(workspace)
    opened: list[RunFolder] = []
    monkeypatch.setattr(MinimindApp, "open_playground", lambda self, folder: opened.append(folder))
    async with dashboard(folder) as (_app, pilot, _screen):
        await pilot.press("w")
        await pilot.pause()
        assert opened == [folder]


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_tabs_by_number_and_in_turn(workspace: Path, size: tuple[int, int]) -> None:
    folder = write_run(workspace, state=State.RUNNING)
    shown = {"2": "Once upon a time", "3": "checkpoint saved", "4": "hidden_size", "5": "device: Test CPU"}
    async with dashboard(folder, size) as (_app, pilot, screen):
        tabs = screen.tabs
        assert tabs == ("curves", "samples", "events", "settings", "log")
        for number, tab in enumerate(tabs, 1):
            await pilot.press(str(number))
            await pilot.pause()
            assert screen.tab == tab
            if text := shown.get(str(number)):
                await until_shown(pilot, text)
        await pilot.press("n")
        assert screen.tab == tabs[0]
        await pilot.press("N")
        assert screen.tab == tabs[-1]


async def test_tabs_by_mouse(workspace: Path) -> None:
    folder = write_run(workspace, state=State.RUNNING)
    async with dashboard(folder) as (app, pilot, screen):
        line = next(y for y, text in enumerate(screen_text(app).splitlines()) if "4 Settings" in text)
        await pilot.click(offset=(screen_text(app).splitlines()[line].index("4 Settings") + 2, line))
        await pilot.pause()
        assert screen.tab == "settings"


async def test_samples_are_turned_and_stay_where_one_is(workspace: Path) -> None:
    folder = write_run(workspace, state=State.RUNNING, steps=400, samples=[("A", " b")])
    async with dashboard(folder) as (_app, pilot, screen):
        await pilot.press("2")
        steps = screen.query_one(OptionList)
        assert steps.highlighted == 0
        append_event(folder, kind="sample", prompt="Newest", text=" c", step=401)
        await until_shown(pilot, "Newest c")  # the newest is followed
        await pilot.press("comma", "comma")
        await until_shown(pilot, "A b")
        append_event(folder, kind="sample", prompt="Other", text=" d", step=402)
        await until(pilot, lambda: steps.option_count == 6)
        assert steps.highlighted == 3 and steps.get_option_at_index(3).prompt == "step 300"
        await pilot.press("full_stop", "full_stop", "full_stop")
        await until_shown(pilot, "Other d")


async def test_keys_that_make_no_sense_are_not_offered(workspace: Path) -> None:
    steering = {"save_now", "sample_now", "pause", "stop", "change_lr", "resume", "playground"}
    offered = {
        State.RUNNING: {"save_now", "sample_now", "pause", "stop", "change_lr", "playground"},
        State.PAUSED: {"pause", "stop", "playground"},
        State.STALLED: {"stop", "playground"},
        State.FINISHED: {"playground"},
        State.CRASHED: {"resume", "playground"},
        State.CREATED: {"resume"},
    }
    for state, expected in offered.items():
        folder = write_run(workspace, state=state)
        async with dashboard(folder) as (_app, _pilot, screen):
            assert {action for action in steering if screen.check_action(action, ())} == expected, state


async def test_a_run_that_grows_is_followed(workspace: Path) -> None:
    folder = write_run(workspace, state=State.RUNNING, steps=100, total_steps=400)
    async with dashboard(folder) as (_app, pilot, screen):
        await until_shown(pilot, "step 100 of 400")
        append_steps(folder, 101, 150)
        change_status(folder, step=150, eta_s=3600.0)
        await until_shown(pilot, "step 150 of 400")
        await until_shown(pilot, "1h00m left")
        append_event(folder, kind="guard", message="[b]not finite", step=150)
        await until_shown(pilot, "[b]not finite")
        assert len(screen.view.train) == 150


async def test_nobody_looks_while_another_screen_is_seen(workspace: Path) -> None:
    folder = write_run(workspace, state=State.RUNNING, steps=100, total_steps=400)
    async with dashboard(folder) as (app, pilot, screen):
        app.push_screen(TextDialog("Over it", ""))
        await pilot.pause()
        append_steps(folder, 101, 150)
        await pilot.pause(0.4)
        assert len(screen.view.train) == 100
        await pilot.press("escape")
        await until(pilot, lambda: len(screen.view.train) == 150)


async def test_a_request_to_a_run_that_ended_meanwhile_is_told(workspace: Path) -> None:
    folder = write_run(workspace, state=State.RUNNING)
    async with dashboard(folder) as (app, pilot, screen):
        status = json.loads(folder.status.read_bytes()) | {"state": "stopped"}
        screen._timer.pause()  # type: ignore[union-attr]
        folder.status.write_text(json.dumps(status))
        await pilot.press("s")
        await until(pilot, lambda: any("nothing can be asked" in note.message for note in app._notifications))


async def test_escape_leaves_a_chart_before_it_leaves_the_run(workspace: Path) -> None:
    folder = write_run(workspace, state=State.RUNNING)
    async with dashboard(folder) as (app, pilot, screen):
        await pilot.press("1", "m")
        assert screen.maximized is not None and screen.maximized.id == "chart-loss"
        await pilot.press("escape")
        assert screen.maximized is None and app.screen is screen
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is not screen)
