"""While runs change, come, go, or are many: only what changed is drawn, and nothing takes the cursor away."""

import asyncio
import shutil
from pathlib import Path

from many_runs import write_many
from run_material import change_status, write_run
from runs_browsing import browser, chosen, listed, some_runs
from screens import screen_text, until, until_shown
from textual.events import MouseScrollDown

from engine.run.annotations import rename_run
from engine.run.folder import RunFolder
from minimind_tui.app.screens.runs.filter_bar import FilterInput
from minimind_tui.app.screens.runs.run_list import RunList


async def test_a_live_run_changes_in_place_and_nothing_else_is_drawn(workspace: Path) -> None:
    alpha, *_others = some_runs(workspace)
    async with browser() as (app, pilot, screen):
        await pilot.press("end")
        drawn: list[object] = []
        table = screen.run_list
        refresh = table.refresh
        table.refresh = lambda *regions, **options: (drawn.extend(regions), refresh(*regions, **options))[1]  # type: ignore[method-assign, assignment, return-value]
        screen.runs_changed()
        assert drawn == []
        change_status(alpha, step=130, loss=1.234)
        assert app.index.poll()
        screen.runs_changed()
        await pilot.pause()
        assert [region.y for region in drawn] == [1]  # type: ignore[attr-defined]
        assert "1.234" in screen_text(app) and chosen(screen) == "delta"


async def test_the_cursor_stays_on_its_run_when_the_list_grows_and_shrinks(workspace: Path) -> None:
    some_runs(workspace)
    async with browser() as (app, pilot, screen):
        await pilot.press("down", "down")
        assert chosen(screen) == "gamma"
        newest = write_run(
            workspace, "newest", run_id="20261124-040000-newest", manifest={"created": "2026-11-24T04:00:00Z"}
        )
        app.index.poll()
        screen.runs_changed()
        assert listed(screen)[0] == "newest" and chosen(screen) == "gamma"
        shutil.rmtree(newest.path)
        app.index.poll()
        screen.runs_changed()
        assert chosen(screen) == "gamma"
        shutil.rmtree(screen.selected.entry.folder.path)  # type: ignore[union-attr]
        app.index.poll()
        screen.runs_changed()
        assert chosen(screen) == "delta"  # the one that took its place


async def test_who_scrolls_away_from_the_cursor_is_not_brought_back(workspace: Path) -> None:
    ids = write_many(workspace, 60)
    async with browser() as (app, pilot, screen):
        for _turn in range(6):
            await pilot._post_mouse_events([MouseScrollDown], RunList, button=0)
        await until(pilot, lambda: ids[0] not in screen_text(app))
        rename_run(RunFolder(workspace / "runs" / ids[5]), "changed")
        app.index.forget(RunFolder(workspace / "runs" / ids[5]))
        app.index.poll()
        screen.runs_changed()
        await pilot.pause()
        assert ids[0] not in screen_text(app)
        await pilot.press("down")
        await pilot.pause()
        assert ids[1] in screen_text(app)


async def test_thousands_of_runs_are_listed_filtered_and_ordered(workspace: Path) -> None:
    ids = await asyncio.to_thread(write_many, workspace, 2000)
    async with browser((120, 36)) as (app, pilot, screen):
        assert [row.key for row in screen.rows] == ids
        await until_shown(pilot, "Runs 2,000")
        await pilot.press("end")
        assert screen.selected is not None and screen.selected.key == ids[-1]
        await until_shown(pilot, "run1999")
        await pilot.press("slash")
        screen.query_one(FilterInput).value = "state=crashed lr>1e-5"
        await until(pilot, lambda: len(screen.rows) == 500, 60)
        await pilot.press("enter")
        assert "Runs 500 of 2,000" in screen_text(app)
        await pilot.press("o", "O", "home", "space")
        await pilot.pause()
        assert len(screen.marked) == 1 and not app.troubles
