"""The list by keys and mouse: what it shows, moving, opening, ordering, marking, the pane of the run."""

from pathlib import Path

from run_material import change_status, write_run
from runs_browsing import browser, chosen, listed, some_runs
from screens import screen_text, until_shown

from engine.run.annotations import rename_run, write_note
from engine.run.folder import RunFolder
from minimind_tui.app.screens.runs.run_list import RunList
from minimind_tui.core.run_table import Order


async def test_every_run_is_listed_with_state_progress_and_losses(workspace: Path) -> None:
    some_runs(workspace)
    async with browser() as (app, _pilot, screen):
        assert listed(screen) == ["alpha", "beta", "gamma", "delta"]
        shown = screen_text(app)
        lines = {name: next(line for line in shown.splitlines()[2:] if name in line) for name in listed(screen)}
        assert "● running" in lines["alpha"] and "50%" in lines["alpha"] and "2.2" in lines["alpha"]
        assert "✗ crashed" in lines["beta"] and "■ stopped" in lines["gamma"] and "100%" in lines["delta"]
        assert "Runs 4" in shown and "1 live" in shown and "newest first" in shown
        assert chosen(screen) == "alpha" and "›" in lines["alpha"]
        assert app.focused is screen.run_list


async def test_moving_shows_the_message_of_the_run(workspace: Path) -> None:
    some_runs(workspace)
    async with browser() as (app, pilot, screen):
        await pilot.press("down")
        assert chosen(screen) == "beta"
        assert "It ended at step 90 without a word" in screen_text(app)
        await pilot.press("end")
        assert chosen(screen) == "delta"
        await pilot.press("up", "k")
        assert chosen(screen) == "beta"
        await pilot.press("j", "home")
        assert chosen(screen) == "alpha"
        await pilot.press("pagedown")
        assert chosen(screen) == "delta"
        await pilot.press("pageup")
        assert chosen(screen) == "alpha"


async def test_enter_opens_the_dashboard(workspace: Path) -> None:
    _alpha, beta, *_others = some_runs(workspace)
    async with browser() as (app, pilot, screen):
        opened: list[RunFolder] = []
        app.open_run = opened.append  # type: ignore[method-assign]
        await pilot.press("down", "enter")
        assert opened == [beta]
        await pilot.press("g")
        await pilot.pause()
        assert app.screen is not screen


async def test_the_playground_opens_with_the_run(workspace: Path) -> None:
    alpha, *_others = some_runs(workspace)
    async with browser() as (app, pilot, _screen):
        asked: list[RunFolder | None] = []
        app.open_playground = lambda folder=None, checkpoint=None: asked.append(folder)  # type: ignore[method-assign]
        await pilot.press("g")
        assert asked == [alpha]


async def test_the_order_goes_round_the_columns_and_turns(workspace: Path) -> None:
    some_runs(workspace)
    async with browser() as (app, pilot, screen):
        assert screen.order == Order("age")
        seen = []
        for _column in screen.run_list.shown_columns:
            await pilot.press("o")
            seen.append(screen.order.key)
        assert seen == ["state", "run", "progress", "loss", "validation", "age"]
        screen._order_by(Order("loss"))
        assert listed(screen) == ["delta", "alpha", "beta", "gamma"]
        await pilot.press("O")
        assert listed(screen) == ["gamma", "beta", "alpha", "delta"]
        assert chosen(screen) == "alpha"  # whatever happens to the rows, the cursor stays on its run
        await pilot.pause()
        assert "greatest first" in screen_text(app) and "↓loss" in screen_text(app)


async def test_a_click_on_a_title_orders_and_again_turns(workspace: Path) -> None:
    some_runs(workspace)
    async with browser() as (app, pilot, screen):
        title = screen_text(app).splitlines()[2]
        await pilot.click(RunList, offset=(title.index("loss") - 2, 0))
        assert screen.order == Order("loss")
        await pilot.click(RunList, offset=(title.index("loss") - 2, 0))
        assert screen.order == Order("loss", reverse=True)
        await pilot.click(RunList, offset=(title.index("state") - 2, 0))
        assert screen.order.key == "state"


