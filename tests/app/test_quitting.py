"""Leaving the application: at once when nothing trains, else with a question that says what becomes of the run."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from run_material import write_run
from screens import running, screen_text, until
from textual.pilot import Pilot

from engine.run.folder import RunFolder
from engine.run.schema import State
from minimind_tui.app.application import MinimindApp
from minimind_tui.app.dialogs import ChoiceDialog
from minimind_tui.app.screens.home import HomeScreen


def training(workspace: Path) -> RunFolder:
    return write_run(workspace, steps=150, total_steps=600, state=State.RUNNING)


@asynccontextmanager
async def leaving(workspace: Path, key: str) -> AsyncIterator[tuple[MinimindApp, Pilot[int]]]:
    async with running(size=(80, 24)) as (app, pilot):
        await pilot.press(key)
        await pilot.pause()
        assert isinstance(app.screen, ChoiceDialog) and "Still training" in screen_text(app)
        yield app, pilot


@pytest.mark.parametrize("key", ["q", "ctrl+q", "ctrl+c"])
async def test_it_ends_at_once_when_nothing_trains(workspace: Path, key: str) -> None:
    write_run(workspace, steps=10)
    async with running() as (app, pilot):
        await pilot.press(key)
        await until(pilot, lambda: app.return_code is not None)
    assert app.return_code == 0 and app.farewell == []


@pytest.mark.parametrize("key", ["q", "ctrl+q", "ctrl+c"])
async def test_it_asks_while_something_trains(workspace: Path, key: str) -> None:
    folder = training(workspace)
    async with leaving(workspace, key) as (app, pilot):
        assert folder.id in screen_text(app)
        await pilot.press("s")
        await pilot.pause()
        assert isinstance(app.screen, HomeScreen) and app.return_code is None
    assert not folder.control.exists()


async def test_escape_stays(workspace: Path) -> None:
    training(workspace)
    async with leaving(workspace, "q") as (app, pilot):
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.screen, HomeScreen) and app.return_code is None


async def test_detaching_touches_nothing_and_says_how_to_come_back(workspace: Path) -> None:
    folder = training(workspace)
    async with leaving(workspace, "q") as (app, pilot):
        await pilot.press("d")
        await until(pilot, lambda: app.return_code is not None)
    assert app.return_code == 0
    assert app.farewell == [f"{folder.id} goes on by itself.", f"  Come back: minimind-tui {folder.id}"]
    assert not folder.control.exists()


async def test_stopping_asks_the_run_to_save_and_stop(workspace: Path) -> None:
    folder = training(workspace)
    async with leaving(workspace, "q") as (app, pilot):
        await pilot.press("x")
        await until(pilot, lambda: app.return_code is not None)
    assert '"op":"stop"' in folder.control.read_text().replace(" ", "")
    assert app.farewell == [f"{folder.id} saves and stops.", f"  Go on later: minimind resume {folder.id}"]


async def test_a_signal_ends_it_without_asking(workspace: Path) -> None:
    folder = training(workspace)
    async with running() as (app, pilot):
        app.leave_for_signal(15)
        await until(pilot, lambda: app.return_code is not None)
    assert app.return_code == 143 and folder.id in app.farewell[0] and not folder.control.exists()


async def test_a_paused_run_is_not_said_to_train(workspace: Path) -> None:
    folder = write_run(workspace, steps=150, total_steps=600, state=State.PAUSED)
    async with running(size=(80, 24)) as (app, pilot):
        await pilot.press("q")
        await pilot.pause()
        text = screen_text(app)
        assert "Paused:" in text and "Leave it paused" in text and "Still training" not in text
        await pilot.press("d")
        await until(pilot, lambda: app.return_code is not None)
    assert app.farewell == [f"{folder.id} stays paused.", f"  Come back: minimind-tui {folder.id}"]
