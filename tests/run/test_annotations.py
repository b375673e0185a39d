"""Titles and notes: written by viewers, bounded, and harmless whatever stands in the file."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import UserError
from engine.run.annotations import (
    FILE_BYTES,
    NOTE_LENGTH,
    TITLE_LENGTH,
    Annotations,
    read_annotations,
    rename_run,
    write_note,
)
from engine.run.create import create_run
from engine.run.find import find_run
from engine.run.folder import RunFolder


def test_title_and_note_are_kept_apart_and_taken_away(folder: RunFolder) -> None:
    assert read_annotations(folder) == Annotations()
    rename_run(folder, "  First\n try ")
    write_note(folder, "two\r\nlines\n")
    read = read_annotations(folder)
    assert (read.title, read.note) == ("First try", "two\nlines")
    rename_run(folder, "")
    assert read_annotations(folder) == Annotations(note="two\nlines")
    write_note(folder, " \n")
    assert read_annotations(folder) == Annotations()
    assert not [path for path in folder.path.iterdir() if path.name.startswith(".")]


def test_the_manifest_is_not_touched(folder: RunFolder) -> None:
    before = folder.manifest.read_bytes()
    rename_run(folder, "a title")
    assert folder.manifest.read_bytes() == before


def test_too_long_is_refused_and_changes_nothing(folder: RunFolder) -> None:
    rename_run(folder, "x" * TITLE_LENGTH)
    with pytest.raises(UserError, match=f"at most {TITLE_LENGTH}"):
        rename_run(folder, "x" * (TITLE_LENGTH + 1))
    write_note(folder, "文" * NOTE_LENGTH)
    with pytest.raises(UserError, match=f"at most {NOTE_LENGTH}"):
        write_note(folder, "x" * (NOTE_LENGTH + 1))
    assert len(read_annotations(folder).title) == TITLE_LENGTH and len(read_annotations(folder).note) == NOTE_LENGTH


def test_only_a_run_can_be_annotated(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"manifest\.json"):
        rename_run(RunFolder(tmp_path), "x")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_said(folder: RunFolder) -> None:
    folder.annotations.mkdir()
    with pytest.raises(UserError, match=r"annotations\.json"):
        rename_run(folder, "x")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"title": 7, "note": {"a": 1}}',
        b'{"v": "x"}',
        b"\xff\xfe",
        b'{"title": "' + b"x" * FILE_BYTES + b'"}',
        b"[" * 5000,
    ],
)
def test_nonsense_counts_as_nothing(folder: RunFolder, content: bytes) -> None:
    folder.annotations.write_bytes(content)
    assert (read_annotations(folder).title, read_annotations(folder).note) == ("", "")
    assert rename_run(folder, "again").title == "again"


def test_hostile_text_is_made_harmless_when_read(folder: RunFolder) -> None:
    hostile = "\x1b]0;owned\x07red\x9b31m\u202egnp\r\nnext\x00"
    folder.annotations.write_text(json.dumps({"title": hostile * 20, "note": hostile, "colour": "red"}))
    read = read_annotations(folder)
    assert read.title.startswith("]0;ownedred31mgnp next") and len(read.title) <= TITLE_LENGTH
    assert read.note == "]0;ownedred31mgnp\nnext"
    write_note(folder, "mine")
    assert json.loads(folder.annotations.read_bytes())["colour"] == "red"  # a newer version's key survives


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=200), st.text(max_size=400))
def test_what_is_written_is_read(folder: RunFolder, title: str, note: str) -> None:
    try:
        written = rename_run(folder, title)
    except UserError:
        return
    written = write_note(folder, note)
    assert read_annotations(folder) == written
    assert "\n" not in written.title and not set("\x00\x1b\x9b\r\u202e") & set(written.title + written.note)


class TestFinding:
    @pytest.fixture
    def runs(self, tmp_path: Path) -> list[RunFolder]:
        return [create_run(tmp_path / "runs", name, "") for name in ("one", "two", "three")]

    def find(self, runs: list[RunFolder], text: str) -> RunFolder:
        return find_run(runs[0].path.parent, text)

    def test_by_title_whatever_the_case(self, runs: list[RunFolder]) -> None:
        rename_run(runs[1], "Größer und besser")
        assert self.find(runs, "GRÖSSER  und besser") == runs[1]

    def test_ids_come_before_titles(self, runs: list[RunFolder]) -> None:
        rename_run(runs[0], "two")
        rename_run(runs[1], "last")
        assert self.find(runs, "two") == runs[1]
        assert self.find(runs, "last").id == max(run.id for run in runs)

    def test_a_title_with_a_slash_is_no_path(self, runs: list[RunFolder]) -> None:
        rename_run(runs[2], "lr 1/2")
        assert self.find(runs, "lr 1/2") == runs[2]
        with pytest.raises(UserError, match="Cannot read"):
            self.find(runs, "lr 1/3")

    def test_two_of_one_title_are_named(self, runs: list[RunFolder]) -> None:
        for run in runs[:2]:
            rename_run(run, "same")
        with pytest.raises(UserError, match="2 runs have the title same") as caught:
            self.find(runs, "same")
        assert runs[0].id in str(caught.value) and runs[1].id in str(caught.value)
