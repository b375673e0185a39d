"""Runs side by side: one chart, their numbers, the settings that differ; live ones grow, every key works."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from run_material import append_steps, change_status, write_run
from runs_browsing import browser, some_runs
from runs_dialogs import told
from screens import running, screen_text, until, until_shown
from textual.pilot import Pilot

from engine.run.annotations import rename_run
from engine.run.folder import RunFolder
from engine.run.schema import State
from minimind_tui.app.application import MinimindApp
from minimind_tui.app.screens.runs.compare_screen import METRICS, CompareScreen
from minimind_tui.app.screens.runs.screen import RunsScreen
from minimind_tui.app.widgets.overlay_chart import OverlayChart


@asynccontextmanager
async def comparing(
    *folders: RunFolder, size: tuple[int, int] = (120, 40)
) -> AsyncIterator[tuple[MinimindApp, Pilot[int], CompareScreen]]:
    """Some runs side by side, everything read."""
    async with running(size=size) as (app, pilot):
        screen = CompareScreen(folders)
        app.push_screen(screen)
        await until(pilot, lambda: screen.comparison is not None)
        await pilot.pause()
        yield app, pilot, screen


def two(workspace: Path) -> tuple[RunFolder, RunFolder]:
    return (
        write_run(workspace, "short", steps=60, settings={"learning_rate": 1e-3}),
        write_run(workspace, "long", steps=200, state=State.STOPPED),
    )


async def test_marked_runs_are_compared_from_the_browser_and_back(workspace: Path) -> None:
    some_runs(workspace)
    async with browser((120, 40)) as (app, pilot, screen):
        await pilot.press("space", "space", "space", "c")
        await until(pilot, lambda: isinstance(app.screen, CompareScreen))
        await until_shown(pilot, "Compare 3 runs")
        await until_shown(pilot, "Settings that differ")
        compared = app.screen
        assert isinstance(compared, CompareScreen) and compared.comparison is not None
        assert [name.rpartition("-")[2] for name in compared.comparison.names] == ["alpha", "beta", "gamma"]
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is screen)
        assert len(screen.marked) == 3


async def test_the_marked_one_and_the_one_under_the_cursor(workspace: Path) -> None:
    some_runs(workspace)
    async with browser() as (app, pilot, _screen):
        await pilot.press("c")
        await pilot.pause()
        assert isinstance(app.screen, RunsScreen) and "Mark two or more runs" in told(app)
        await pilot.press("space", "down", "c")
        await until(pilot, lambda: isinstance(app.screen, CompareScreen))
        await until_shown(pilot, "Compare 2 runs")


async def test_more_than_can_be_told_apart_are_refused(workspace: Path) -> None:
    for place in range(7):
        write_run(workspace, f"r{place}", run_id=f"20261124-00000{place}-r{place}", steps=5)
    async with browser() as (app, pilot, _screen):
        await pilot.press("A", "c")
        await pilot.pause()
        assert isinstance(app.screen, RunsScreen) and "at most 6" in told(app)
        await pilot.press("home", "space", "c")
        await until(pilot, lambda: isinstance(app.screen, CompareScreen))


async def test_numbers_settings_and_the_best_are_shown(workspace: Path) -> None:
    async with comparing(*two(workspace), size=(120, 60)) as (app, _pilot, _screen):
        lines = {line.split()[1]: line for line in screen_text(app).splitlines() if len(line.split()) > 3}
        assert "0.001" in lines["learning_rate"] and "0.004" in lines["learning_rate"]
        assert "finished" in lines["state"] and "stopped" in lines["state"]
        assert "60/60" in lines["steps"] and "200/400" in lines["steps"]
        assert lines["bits"].count("*") == 1
        assert "loss at step 60" in screen_text(app) and "settings that differ: 1 · * the best" in screen_text(app)


async def test_each_run_has_its_own_sign_in_chart_and_table(workspace: Path) -> None:
    async with comparing(*two(workspace)) as (app, _pilot, screen):
        signs = [sign for sign, _style in screen._signs()]
        assert len(set(signs)) == 2
        header = next(line for line in screen_text(app).splitlines() if "short" in line and "long" in line)
        assert all(f"{sign} " in header for sign in signs)
        other = CompareScreen([view.folder for view in screen._views[::-1]])
        app.push_screen(other)
        await _pilot.pause()
        assert [sign for sign, _style in other._signs()] == signs[::-1]  # a run keeps its sign


async def test_the_metric_goes_round(workspace: Path) -> None:
    async with comparing(*two(workspace)) as (app, pilot, screen):
        titles = []
        for _metric in METRICS:
            await pilot.press("v")
            await pilot.pause()
            titles.append(str(screen.query_one(OverlayChart).border_title))
            assert titles[-1] in screen_text(app)
        assert len(set(titles)) == len(METRICS) and titles[-1] == "Loss" and screen.metric == "loss"


async def test_the_charts_keys_work_here(workspace: Path) -> None:
    async with comparing(*two(workspace)) as (app, pilot, screen):
        assert isinstance(app.focused, OverlayChart)
        await pilot.press("a")
        assert screen.charts.x == "tokens"
        await pilot.press("a", "g", "o", "plus")
        await until_shown(pilot, "by time")
        assert screen.charts.x == "time" and "loss" in screen.charts.log and screen.charts.span is not None
        await pilot.press("left_square_bracket", "right_square_bracket", "minus", "0", "m")
        await pilot.pause()
        assert screen.maximized is app.focused
        await pilot.press("m", "tab")
        await pilot.pause()
        assert screen.maximized is None and app.focused is not None and app.focused.id == "compare-tables"
        await pilot.press("v")
        assert screen.metric == METRICS[1]


async def test_a_live_run_grows(workspace: Path) -> None:
    live = write_run(workspace, "live", state=State.RUNNING, steps=100)
    async with comparing(live, write_run(workspace, "done")) as (_app, pilot, screen):
        append_steps(live, 101, 120)
        change_status(live, step=120)
        screen.look()
        await until_shown(pilot, "120/200")
        assert "loss at step 120" in screen_text(_app)


async def test_broken_empty_and_deleted_runs_are_compared_without_harm(workspace: Path) -> None:
    import shutil

    broken = RunFolder(workspace / "runs" / "20261124-000001-broken")
    broken.path.mkdir(parents=True)
    created = write_run(workspace, "created", state=State.CREATED)
    good = write_run(workspace, "good")
    rename_run(good, "[b]good[/b]")
    async with comparing(broken, created, good) as (app, pilot, screen):
        await until_shown(pilot, "[b]good[/b]")
        assert "cannot be read" in screen_text(app)
        shutil.rmtree(good.path)
        screen.look(everything=True)
        await pilot.press("v", "v")
        await pilot.pause()
        assert not app.troubles


@pytest.mark.parametrize("size", [(20, 5), (40, 12), (80, 24), (200, 60)])
async def test_every_size_works(workspace: Path, size: tuple[int, int]) -> None:
    async with comparing(*two(workspace), size=size) as (app, pilot, _screen):
        await pilot.resize_terminal(200, 60)
        await pilot.pause()
        assert "learning_rate" in screen_text(app)
        await pilot.resize_terminal(*size)
        await pilot.press("v", "a", "tab", "down")
        await pilot.pause()
        assert not app.troubles


async def test_the_language_changes_in_place(workspace: Path) -> None:
    async with comparing(*two(workspace)) as (app, pilot, screen):
        await pilot.press("v", "f7")
        await until(pilot, lambda: "Settings that differ" not in screen_text(app))
        await pilot.pause()
        assert screen.metric == METRICS[1] and "learning_rate" in screen_text(app)


async def test_names_are_whole_where_there_is_room(workspace: Path) -> None:
    names = ("mini", "mini-with-more-data")
    async with comparing(*(write_run(workspace, name, steps=20) for name in names)) as (app, pilot, _screen):
        await until_shown(pilot, "Settings that differ")
        table = screen_text(app).partition("Numbers and settings")[2]
        assert all(f"20261124-031500-{name} " in table.splitlines()[1] for name in names), table
