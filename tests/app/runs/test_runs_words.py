"""Words on a run and of a run: its name, its note, its report, its path."""

from pathlib import Path

import pytest
from run_material import write_run
from runs_browsing import browser
from runs_dialogs import until_dialog, until_told
from screens import until, until_shown
from textual.widgets import Input, TextArea

from engine.run.annotations import read_annotations
from minimind_tui.app.dialogs import ChoiceDialog, TextDialog
from minimind_tui.app.screens.runs.note_dialog import NoteDialog


async def test_a_run_is_renamed_and_gets_its_id_back(workspace: Path) -> None:
    folder = write_run(workspace)
    async with browser() as (app, pilot, _screen):
        await pilot.press("e")
        await until_dialog(app, pilot, TextDialog)
        await pilot.press(*"[b]new[/b]", "enter")
        await until(pilot, lambda: read_annotations(folder).title == "[b]new[/b]")
        await until_shown(pilot, "[b]new[/b]")
        await pilot.press("e")
        await until_dialog(app, pilot, TextDialog)
        app.screen.query_one(Input).value = "x" * 81
        await until_shown(pilot, "at most 80 characters; this one has 81")
        await pilot.press("enter")
        assert isinstance(app.screen, TextDialog)
        app.screen.query_one(Input).value = ""
        await pilot.press("enter")
        await until_shown(pilot, "20261124-031500-mini")
        assert read_annotations(folder).title == ""


async def test_a_note_is_written_changed_and_left(workspace: Path) -> None:
    folder = write_run(workspace)
    async with browser((140, 40)) as (app, pilot, _screen):
        await pilot.press("n")
        await until_dialog(app, pilot, NoteDialog)
        await pilot.press(*"first", "enter", *"second", "ctrl+g")
        await until(pilot, lambda: read_annotations(folder).note == "first\nsecond")
        await until_shown(pilot, "second")
        await pilot.press("n")
        await until_dialog(app, pilot, NoteDialog)
        await pilot.press(*" line", "tab", "enter")
        await until(pilot, lambda: read_annotations(folder).note == "first\nsecond line")
        await pilot.press("n")
        await until_dialog(app, pilot, NoteDialog)
        await pilot.press(*"lost", "escape")
        await pilot.press("n")
        await until_dialog(app, pilot, NoteDialog)
        assert app.screen.query_one(TextArea).text == "first\nsecond line"
        app.screen.query_one(TextArea).text = "x" * 10_001
        await until_shown(pilot, "at most 10000 characters")
        await pilot.press("ctrl+g")
        await pilot.pause()
        assert isinstance(app.screen, NoteDialog)


async def test_a_folder_that_cannot_be_written_is_told(workspace: Path) -> None:
    folder = write_run(workspace)
    folder.annotations.mkdir()
    async with browser() as (app, pilot, _screen):
        await pilot.press("e")
        await until_dialog(app, pilot, TextDialog)
        await pilot.press(*"name", "enter")
        await until_told(app, pilot, "Cannot write")


@pytest.mark.parametrize(("key", "name"), [("h", "report.html"), ("m", "report.md")])
async def test_a_report_is_written_and_its_path_told(workspace: Path, key: str, name: str) -> None:
    folder = write_run(workspace)
    async with browser() as (app, pilot, _screen):
        await pilot.press("w")
        await until_dialog(app, pilot, ChoiceDialog)
        await pilot.press(key)
        await until(pilot, lambda: (folder.path / name).exists(), 30)
        await until_told(app, pilot, str(folder.path / name))
        assert app.clipboard == str(folder.path / name)
        assert folder.id in (folder.path / name).read_text()


async def test_a_report_that_fails_is_told(workspace: Path) -> None:
    folder = write_run(workspace)
    (folder.path / "report.html").mkdir()
    async with browser() as (app, pilot, _screen):
        await pilot.press("w")
        await until_dialog(app, pilot, ChoiceDialog)
        await pilot.press("c", "w")
        await until_dialog(app, pilot, ChoiceDialog)
        await pilot.press("h")
        await until_told(app, pilot, "Cannot write")


async def test_the_path_is_shown_and_copied(workspace: Path) -> None:
    folder = write_run(workspace)
    async with browser() as (app, pilot, _screen):
        await pilot.press("y")
        await until_told(app, pilot, str(folder.path))
        assert app.clipboard == str(folder.path)
