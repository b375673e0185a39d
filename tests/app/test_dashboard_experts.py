"""The tabs of the experts and of the ranks: there for the runs that have them, seen at every size and without colours,
and unharmed by whatever the log says.
"""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from run_material import append_steps, change_status, encode, expert_load, write_run
from screens import SIZES, drawn, screen_text, settle_on_snapshot, until, until_shown
from test_dashboard_keys import dashboard

from engine.language import set_language
from engine.run.folder import RunFolder
from engine.run.schema import State
from minimind_tui.app.screens.dashboard.screen import DashboardScreen
from minimind_tui.core.experts import STARVES

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
RUNS: dict[str, dict[str, Any]] = {
    "experts": {"experts": (8, 4), "starving": [(5, 3)]},
    "experts-many": {"experts": (16, 64)},
    "ranks": {"ranks": 4, "slow_rank": 2},
    "ranks-many": {"ranks": 64, "slow_rank": 42},
}


def run_with(workspace: Path, name: str = "experts", **more: Any) -> RunFolder:
    plan = {"state": State.RUNNING, "steps": 100, "total_steps": 400, "status": {"usual_interval": 60.0}}
    return write_run(workspace, **(plan | RUNS[name] | more))


def pane_lines(screen: DashboardScreen) -> list[str]:
    """The lines of the pane that is seen, within its borders."""
    region = screen.query_one("#dash-below").region
    lines = screen_text(screen.minimind).splitlines()[region.y + 1 : region.bottom - 1]
    return [line[1:-1].strip() for line in lines]


