"""Choosing a model: by filter and arrows, files by their path, and what cannot be chosen."""

import json
from pathlib import Path

import pytest
from run_material import write_run
from screens import running, screen_text, until, until_shown
from textual.pilot import Pilot
from textual.widgets import Input, OptionList

from engine.run.annotations import rename_run
from engine.run.schema import State
from minimind_tui.app.application import MinimindApp
from minimind_tui.app.screens.playground.chooser import ModelChooser
from minimind_tui.app.screens.playground.screen import PlaygroundScreen
from minimind_tui.core.playground_models import ModelChoice


async def choosing(app: MinimindApp, pilot: Pilot[int]) -> PlaygroundScreen:
    await pilot.press("f5")
    await pilot.pause()
    screen = app.screen
    assert isinstance(screen, PlaygroundScreen)
    await pilot.press("ctrl+o")
    await until(pilot, lambda: isinstance(app.screen, ModelChooser) and app.screen._all is not None)
    await pilot.pause()
    return screen


def typed(app: MinimindApp) -> str:
    return app.screen.query_one("#filter", Input).value


async def test_arrows_choose_and_enter_takes(workspace: Path) -> None:
    run = write_run(workspace, steps=200)
    async with running(size=(80, 24)) as (app, pilot):
        screen = await choosing(app, pilot)
        assert screen.state.left.choice == ModelChoice(run)
        await pilot.press("down", "down", "enter")
        await pilot.pause()
        assert screen.state.left.choice == ModelChoice(run, "150") and app.screen is screen
        await pilot.press("ctrl+o")
        await until(pilot, lambda: isinstance(app.screen, ModelChooser) and app.screen._all is not None)
        await pilot.pause()
        assert app.screen.query_one(OptionList).highlighted == 2, "it begins at what is chosen"
        await pilot.press("up", "escape")
        await pilot.pause()
        assert screen.state.left.choice == ModelChoice(run, "150"), "escape changes nothing"


async def test_long_lists_are_gone_through_by_pages(workspace: Path) -> None:
    for number in range(12):
        write_run(workspace, f"run{number:02}", steps=200, run_id=f"20261124-0315{number:02}-run")
    async with running(size=(80, 24)) as (app, pilot):
        await choosing(app, pilot)
        rows = app.screen.query_one(OptionList)
        for key, place in (("ctrl+end", 35), ("ctrl+home", 0)):
            await pilot.press(key)
            await pilot.pause()
            assert rows.highlighted == place
        await pilot.press("pagedown")
        await pilot.pause()
        assert rows.highlighted is not None and rows.highlighted > 5
        await pilot.press("pageup")
        await pilot.pause()
        assert rows.highlighted == 0


async def test_what_is_typed_filters(workspace: Path) -> None:
    write_run(workspace, "alpha", steps=200)
    beta = write_run(workspace, "beta", steps=200)
    async with running(size=(80, 24)) as (app, pilot):
        screen = await choosing(app, pilot)
        await pilot.press(*"beta")
        await pilot.pause()
        text = screen_text(app)
        assert "031500-beta" in text and "031500-alpha" not in text
        await pilot.press("z")
        await until_shown(pilot, "Nothing matches.")
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, ModelChooser), "there is nothing to take"
        await pilot.press("backspace", "enter")
        await pilot.pause()
        assert screen.state.left.choice == ModelChoice(beta)


async def test_a_run_without_weights_is_seen_and_passed_over(workspace: Path) -> None:
    write_run(workspace, "young", steps=10, state=State.RUNNING, save_every=0, run_id="20261125-031500-young")
    old = write_run(workspace, "old", steps=200)
    async with running(size=(80, 24)) as (app, pilot):
        screen = await choosing(app, pilot)
        assert "20261125-031500-young" in screen_text(app) and "no weights yet" in screen_text(app)
        screen.state.left.choice = None
        await pilot.press("enter")
        await pilot.pause()
        assert screen.state.left.choice == ModelChoice(old)


