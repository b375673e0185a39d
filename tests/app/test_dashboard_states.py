"""The dashboard of every kind of run, at every size, in both languages and all themes, and with what can go wrong."""

import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from run_material import Attempt, append_event, append_steps, change_status, write_run
from screens import SIZES, running, screen_text, settle_on_snapshot, until, until_shown
from test_dashboard_keys import dashboard
from textual.pilot import Pilot

from engine.language import set_language
from engine.run.folder import RunFolder
from engine.run.schema import Phase, State
from minimind_tui.app.application import MinimindApp
from minimind_tui.app.screens.dashboard.screen import DashboardScreen

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def run_in(workspace: Path, state: State) -> RunFolder:
    ends_early = {State.CRASHED, State.STALLED, State.FAILED}
    plan: dict[str, object] = {"steps": 180 if state in ends_early else 200, "total_steps": 400}
    if state is State.FINISHED:
        plan = {}
    if state is State.RUNNING:
        plan = {"attempts": (Attempt(0, 120), Attempt(100, 200)), "total_steps": 600, "epochs": 3}
        plan["status"] = {"usual_interval": 60.0}  # so that a slow machine does not make it look quiet
    return write_run(workspace, state=state, **plan)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "state", [State.RUNNING, State.FINISHED, State.CRASHED, State.STALLED, State.PAUSED, State.CREATED]
)
async def test_what_is_seen(
    workspace: Path, state: State, size: str, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minimind_tui.app.screens.dashboard.screen.local_now", lambda: NOON)
    folder = run_in(workspace, state)
    set_language(language)
    async with dashboard(folder, SIZES[size]) as (app, pilot, screen):
        await until(pilot, lambda: screen.view.caught_up and (screen._statement is not None or _no_statement(state)))
        await settled(app, pilot)
        await settle_on_snapshot(pilot, f"dashboard-{state}-{size}-{language}", lambda: screen_text(app))


async def settled(app: MinimindApp, pilot: Pilot[int]) -> None:
    """Wait until the screen has been the same for a while."""
    before = ""
    for _look in range(50):
        await pilot.pause(0.2)
        if before == (before := screen_text(app)):
            return


def _no_statement(state: State) -> bool:
    return state not in (State.CRASHED, State.CREATED)


@pytest.mark.parametrize("state", list(State))
async def test_every_state_opens_and_is_named(workspace: Path, state: State) -> None:
    async with dashboard(run_in(workspace, state)) as (app, pilot, screen):
        await until(pilot, lambda: screen.view.caught_up)
        assert str(state) in screen_text(app) and not app._notifications


@pytest.mark.parametrize("size", [(20, 5), (40, 12), (60, 20), (80, 24), (99, 40), (200, 60)])
async def test_any_size_will_do(workspace: Path, size: tuple[int, int]) -> None:
    folder = run_in(workspace, State.FAILED)
    async with dashboard(folder, size) as (app, pilot, _screen):
        for tab in "12345":
            await pilot.press(tab)
            await pilot.pause()
        await pilot.resize_terminal(200, 60)
        await pilot.pause()
        await pilot.resize_terminal(*size)
        await pilot.pause()
        assert not app._notifications


@pytest.mark.parametrize("theme", ["minimind-light", "ansi-dark", "minimind-dark"])
async def test_any_theme_will_do(workspace: Path, theme: str) -> None:
    async with dashboard(run_in(workspace, State.CRASHED)) as (app, pilot, _screen):
        app.theme = theme
        await pilot.pause()
        assert "It crashed" in screen_text(app)


async def test_a_change_of_language_keeps_the_tab_and_what_is_shown(workspace: Path) -> None:
    folder = run_in(workspace, State.RUNNING)
    async with dashboard(folder) as (app, pilot, screen):
        await pilot.press("4")
        await until_shown(pilot, "hidden_size")
        await pilot.press("f7")
        await until(pilot, lambda: "运行中" in screen_text(app))
        assert screen.tab == "settings" and "hidden_size" in screen_text(app)
        await pilot.press("1")
        await until_shown(pilot, "1.4")


async def test_tokenising_shows_its_own_progress(workspace: Path) -> None:
    folder = write_run(workspace, state=State.STARTING, steps=0, total_steps=400)
    change_status(folder, phase=Phase.TOKENISING, phase_done=25, phase_total=100)
    async with dashboard(folder) as (_app, pilot, _screen):
        await until_shown(pilot, "tokenising 25%")


async def test_a_run_that_crashes_while_it_is_watched(workspace: Path) -> None:
    folder = run_in(workspace, State.RUNNING)
    async with dashboard(folder) as (app, pilot, _screen):
        await until_shown(pilot, "running")
        write_run(workspace, state=State.CRASHED, steps=180)
        await until_shown(pilot, "It crashed")
        await until(pilot, lambda: "r Resume" in screen_text(app) and "s Save" not in screen_text(app))


async def test_the_folder_is_deleted_under_it(workspace: Path) -> None:
    folder = run_in(workspace, State.RUNNING)
    async with dashboard(folder, (120, 36)) as (app, pilot, screen):
        await until(pilot, lambda: len(screen.view.train) == 200)
        shutil.rmtree(folder.path)
        await until_shown(pilot, "folder is gone")
        assert len(screen.view.train) == 200
        for key in "12345":
            await pilot.press(key)
            await pilot.pause()
        assert "It was made and never started" not in screen_text(app)


async def test_logs_that_cannot_be_read_are_told_until_they_can(workspace: Path) -> None:
    folder = run_in(workspace, State.RUNNING)
    text = folder.metrics.read_bytes()
    folder.metrics.unlink()
    folder.metrics.mkdir()
    async with dashboard(folder) as (_app, pilot, screen):
        await until_shown(pilot, "logs cannot be read")
        folder.metrics.rmdir()
        folder.metrics.write_bytes(text)
        await until(pilot, lambda: len(screen.view.train) == 200 and screen.view.problem == "")
        await until(pilot, lambda: "cannot be read" not in screen_text(pilot.app))  # type: ignore[arg-type]


async def test_garbage_does_no_harm(workspace: Path) -> None:
    folder = run_in(workspace, State.RUNNING)
    for path in (folder.metrics, folder.events):
        with path.open("ab") as file:
            file.write(b'\xff\xfe garbage\n[1, 2]\n{"kind": 7}\n{"kind": "sample", "step": "x"}\n{"v":1,"step":9')
    folder.trainer_log.write_bytes(b"\x1b[2J\xff[red]\r\n" * 50)
    folder.manifest.write_text("no manifest")
    folder.run_toml.write_text("no [toml")
    async with dashboard(folder) as (app, pilot, _screen):
        for key, shown in (("2", "step 200"), ("3", "could not be used"), ("4", "run.toml"), ("5", "[red]")):
            await pilot.press(key)
            await until_shown(pilot, shown)
        assert not app._notifications


async def test_what_the_model_writes_is_never_markup(workspace: Path) -> None:
    odd = "[bold red]x[/] \x1b[31m \u202e [@click=app.quit]y[/] {z}"
    folder = write_run(workspace, state=State.FAILED, samples=[(odd, odd)], log=odd + "\n", status={"message": odd})
    async with dashboard(folder, (120, 36)) as (app, pilot, _screen):
        for key in "2345":
            await pilot.press(key)
            await pilot.pause(0.15)
            seen = screen_text(app)
            assert "[bold red]x[/]" in seen and "\x1b" not in seen and "\u202e" not in seen
        assert not app._notifications


async def test_two_viewers_do_not_disturb_each_other(workspace: Path) -> None:
    folder = run_in(workspace, State.RUNNING)
    async with dashboard(folder) as (_app, pilot, first):
        second = DashboardScreen(folder)
        pilot.app.push_screen(second)
        append_event(folder, kind="sample", prompt="Both", text=" see", step=201)
        await until(pilot, lambda: second.view.caught_up and second.view.events[-1]["step"] == 201)
        pilot.app.pop_screen()
        await until(pilot, lambda: first.view.events[-1]["step"] == 201)


async def test_a_failure_while_looking_is_told_once(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = run_in(workspace, State.RUNNING)
    async with dashboard(folder) as (app, pilot, screen):

        def broken(seconds: float) -> bool:
            raise RuntimeError("broken")

        monkeypatch.setattr(screen.view, "poll", broken)
        await until(pilot, lambda: bool(app._notifications))
        await pilot.pause(0.5)
        assert len(app._notifications) == 1 and "broken" in next(iter(app._notifications)).message


async def test_a_long_run_opens_at_once_and_keys_stay_alive(workspace: Path) -> None:
    folder = write_run(
        workspace, steps=100_000, state=State.RUNNING, validate_every=1000, save_every=1000, sample_every=2000
    )
    app = MinimindApp(open_first=folder)
    async with running(app, size=(120, 36)) as (app, pilot):
        screen = app.screen
        assert isinstance(screen, DashboardScreen)
        began = time.process_time()
        await pilot.press("3")  # taken while it still reads
        assert screen.tab == "events"
        await until(pilot, lambda: screen.view.caught_up and len(screen.view.train) == 100_000)
        await pilot.pause(0.2)
        assert time.process_time() - began < 3.0  # under one second by itself; other tests share the machine


async def test_nothing_is_drawn_when_nothing_changed(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = run_in(workspace, State.FINISHED)
    async with dashboard(folder, (120, 36)) as (_app, pilot, screen):
        await until(pilot, lambda: screen.view.caught_up)
        await pilot.pause(0.3)
        drawn: list[object] = []
        for widget in screen.query("*"):
            monkeypatch.setattr(widget, "refresh", lambda *a, widget=widget, **k: drawn.append(widget) or widget)
        for _look in range(3):
            screen.look()
            await pilot.pause()
        assert drawn == []


async def test_charts_that_are_fed_seldom_are_right_at_a_resize(workspace: Path) -> None:
    folder = write_run(workspace, state=State.RUNNING, steps=100, total_steps=400)
    async with dashboard(folder, (120, 36)) as (app, pilot, screen):
        await until(pilot, lambda: len(screen.view.train) == 100)
        append_steps(folder, 101, 160)
        screen.look()  # the loss is fed, the others are not yet
        await pilot.resize_terminal(160, 50)
        await pilot.pause()
        assert "IndexError" not in screen_text(app)
