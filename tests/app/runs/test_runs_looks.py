"""The browser in every size, theme and language, with hostile texts and with broken folders."""

import json
import os
from pathlib import Path

import pytest
from run_material import write_run
from runs_browsing import browser, chosen, listed, settled, some_runs
from screens import drawn, screen_text, until, until_shown
from textual.color import Color

from engine.run.annotations import write_note
from minimind_tui.app.screens.runs.detail_pane import DetailPane
from minimind_tui.app.screens.runs.run_list import RunList


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


@pytest.mark.parametrize("theme", ["minimind-dark", "minimind-light"])
async def test_what_matters_less_is_fainter(workspace: Path, theme: str) -> None:
    some_runs(workspace)
    async with browser((140, 40), theme) as (app, pilot, _screen):
        await until_shown(pilot, "made")
        colours = {
            segment.text.strip(): segment.style
            for strip in drawn(app)
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


async def test_what_was_read_meanwhile_finds_no_pane_and_is_shown_afterwards(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread may end while another language takes the panes away for a moment."""
    some_runs(workspace)
    async with browser((120, 36)) as (app, pilot, screen):
        recompose = screen.recompose

        async def in_the_midst() -> None:
            await screen.query_one(DetailPane).remove()
            screen._show_details()
            screen.runs_changed()
            await recompose()

        monkeypatch.setattr(screen, "recompose", in_the_midst)
        await pilot.press("f7")
        await until(pilot, lambda: bool(app.screen.query(DetailPane)) and "crashed" not in screen_text(app))
        assert screen.is_current and len(screen.rows) > 1


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
        folder.annotations.write_text('{"title": ' + json.dumps(text[:80]) + ', "note": ' + json.dumps(text * 3) + "}")
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