def append_line(folder: RunFolder, step: int, **values: Any) -> None:
    line = {"v": 1, "t": "", "attempt": 1, "step": step, "kind": "train", "loss": 1.0, "lr": 1e-3}
    with folder.metrics.open("ab") as file:
        file.write(encode(line | values))


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", RUNS)
async def test_what_is_seen(
    workspace: Path, name: str, size: str, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minimind_tui.app.screens.dashboard.screen.local_now", lambda: NOON)
    folder = run_with(workspace, name)
    set_language(language)
    async with dashboard(folder, SIZES[size]) as (app, pilot, screen):
        await until(pilot, lambda: screen.view.caught_up and len(screen.tabs) > 5)
        await pilot.press("6" if "experts" in name else "7")
        await pilot.pause(0.3)
        await settle_on_snapshot(pilot, f"dashboard-{name}-{size}-{language}", lambda: screen_text(app))


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("size", SIZES)
async def test_a_layer_over_time(workspace: Path, size: str, language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minimind_tui.app.screens.dashboard.screen.local_now", lambda: NOON)
    folder = run_with(workspace)
    set_language(language)
    async with dashboard(folder, SIZES[size]) as (app, pilot, screen):
        await until(pilot, lambda: "experts" in screen.tabs)
        await pilot.press("6", "v")
        await pilot.pause(0.3)
        await settle_on_snapshot(pilot, f"dashboard-experts-time-{size}-{language}", lambda: screen_text(app))


async def test_a_dense_run_of_one_process_has_neither(workspace: Path) -> None:
    folder = write_run(workspace, state=State.RUNNING)
    async with dashboard(folder, (120, 36)) as (app, pilot, screen):
        await until(pilot, lambda: screen.view.caught_up)
        for key in ("6", "7", "v", "j", "k"):
            await pilot.press(key)
            await pilot.pause()
        assert screen.tab == "samples" and screen.tabs == ("curves", "samples", "events", "settings", "log")
        assert not screen.query("#pane-experts, #pane-ranks")
        assert "Experts" not in screen_text(app) and "Ranks" not in screen_text(app)
        offered = ("show_experts", "show_ranks", "experts_over_time", "next_layer", "previous_layer")
        assert [screen.check_action(action, ()) for action in offered] == [False] * 5


async def test_the_tab_comes_with_the_first_interval_and_goes_on_with_the_run(workspace: Path) -> None:
    folder = write_run(workspace, state=State.RUNNING, steps=2, total_steps=400, experts=None)
    async with dashboard(folder) as (app, pilot, screen):
        await until(pilot, lambda: screen.view.caught_up)
        assert "6 Experts" not in screen_text(app)
        append_steps(folder, 3, 3, experts=(3, 4))
        await until_shown(pilot, "6 Experts")
        await pilot.press("6")
        await until_shown(pilot, "step 3 ")
        append_steps(folder, 4, 9, experts=(3, 4))
        await until_shown(pilot, "mean of 7 intervals to step 9")
        await pilot.press("n")
        assert screen.tab == "curves"
        await pilot.press("N")
        assert screen.tab == "experts"


async def test_both_tabs_keep_their_keys_and_can_be_clicked(workspace: Path) -> None:
    folder = run_with(workspace, experts=(4, 4), starving=(), ranks=2)
    async with dashboard(folder) as (app, pilot, screen):
        await until_shown(pilot, "7 Ranks")
        await pilot.press("7")
        await until(pilot, lambda: screen.tab == "ranks")
        strip = next(line for line in screen_text(app).splitlines() if "6 Experts" in line)
        await pilot.click(offset=(strip.index("6 Experts") + 3, screen_text(app).splitlines().index(strip)))
        await until(pilot, lambda: screen.tab == "experts")
        assert screen.focused is not None and screen.focused.id == "pane-experts"


async def test_only_ranks_are_seven_all_the_same(workspace: Path) -> None:
    async with dashboard(run_with(workspace, "ranks")) as (app, pilot, screen):
        await until_shown(pilot, "7 Ranks")
        assert "Experts" not in screen_text(app)
        await pilot.press("6")
        assert screen.tab != "ranks"
        await pilot.press("7")
        await until_shown(pilot, "◀ slowest")
        assert any("Rank 2 holds the others up" in line for line in pane_lines(screen))


async def test_processes_that_have_told_nothing_yet(workspace: Path) -> None:
    folder = write_run(workspace, state=State.RUNNING, steps=2, total_steps=400, status={"world_size": 4})
    async with dashboard(folder) as (_app, pilot, _screen):
        await until_shown(pilot, "7 Ranks")
        await pilot.press("7")
        await until_shown(pilot, "4 processes; no log interval has told")


async def test_the_ranks_go_when_the_run_goes_on_with_one_process(workspace: Path) -> None:
    folder = run_with(workspace, "ranks")
    async with dashboard(folder) as (app, pilot, screen):
        await until_shown(pilot, "7 Ranks")
        await pilot.press("7")
        change_status(folder, world_size=1)
        await until(pilot, lambda: screen.tab == "curves")
        assert "Ranks" not in screen_text(app)


async def test_the_numbers_and_the_tab_tell_of_starving_experts_while_they_starve(workspace: Path) -> None:
    folder = run_with(workspace, starving=())
    async with dashboard(folder, (120, 36)) as (app, pilot, screen):
        await until(pilot, lambda: screen.view.caught_up and "experts" in screen.tabs)
        await pilot.pause(0.3)
        assert "starving" not in screen_text(app)
        append_steps(folder, 101, 130, experts=(8, 4), starving=[(5, 3)])
        await until_shown(pilot, "1 starving [6]")
        append_steps(folder, 131, 132, experts=(8, 4), starving=[(5, 3)])
        await until(pilot, lambda: len(screen.view.train) == 132)
        await pilot.press("6")
        await until_shown(pilot, "Starving: layer 5 expert 3")
        await until_shown(pilot, "aux_loss_coef")
        append_steps(folder, 133, 160, experts=(8, 4))
        await until(pilot, lambda: "starving" not in screen_text(app).lower())


async def test_layers_are_turned_and_the_way_back(workspace: Path) -> None:
    async with dashboard(run_with(workspace)) as (app, pilot, screen):
        await until(pilot, lambda: "experts" in screen.tabs)
        await pilot.press("v")  # from another tab: it leads there
        assert screen.tab == "experts"
        await until_shown(pilot, "Layer 5, steps 37 to 100")  # the one that starves comes first
        assert STARVES in "".join(pane_lines(screen)[-10:])
        await pilot.press("j")
        await until_shown(pilot, "Layer 6,")
        await pilot.press("j", "j")
        await until_shown(pilot, "Layer 0,")
        await pilot.press("k")
        await until_shown(pilot, "Layer 7,")
        await pilot.press("v")
        await until(pilot, lambda: "Layer 7," not in screen_text(app) and "mean of 16" in screen_text(app))


async def test_what_does_not_fit_is_scrolled_to(workspace: Path) -> None:
    async with dashboard(run_with(workspace, "experts-many")) as (_app, pilot, screen):
        await until(pilot, lambda: "experts" in screen.tabs)
        await pilot.press("6")
        await until_shown(pilot, "arrow keys scroll")
        await pilot.pause()
        assert not any(line.startswith("15 ") for line in pane_lines(screen))
        await pilot.press("end")
        await until(pilot, lambda: any(line.startswith("15 ") for line in pane_lines(screen)))
        last = next(line for line in pane_lines(screen) if line.startswith("15 "))
        assert len(last.split()[1]) == 64


async def test_more_experts_than_columns_are_folded(workspace: Path) -> None:
    async with dashboard(run_with(workspace, experts=(2, 200), starving=())) as (_app, pilot, screen):
        await until(pilot, lambda: "experts" in screen.tabs)
        await pilot.press("6")
        await until(pilot, lambda: any(line.startswith("0 ") for line in pane_lines(screen)))
        await pilot.press("end")
        await pilot.pause()
        signs = [line for line in pane_lines(screen) if set(line) & set("▁▂▃▄▅▆▇█") and "fair share" not in line]
        assert sum(sum(sign in "·▁▂▃▄▅▆▇█×" for sign in line) for line in signs) == 400


@pytest.mark.parametrize("theme", ["ansi-dark", "ansi-light", "minimind-light"])
async def test_signs_do_without_colours(workspace: Path, theme: str) -> None:
    async with dashboard(run_with(workspace)) as (app, pilot, screen):
        await until(pilot, lambda: "experts" in screen.tabs)
        app.theme = theme
        await pilot.press("6")
        await until_shown(pilot, "5 █ 56% ▃ 19% ▄ 24% ×  0% 0.72")


async def test_heat_is_coloured_where_there_are_colours(workspace: Path) -> None:
    async with dashboard(run_with(workspace)) as (app, pilot, screen):
        await until(pilot, lambda: "experts" in screen.tabs)
        await pilot.press("6")
        await until_shown(pilot, "×  0%")
        signs = {"▁": set(), "▄": set(), "█": set(), "×": set()}  # type: ignore[var-annotated]
        for segment in (segment for strip in drawn(app)[8:-2] for segment in strip):
            sign = segment.text.strip()[:1]
            if sign in signs and "%" in segment.text and segment.style is not None:
                signs[sign].add(segment.style.color)
        assert all(len(colours) == 1 for colours in signs.values()), signs
        assert len(set.union(*signs.values())) == 4  # cold, fair, hot, starving


async def test_without_colours_at_all(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with dashboard(run_with(workspace, ranks=2, slow_rank=1)) as (app, pilot, screen):
        await until(pilot, lambda: len(screen.tabs) == 7)
        await pilot.press("6")
        await until_shown(pilot, "! Starving: layer 5 expert 3")
        await pilot.press("7")
        await until_shown(pilot, "! Rank 1 holds the others up")
        assert "◀ slowest" in screen_text(app)


@pytest.mark.parametrize("size", [(20, 5), (40, 12), (60, 20), (99, 40), (200, 60)])
@pytest.mark.parametrize("plan", [{"experts": (16, 64), "ranks": 3}, {"experts": (1, 1), "ranks": 300}])
async def test_any_size_will_do(workspace: Path, size: tuple[int, int], plan: dict[str, Any]) -> None:
    folder = run_with(workspace, **(plan | {"starving": (), "steps": 20}))
    async with dashboard(folder, size) as (app, pilot, screen):
        await until(pilot, lambda: len(screen.tabs) == 7)
        for key in ("6", "v", "j", "7"):
            await pilot.press(key)
            await pilot.pause()
        await pilot.resize_terminal(200, 60)
        await pilot.pause()
        await pilot.resize_terminal(*size)
        await pilot.pause()
        assert not app._notifications and screen.tab == "ranks"


async def test_a_change_of_language_keeps_the_tab(workspace: Path) -> None:
    async with dashboard(run_with(workspace)) as (app, pilot, screen):
        await until(pilot, lambda: "experts" in screen.tabs)
        await pilot.press("6")
        await until_shown(pilot, "fair share")
        await pilot.press("f7")
        await until(pilot, lambda: "运行中" in screen_text(app) and "0.38%" in screen_text(app))
        assert screen.tab == "experts" and "fair share" not in screen_text(app)
        await pilot.press("v")
        await until(pilot, lambda: "第 5 层，第 37 至 100 步" in screen_text(app))


HOSTILE: list[dict[str, Any]] = [
    {"expert_load": "x", "rank_seconds": {"a": 1}, "rank_data_wait": None},
    {"expert_load": [[None, 1.0], ["[red]"]], "rank_seconds": ["[b]"]},
    {"expert_load": [[0.5, 0.5]] * 3 + [[1.0]] + [[]], "rank_seconds": [1.0, 1e308]},
    {"expert_load": [[0.0] * 4000] * 16, "rank_seconds": [0.0] * 5000},
    {"expert_load": [[1e-300, 0.0]], "rank_seconds": [1e-300, 1e9], "rank_data_wait": [0.0]},
    {"expert_load": [[[[0.5]]]], "rank_data_wait": [2.0, -1.0]},
    {"expert_load": [[0.0, 0.0]], "rank_seconds": [0.0, 0.0], "rank_data_wait": [1.0, 1.0]},
    {"expert_load": [[1.0]], "rank_seconds": [5.0], "aux_loss": "much"},
]


@pytest.mark.parametrize("tab", ["6", "7"])
async def test_whatever_the_log_says_the_screen_lives(workspace: Path, tab: str) -> None:
    folder = run_with(workspace, experts=(4, 4), starving=(), ranks=2, steps=20)
    async with dashboard(folder) as (app, pilot, screen):
        await until(pilot, lambda: len(screen.tabs) == 7)
        await pilot.press(tab)
        for number, values in enumerate(HOSTILE, 21):
            append_line(folder, number, **values)
            await until(pilot, lambda number=number: screen.view.train.steps[-1] == number)  # type: ignore[misc]
            if tab == "6":
                await pilot.press("v", "j", "v")
            await pilot.pause()
            assert "[red]" not in screen_text(app)
        append_line(folder, 90, expert_load=expert_load(90, 2, 4), rank_seconds=[0.1, 0.3], rank_data_wait=[0.0, 0.0])
        await until_shown(pilot, "step 90" if tab == "6" else "Rank 1 holds")
        assert not [note for note in app._notifications if note.severity == "error"]


async def test_an_undone_interval_is_undone_here_too(workspace: Path) -> None:
    folder = run_with(workspace, starving=())
    async with dashboard(folder) as (_app, pilot, screen):
        await until(pilot, lambda: "experts" in screen.tabs)
        await pilot.press("6")
        await until_shown(pilot, "to step 100")
        with folder.metrics.open("ab") as file:
            file.write(encode({"v": 1, "t": "", "attempt": 2, "step": 50, "kind": "attempt", "start_step": 50}))
        append_steps(folder, 51, 53, attempt=2, experts=(8, 4))
        await until_shown(pilot, "to step 53")


async def test_nothing_is_drawn_when_nothing_changed(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = run_with(workspace, "experts-many", state=State.FINISHED, total_steps=100, ranks=4)
    drawn_again: list[object] = []
    async with dashboard(folder, (120, 36)) as (_app, pilot, screen):
        await until(pilot, lambda: len(screen.tabs) == 7)
        for key in "67":
            await pilot.press(key)
            await pilot.pause(0.3)
            drawn_again.clear()
            with monkeypatch.context() as patch:
                for widget in screen.query("*"):
                    patch.setattr(
                        widget, "refresh", lambda *a, widget=widget, **k: drawn_again.append(widget) or widget
                    )
                for _look in range(3):
                    screen.look()
                    await pilot.pause()
            assert drawn_again == []


async def test_sixty_four_experts_in_sixteen_layers_are_followed_lightly(workspace: Path) -> None:
    folder = run_with(workspace, "experts-many")
    async with dashboard(folder, (120, 36)) as (_app, pilot, screen):
        await until(pilot, lambda: "experts" in screen.tabs)
        await pilot.press("6")
        await pilot.pause(0.3)
        best = 9.0
        for step in range(101, 106):
            append_steps(folder, step, step, experts=(16, 64))
            before = time.process_time()
            screen.look()
            best = min(best, time.process_time() - before)
        assert screen.view.train.lists[-1].step == 105
        assert best < 0.25  # a fortieth of a second by itself
