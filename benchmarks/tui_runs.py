"""What the runs browser costs in a workspace of thousands of runs: wall-clock and CPU time.

    python benchmarks/tui_runs.py [--runs 2000] [--live 3]

Writes run folders into a temporary workspace, then measures, all in one process: the first look at the workspace, the
time until every run is read, later looks, and in the application (driven without a terminal) how long it takes to open
the browser, to move, to sort, to filter, and to take in what a live run has logged.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "app"))

from many_runs import write_many  # noqa: E402
from run_material import change_status, write_run  # noqa: E402
from textual.pilot import Pilot  # noqa: E402

from engine.run.folder import RunFolder  # noqa: E402
from engine.run.schema import State  # noqa: E402
from minimind_tui.app.application import MinimindApp  # noqa: E402
from minimind_tui.app.screens.runs.screen import RunsScreen  # noqa: E402
from minimind_tui.core.run_index import RunIndex  # noqa: E402

Times = list[tuple[float, float]]
"""Of each round the seconds of the wall clock and those of the CPU."""


def now() -> tuple[float, float]:
    """Both clocks. CPU time says what it costs where other work is done beside this."""
    return time.perf_counter(), time.process_time()


def since(started: tuple[float, float]) -> tuple[float, float]:
    """What has passed on both clocks."""
    wall, cpu = now()
    return wall - started[0], cpu - started[1]


def tell(what: str, times: Times) -> None:
    """One line: the medians of both clocks, and the longest round."""
    wall, cpu = [one[0] for one in times], [one[1] for one in times]
    medians = f"{statistics.median(wall) * 1e3:8.1f} ms, {statistics.median(cpu) * 1e3:7.1f} ms of CPU"
    print(f"{what:46} {medians}   longest {max(wall) * 1e3:7.1f} ms")


def timed(work: Callable[[], object], rounds: int = 1) -> Times:
    """How long it takes, each time."""
    times = []
    for _round in range(rounds):
        started = now()
        work()
        times.append(since(started))
    return times


def measure_index(workspace: Path, live: list[RunFolder]) -> None:
    """Looks at the workspace, as the application makes them."""
    index = RunIndex(workspace / "runs")
    tell("first look", timed(index.poll))
    started, looks = now(), 1
    while not index.caught_up:
        index.poll()
        looks += 1
    tell(f"until every run is read, {looks} looks", [since(started)])
    time.sleep(2.5)  # folders written this moment are looked at once more
    while index.poll() or not index.caught_up:
        pass
    tell("a later look, nothing new", timed(index.poll, 50))

    def logged() -> None:
        change_status(live[0], step=int(time.time()))

    times = []
    for _round in range(20):
        logged()
        times += timed(index.poll)
    tell("a later look, a live run logged", times)


async def keyed(pilot: Pilot[int], key: str, rounds: int) -> Times:
    """How long the application is busy with a key, each time."""
    times = []
    for _round in range(rounds):
        started = now()
        await pilot.press(key)
        times.append(since(started))
    return times


async def measure_screen(live: list[RunFolder]) -> None:
    """The browser, driven by keys."""
    app = MinimindApp()
    started = now()
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        tell("the application is up", [since(started)])
        started = now()
        await pilot.press("f4")
        screen = app.screen
        assert isinstance(screen, RunsScreen)
        tell("the browser is seen", [since(started)])
        while not app.index.caught_up or any(not worker.is_finished for worker in screen.workers):
            await pilot.pause(0.05)
        tell(f"settings and sizes of {len(screen.rows)} rows are read", [since(started)])
        tell("listing them anew, nothing changed", timed(screen.runs_changed, 20))
        tell("a key that does nothing", await keyed(pilot, "z", 10))
        tell("arrow down", await keyed(pilot, "down", 20))
        tell("page down", await keyed(pilot, "pagedown", 20))
        tell("sort by the next column", await keyed(pilot, "o", 14))
        times = []
        for step in range(20):
            change_status(live[0], step=100 + step)
            app.index.poll()
            times += timed(screen.runs_changed)
        tell("taking in what a live run logged", times)
        await pilot.press("slash")
        times = []
        for character in "lr>=1e-5 state=crashed":
            times += await keyed(pilot, "space" if character == " " else character, 1)
        tell("a character of a filter", times)
        print(f"rows that fit it: {len(screen.rows)}")


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--live", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder)
        for name, place in (("MINIMIND_RUNS", "runs"), ("MINIMIND_CACHE", "cache"), ("MINIMIND_CONFIG", "config")):
            os.environ[name] = str(workspace / place)
        os.chdir(workspace)
        write_many(workspace, asked.runs)
        live = [write_run(workspace, f"live{n}", state=State.RUNNING, steps=100) for n in range(max(1, asked.live))]
        measure_index(workspace, live)
        asyncio.run(measure_screen(live))


if __name__ == "__main__":
    main()
