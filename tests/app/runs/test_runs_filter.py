"""Filtering the list: typed, explained where it is wrong, and what is left when nothing fits."""

from pathlib import Path

from runs_browsing import browser, chosen, listed, some_runs
from screens import drawn, screen_text, until, until_shown

from minimind_tui.app.screens.runs.screen import RunsScreen


async def test_a_filter_is_typed_narrows_and_is_taken_away(workspace: Path) -> None:
    some_runs(workspace)
    async with browser() as (app, pilot, screen):
        await pilot.press("slash")
        await pilot.press(*"lr>=1e-3 -state=finished", "enter")
        await until(pilot, lambda: listed(screen) == ["alpha", "beta", "gamma"])
        assert app.focused is screen.run_list and "Runs 3 of 4" in screen_text(app)
        await pilot.press("slash", "end")
        await pilot.press(*" lr<4e-3")
        await until(pilot, lambda: listed(screen) == ["beta"])
        assert chosen(screen) == "beta"
        await pilot.press("down")
        assert app.focused is screen.run_list
        await pilot.press("slash", "escape")
        assert listed(screen) == ["alpha", "beta", "gamma", "delta"]
        assert chosen(screen) == "beta" and app.focused is screen.run_list
        await pilot.pause()
        assert "/ lr" not in screen_text(app)


async def test_a_wrong_filter_is_explained_below_it_and_leaves_nothing_out(workspace: Path) -> None:
    some_runs(workspace)
    async with browser() as (app, pilot, screen):
        await pilot.press("slash")
        await pilot.press(*"stat=crahsed")
        await until_shown(pilot, "✗ There is no stat. Did you mean state?")
        assert len(screen.rows) == 4
        await pilot.press("home", "right", "right", "right", "right", "e")
        await until_shown(pilot, "Did you mean crashed?")
        marked = [
            segment.text
            for strip in drawn(app)
            for segment in strip
            if segment.style and segment.style.underline and segment.text.strip()
        ]
        assert "".join(marked) == "crahsed"


async def test_a_filter_that_nothing_fits_says_so(workspace: Path) -> None:
    some_runs(workspace)
    async with browser() as (_app, pilot, screen):
        await pilot.press("slash", *"nowhere", "enter")
        await until_shown(pilot, "No run fits this filter.")
        assert screen.selected is None
        for key in ("enter", "r", "f", "e", "n", "w", "y", "g", "D", "c", "space", "o", "O", "A", "i"):
            await pilot.press(key)
            assert isinstance(screen.app.screen, RunsScreen)
