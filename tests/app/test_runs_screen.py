"""The runs browser by keys and mouse: listing, ordering, filtering, marking, details; nothing takes the cursor away."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from many_runs import write_many
from run_material import change_status, write_run
from screens import running, screen_text, until, until_shown
from textual.color import Color
from textual.events import MouseScrollDown
from textual.pilot import Pilot

from engine.run.annotations import rename_run, write_note
from engine.run.folder import RunFolder
from engine.run.schema import State
from minimind_tui.app.application import MinimindApp
from minimind_tui.app.screens.runs.filter_bar import FilterInput
from minimind_tui.app.screens.runs.run_list import RunList
from minimind_tui.app.screens.runs.screen import RunsScreen
from minimind_tui.core.run_table import Order


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
            for strip in app.screen._compositor.render_strips()
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


async def test_an_empty_workspace_says_how_to_begin(workspace: Path) -> None:
    async with browser() as (app, pilot, screen):
        shown = screen_text(app)
        assert "No runs in runs/ yet." in shown and "f3" in shown and "f2" in shown
        write_run(workspace, "first")
        app.index.poll()
        screen.runs_changed()
        await pilot.pause()
        assert listed(screen) == ["first"] and "No runs" not in screen_text(app)


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


@pytest.mark.parametrize("size", [(20, 5), (40, 12), (80, 24), (200, 60)])
async def test_every_size_works(workspace: Path, size: tuple[int, int]) -> None:
    some_runs(workspace)
    async with browser(size) as (app, pilot, screen):
        await pilot.press("down", "i", "i", "space", "slash", "x", "escape", "o")
        await pilot.resize_terminal(200, 60)
        await pilot.pause()
        for title in ("preset", "tok/s", "size", "tokens", "params"):
            assert title in screen_text(app)
        await pilot.resize_terminal(*size)
        await pilot.pause()
        assert screen.selected is not None


@pytest.mark.parametrize("theme", ["minimind-light", "ansi-light", "ansi-dark", "nord"])
async def test_every_theme_works_and_the_cursor_is_more_than_a_colour(workspace: Path, theme: str) -> None:
    some_runs(workspace)
    async with running(size=(120, 36)) as (app, pilot):
        if theme not in app.available_themes:
            pytest.skip(f"Textual has no theme {theme}")
        app.theme = theme
        await pilot.press("f4")
        await until_shown(pilot, "›")
        assert not app.troubles


@pytest.mark.parametrize("theme", ["minimind-dark", "minimind-light"])
async def test_what_matters_less_is_fainter(workspace: Path, theme: str) -> None:
    some_runs(workspace)
    async with browser((140, 40), theme) as (app, pilot, _screen):
        await until_shown(pilot, "made")
        colours = {
            segment.text.strip(): segment.style
            for strip in app.screen._compositor.render_strips()
            for segment in strip
            if segment.style is not None
        }

        def contrast(text: str) -> float:
            style = next(style for shown, style in colours.items() if text in shown)
            assert style.color is not None and style.bgcolor is not None
            front, back = (Color.from_rich_color(colour) for colour in (style.color, style.bgcolor))
            return abs(front.brightness - back.brightness)

        assert contrast("20261124-031500-delta") > contrast("best val") > 0.2
        assert contrast("made") < contrast("20261124-031500-delta")


async def test_who_scrolls_away_from_the_cursor_is_not_brought_back(workspace: Path) -> None:
    ids = write_many(workspace, 60)
    async with browser() as (app, pilot, screen):
        for _turn in range(6):
            await pilot._post_mouse_events([MouseScrollDown], RunList, button=0)
        await pilot.pause(0.5)
        shown = screen_text(app)
        assert ids[0] not in shown
        rename_run(RunFolder(workspace / "runs" / ids[5]), "changed")
        app.index.forget(RunFolder(workspace / "runs" / ids[5]))
        app.index.poll()
        screen.runs_changed()
        await pilot.pause()
        assert ids[0] not in screen_text(app)
        await pilot.press("down")
        await pilot.pause()
        assert ids[1] in screen_text(app)


async def test_the_language_changes_in_place(workspace: Path) -> None:
    some_runs(workspace)
    async with browser((120, 36)) as (app, pilot, screen):
        await pilot.press("down", "space")
        await pilot.press("slash", *"lr>1e-5", "enter")
        await pilot.press("f7")
        await until(pilot, lambda: "crashed" not in screen_text(app) and bool(app.screen.query(RunList)))
        await pilot.pause()
        assert len(screen.marked) == 1 and chosen(screen) == "gamma"
        assert "lr>1e-5" in screen_text(app) and len(screen.rows) == 4
        assert app.focused is screen.run_list


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


async def test_hostile_texts_stay_texts(workspace: Path) -> None:
    texts = [
        "[red]red[/red] [/] [b",
        "\x1b[31mescape\x1b]0;t\x07",
        "从前有一只很长很长的名字" * 6,
        "שלום עולם",
        "\u202eesrever",
        "e\u0301" * 40,
        "👩‍👩‍👧‍👦" * 10,
        "\n\t\r",
    ]
    for place, text in enumerate(texts):
        folder = write_run(workspace, f"h{place}", run_id=f"20261124-03150{place}-h{place}", status={"message": text})
        manifest = folder.read_manifest()
        for name in ("preset", "device", "host", "data_path", "weights_name"):
            setattr(manifest, name, text)
        folder.write_manifest(manifest)
        folder.annotations.write_text('{"title": ' + _json(text[:80]) + ', "note": ' + _json(text * 3) + "}")
    huge = write_run(workspace, "huge", run_id="20261123-000000-" + "x" * 200, status={"message": "m" * 20_000})
    write_note(huge, "n" * 9_000)
    for size in ((80, 24), (160, 44)):
        async with browser(size) as (app, pilot, screen):
            for _row in screen.rows:
                await pilot.press("down")
                await settled(pilot, screen)
                shown = screen_text(app)
                assert "\x1b" not in shown and "\u202e" not in shown and "\x07" not in shown
            assert "[red]red[/red] [/] [b" in screen_text(app)
            await pilot.press("space", "home", "i", "e", "escape", "n", "escape")
            assert not app.troubles


def _json(text: str) -> str:
    import json

    return json.dumps(text)


async def test_broken_folders_are_listed_with_what_is_wrong(workspace: Path) -> None:
    runs = workspace / "runs"
    lost = runs / "20261124-000001-lost"
    lost.mkdir(parents=True)
    (lost / "run.toml").write_text("")
    garbage = write_run(workspace, run_id="20261124-000002-garbage")
    garbage.manifest.write_bytes(os.urandom(100))
    status = write_run(workspace, run_id="20261124-000003-status")
    status.status.write_bytes(b"{")
    async with browser() as (app, pilot, screen):
        assert listed(screen) == ["status", "garbage", "lost"]
        await until_shown(pilot, "status.json cannot be understood")
        await pilot.press("down")
        await until_shown(pilot, "is not a run's manifest")
        await pilot.press("down")
        await until_shown(pilot, "no manifest.json")
        assert screen_text(app).count("? broken") == 2
        await pilot.press("enter")  # the dashboard says what it can
        await pilot.pause()
        await pilot.press("escape")
        await pilot.press("slash", *"state=broken", "enter")
        await until(pilot, lambda: listed(screen) == ["garbage", "lost"])
        await pilot.press("A", "D")
        await until(
            pilot, lambda: any("manifest" in note.message for note in app._notifications) or app.screen is not screen
        )
