"""How the tests drive the runs browser: opened with everything read, what it lists, and four runs to list."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from run_material import write_run
from screens import running, until
from textual.pilot import Pilot

from engine.run.folder import RunFolder
from engine.run.schema import State
from minimind_tui.app.application import MinimindApp
from minimind_tui.app.screens.runs.screen import RunsScreen


@asynccontextmanager
async def browser(
    size: tuple[int, int] = (80, 24), theme: str = ""
) -> AsyncIterator[tuple[MinimindApp, Pilot[int], RunsScreen]]:
    """The runs browser of the test's workspace, everything read."""
    async with running(size=size) as (app, pilot):
        if theme:
            app.theme = theme
        await pilot.press("f4")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen))
        screen = app.screen
        assert isinstance(screen, RunsScreen)
        await settled(pilot, screen)
        yield app, pilot, screen


async def settled(pilot: Pilot[int], screen: RunsScreen) -> None:
    """Wait until nothing is read any more."""
    await until(pilot, lambda: screen.minimind.index.caught_up and all(w.is_finished for w in screen.workers))
    await pilot.pause()


def listed(screen: RunsScreen) -> list[str]:
    return [row.key.split("-", 2)[-1] for row in screen.rows]


def chosen(screen: RunsScreen) -> str | None:
    return None if screen.selected is None else screen.selected.key.split("-", 2)[-1]


def some_runs(workspace: Path) -> list[RunFolder]:
    """Four runs, the newest first: alpha, beta, gamma, delta."""
    plans = {
        "delta": {"state": State.FINISHED, "steps": 200, "settings": {"learning_rate": 1e-3}},
        "gamma": {"state": State.STOPPED, "steps": 60},
        "beta": {"state": State.CRASHED, "steps": 90, "settings": {"learning_rate": 2e-3}},
        "alpha": {"state": State.RUNNING, "steps": 120},
    }
    return [
        write_run(
            workspace,
            name,
            run_id=f"20261124-03150{place}-{name}",
            manifest={"created": f"2026-11-24T03:15:0{place}.000Z"},
            **plan,  # type: ignore[arg-type]
        )
        for place, (name, plan) in enumerate(plans.items())
    ][::-1]