async def test_a_click_chooses_marks_and_twice_opens(workspace: Path) -> None:
    some_runs(workspace)
    async with browser() as (app, pilot, screen):
        opened: list[RunFolder] = []
        app.open_run = opened.append  # type: ignore[method-assign]
        await pilot.click(RunList, offset=(20, 3))
        assert chosen(screen) == "gamma" and opened == []
        await pilot.click(RunList, offset=(1, 2))
        assert chosen(screen) == "beta" and len(screen.marked) == 1
        await pilot.click(RunList, offset=(20, 1), times=2)
        assert [folder.id.rpartition("-")[2] for folder in opened] == ["alpha"]
        await pilot.click(RunList, offset=(20, 15))  # below the last row
        assert chosen(screen) == "alpha"


async def test_marks_are_toggled_shown_and_counted(workspace: Path) -> None:
    some_runs(workspace)
    async with browser() as (app, pilot, screen):
        await pilot.press("space", "space")
        assert [key.rpartition("-")[2] for key in sorted(screen.marked)] == ["beta", "alpha"]
        assert chosen(screen) == "gamma"
        await pilot.pause()
        shown = screen_text(app)
        assert "2 marked" in shown and sum("◆" in line for line in shown.splitlines()) == 2
        await pilot.press("home", "space")
        assert len(screen.marked) == 1
        await pilot.press("A")
        assert len(screen.marked) == 4
        await pilot.press("A")
        assert screen.marked == set()


async def test_an_empty_workspace_says_how_to_begin(workspace: Path) -> None:
    async with browser() as (app, pilot, screen):
        shown = screen_text(app)
        assert "No runs in runs/ yet." in shown and "f3" in shown and "f2" in shown
        write_run(workspace, "first")
        app.index.poll()
        screen.runs_changed()
        await pilot.pause()
        assert listed(screen) == ["first"] and "No runs" not in screen_text(app)


async def test_the_pane_tells_everything_of_the_run(workspace: Path) -> None:
    _alpha, beta, *_others = some_runs(workspace)
    write_note(beta, "why it crashed:\n[red]disk[/red]")
    rename_run(beta, "The [b]bold[/b] one")
    async with browser((140, 44)) as (_app, pilot, _screen):
        await pilot.press("down")
        await until_shown(pilot, "The [b]bold[/b] one")
        await until_shown(pilot, "[red]disk[/red]")
        for words in ("20261124-031502-beta", "Checkpoints", "Attempts", "1  from step 0", "kB", "2.19M", "loss 8"):
            await until_shown(pilot, words)


async def test_the_pane_follows_the_cursor_and_the_run(workspace: Path) -> None:
    alpha, *_others = some_runs(workspace)
    async with browser((140, 44)) as (app, pilot, screen):
        await until_shown(pilot, "120 of 240")
        change_status(alpha, step=121)
        app.index.poll()
        screen.runs_changed()
        await until_shown(pilot, "121 of 240")
        for _press in range(3):
            await pilot.press("down")
        await until_shown(pilot, "200 of 200")
        await pilot.press("i")
        assert "200 of 200" not in screen_text(app)
        await pilot.press("i")
        await until_shown(pilot, "200 of 200")


async def test_on_a_small_terminal_the_pane_opens_below(workspace: Path) -> None:
    some_runs(workspace)
    async with browser((80, 24)) as (app, pilot, _screen):
        assert "2.19M" not in screen_text(app)
        await pilot.press("i")
        await until_shown(pilot, "2.19M")
        assert "alpha" in screen_text(app)
        await pilot.press("i")
        await pilot.pause()
        assert "2.19M" not in screen_text(app)
