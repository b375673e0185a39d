"""Deleting from the browser: after asking, all that are marked, never a live one, never through a link."""

import shutil
from pathlib import Path

from run_material import write_run
from runs_browsing import browser, chosen, listed
from runs_dialogs import told, until_dialog, until_told
from screens import screen_text, until

from engine.run.schema import State
from minimind_tui.app.dialogs import ChoiceDialog


async def test_the_run_under_the_cursor_is_deleted_after_asking(workspace: Path) -> None:
    write_run(workspace, "old", run_id="20261124-000001-old")
    doomed = write_run(workspace, "doomed", run_id="20261124-000002-doomed")
    async with browser() as (app, pilot, screen):
        assert chosen(screen) == "doomed" or chosen(screen) == "old"
        screen.run_list.select(doomed.id)
        await pilot.press("delete")
        await until_dialog(app, pilot, ChoiceDialog)
        shown = screen_text(app)
        assert "Delete this run?" in shown and doomed.id in shown and "This frees" in shown and "kB" in shown
        await pilot.press("enter")  # what is chosen at first keeps it
        await pilot.pause()
        assert doomed.path.is_dir()
        await pilot.press("D")
        await until_dialog(app, pilot, ChoiceDialog)
        await pilot.press("d")
        await until(pilot, lambda: listed(screen) == ["old"])
        await until_told(app, pilot, "Deleted")
        assert not doomed.path.exists() and chosen(screen) == "old"


async def test_all_marked_are_deleted_but_the_live_ones(workspace: Path) -> None:
    names = {"a": State.FINISHED, "b": State.RUNNING, "c": State.CRASHED, "d": State.STOPPED}
    folders = {
        name: write_run(workspace, name, run_id=f"20261124-00000{place}-{name}", state=state)
        for place, (name, state) in enumerate(names.items())
    }
    async with browser() as (app, pilot, screen):
        for name in ("a", "b", "c"):
            screen.run_list.select(folders[name].id)
            await pilot.press("space")
        await pilot.press("D")
        await until_dialog(app, pilot, ChoiceDialog)
        assert "Delete 2 runs?" in screen_text(app)
        assert "Not deleted, because it is live: 20261124-000001-b" in told(app)
        await pilot.press("d")
        await until(pilot, lambda: sorted(listed(screen)) == ["b", "d"])
        await until_told(app, pilot, "Deleted 2 runs")
        assert folders["b"].path.is_dir() and screen.marked == {folders["b"].id}


async def test_a_run_that_lost_its_manifest_is_deleted_too(workspace: Path) -> None:
    broken = write_run(workspace, "broken")
    broken.manifest.unlink()
    async with browser() as (app, pilot, screen):
        await until(pilot, lambda: len(listed(screen)) == 1)
        await pilot.press("D")
        await until_dialog(app, pilot, ChoiceDialog)
        await pilot.press("d")
        await until(pilot, lambda: not broken.path.exists())
        await until_told(app, pilot, "Deleted")


async def test_only_live_ones_are_refused_in_words(workspace: Path) -> None:
    write_run(workspace, state=State.PAUSED)
    async with browser() as (app, pilot, screen):
        await pilot.press("D")
        await until_told(app, pilot, "Stop it first")
        assert app.screen is screen


async def test_one_that_cannot_be_deleted_does_not_keep_the_others(workspace: Path) -> None:
    good = write_run(workspace, "good", run_id="20261124-000001-good")
    other = write_run(workspace, "other", run_id="20261124-000002-other")
    foreign = other.path.with_name("foreign")  # neither named like a run nor with a manifest that says it is one
    shutil.move(other.path, foreign)
    (foreign / "manifest.json").write_text("{}x")
    async with browser() as (app, pilot, screen):
        await pilot.press("A", "D")
        await until_dialog(app, pilot, ChoiceDialog)
        await pilot.press("d")
        await until(pilot, lambda: listed(screen) == ["foreign"])
        await until_told(app, pilot, "is not a run's manifest")
        assert not good.path.exists() and (foreign / "manifest.json").exists()
