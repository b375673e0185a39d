"""The dashboard over a run with real processes (a worker without torch): steered by keys alone, killed, and resumed."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from app_processes import end_all_runs, train_at_a_pace
from screens import screen_text, until, until_shown
from test_dashboard_keys import dashboard

from engine.run.folder import RunFolder
from engine.run.launch import make_run, plan_run
from engine.run.observe import observe
from engine.run.schema import State
from engine.settings.presets import load_preset
from engine.settings.resolve import build_settings
from minimind_tui.starting import start_detached


@pytest.fixture
def started(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunFolder]:
    """A run of the paced trainer that would take many seconds; nothing of it outlives the test."""
    train_at_a_pace(monkeypatch, steps=2000, step_seconds=0.02)
    (workspace / "texts.jsonl").write_text('{"text": "Once."}\n' * 40, encoding="utf-8")
    settings = build_settings(load_preset("mini").values, {"data_path": "texts.jsonl"})
    folder = make_run(plan_run(settings, preset="mini"))
    start_detached(folder)
    yield folder
    end_all_runs(workspace)


async def test_pause_go_on_stop_and_resume_by_keys(started: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    async with dashboard(started, (120, 36)) as (app, pilot, screen):
        await until(pilot, lambda: len(screen.view.train) > 20, 30)
        await pilot.press("s")
        await until_shown(pilot, "Save: done at step")
        await pilot.press("p")
        await until(pilot, lambda: screen.view.observation.state is State.PAUSED)
        await until_shown(pilot, "Go on [p]")
        paused_at = len(screen.view.train)
        await pilot.press("p")
        await until(pilot, lambda: screen.view.observation.state is State.RUNNING, 30)
        await until(pilot, lambda: len(screen.view.train) > paused_at, 30)
        await pilot.press("x")
        await until_shown(pilot, "Stop this run?")
        await pilot.press("s")
        await until(pilot, lambda: screen.view.observation.state is State.STOPPED, 30)
        await until(pilot, lambda: screen._statement is not None and screen._statement.possible)
        stopped_at = len(screen.view.train)
        monkeypatch.setenv("MINIMIND_TEST_PLAN", json.dumps({"steps": stopped_at + 20}))
        await pilot.press("r")
        await until_shown(pilot, "Resume this run?")
        await pilot.press("r")
        await until(pilot, lambda: screen.view.observation.state is State.FINISHED, 30)
        await until_shown(pilot, "minimind generate")
        await until(pilot, lambda: list(screen.view.train.steps) == list(range(1, stopped_at + 21)))
        status = screen.view.observation.status
        assert status is not None and status.attempt == 3 and "100%" in screen_text(app)


async def test_a_killed_run_is_seen_to_have_crashed(started: RunFolder) -> None:
    async with dashboard(started) as (_app, pilot, screen):
        await until(pilot, lambda: len(screen.view.train) > 12, 30)
        status = screen.view.observation.status
        assert status is not None and status.supervisor is not None and status.worker is not None
        os.kill(status.supervisor.pid, signal.SIGKILL)
        os.kill(status.worker.pid, signal.SIGKILL)
        await until_shown(pilot, "It crashed")
        await until(pilot, lambda: screen.check_action("resume", ()) is True)


async def test_leaving_the_application_leaves_the_run_alone(started: RunFolder) -> None:
    async with dashboard(started) as (_app, pilot, screen):
        await until(pilot, lambda: len(screen.view.train) > 5, 30)
        await pilot.press("d")
        await until(pilot, lambda: _app.screen is not screen)
    assert observe(started).state is State.RUNNING