async def test_a_file_is_found_by_its_path_with_heads_and_tokenizer(workspace: Path) -> None:
    write_run(workspace)
    folder = workspace / "weights [b]"
    folder.mkdir()
    (folder / "own_512.pth").write_bytes(b"")
    (folder / "notes.txt").write_bytes(b"")
    async with running(size=(80, 24)) as (app, pilot):
        screen = await choosing(app, pilot)
        assert not app.screen.query_one("#of-file").display
        await pilot.press(*"./wei")
        await pilot.pause()
        assert "weights [b]/" in screen_text(app)
        await pilot.press("enter")
        await pilot.pause()
        assert typed(app) == "weights [b]/" and "notes.txt" not in screen_text(app)
        assert "own_512.pth" in screen_text(app) and "Attention heads" in screen_text(app)
        await pilot.press("tab", "x", "enter")
        await until_shown(pilot, "expected a whole number of at least 1")
        await pilot.press("backspace", "4", "tab", *"tok.json", "enter")
        await pilot.pause()
        expected = ModelChoice(file=Path("weights [b]/own_512.pth"), heads=4, tokenizer="tok.json")
        assert screen.state.left.choice == expected
        assert "own_512.pth" in screen_text(app)


async def test_files_of_the_workspace_are_listed_without_typing(workspace: Path) -> None:
    (workspace / "out").mkdir()
    (workspace / "out" / "pretrain_512.pth").write_bytes(b"")
    async with running(size=(80, 24)) as (app, pilot):
        screen = await choosing(app, pilot)
        await pilot.press("enter")
        await pilot.pause()
        assert screen.state.left.choice == ModelChoice(file=Path("out/pretrain_512.pth"))


async def test_a_second_model_may_be_of_another_run(workspace: Path) -> None:
    write_run(workspace, "alpha", steps=200)
    beta = write_run(workspace, "beta", steps=200)
    async with running(size=(80, 24)) as (app, pilot):
        await pilot.press("f5")
        await pilot.pause()
        screen = app.screen
        assert isinstance(screen, PlaygroundScreen)
        await pilot.press("ctrl+d")
        await until(pilot, lambda: isinstance(app.screen, ModelChooser) and app.screen._all is not None)
        await pilot.press("escape")
        await pilot.pause()
        assert screen.state.right is None, "nothing was chosen"
        await pilot.press("ctrl+d")
        await until(pilot, lambda: isinstance(app.screen, ModelChooser) and app.screen._all is not None)
        await pilot.press(*"beta 200", "enter")
        await until(pilot, lambda: len(screen.query(".pane")) == 2)
        assert screen.state.right is not None and screen.state.right.choice == ModelChoice(beta)


async def test_nothing_at_all_is_said(workspace: Path) -> None:
    async with running(size=(80, 24)) as (app, pilot):
        await choosing(app, pilot)
        assert "There are no runs here yet." in screen_text(app)


@pytest.mark.parametrize("size", [(20, 5), (40, 12), (200, 60)])
async def test_it_fits_any_size(size: tuple[int, int], workspace: Path) -> None:
    write_run(workspace, "a-run-of-a-very-long-name-indeed-that-nobody-can-read-at-once", steps=200)
    async with running(size=(80, 24)) as (app, pilot):
        await choosing(app, pilot)
        await pilot.resize_terminal(*size)
        await pilot.pause()
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert "newest     step 200" in screen_text(app) and "✓ finished" in screen_text(app)


async def test_a_run_goes_by_the_name_it_was_given(workspace: Path) -> None:
    run = write_run(workspace, steps=200)
    rename_run(run, "Little [red] fox")
    async with running(size=(80, 24)) as (app, pilot):
        await choosing(app, pilot)
        await pilot.press(*"fox 150")
        await pilot.pause()
        assert "Little [red] fox" in screen_text(app)
        await pilot.press("enter")
        await pilot.pause()
        assert "Little [red] fox · step 150" in screen_text(app)


async def test_too_many_rows_are_cut_and_counted(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minimind_tui.app.screens.playground.chooser._MOST_ROWS", 4)
    write_run(workspace, "alpha", steps=200)
    write_run(workspace, "beta", steps=200)
    async with running(size=(80, 24)) as (app, pilot):
        await choosing(app, pilot)
        assert "And 2 more: type a part of the name." in screen_text(app)
        await pilot.press(*"beta")
        await pilot.pause()
        assert "more: type" not in screen_text(app) and "031500-beta" in screen_text(app)


async def test_a_broken_run_does_not_hide_the_others(workspace: Path) -> None:
    broken = write_run(workspace, "broken", steps=200)
    (broken.checkpoints / "step-00000200" / "checkpoint.json").write_text("{")
    broken.manifest.write_text(json.dumps({"format": 1}))
    write_run(workspace, "whole", steps=200)
    async with running(size=(80, 24)) as (app, pilot):
        await choosing(app, pilot)
        text = screen_text(app)
        assert "031500-whole" in text and "031500-broken" in text
