"""`minimind runs exclude`: documents named by their lines, or those an autopsy found, written down for a resume."""

from pathlib import Path

import pytest
from cli_helpers import Minimind

from engine.data.encoding import text_hash
from engine.run.folder import RunFolder
from engine.run.guard_record import Autopsy, GuardRecord, NamedDocument, read_guard, write_guard
from engine.run.launch import make_run, plan_run
from engine.run.lock import RunLock
from engine.settings.presets import load_preset
from minimind_tui.cli.exit_codes import MISTAKE


def hash_of(line: int) -> str:
    number = line - 1
    return f"{text_hash(f'Text number {number}. 第{number}篇。'.encode()):016x}"


@pytest.fixture
def run(workspace: Path) -> RunFolder:
    """A run that was made and not started yet; line 12 of its text is broken."""
    lines = Path("texts.jsonl").read_text(encoding="utf-8").splitlines()
    lines[11] = "{"
    Path("texts.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    settings = load_preset("mini").settings()
    settings = settings.model_copy(update={"data_path": "texts.jsonl", "validation": False, "bad_lines_limit": 0.1})
    return make_run(plan_run(settings, runs_dir=workspace / "runs"), workspace / "runs")


def test_lines_are_excluded_once_and_by_the_text_they_hold(minimind: Minimind, run: RunFolder) -> None:
    called = minimind("runs", "exclude", run.id, "texts.jsonl:3", "7", str(Path("texts.jsonl").absolute()) + ":9")
    assert called.code == 0 and "3, 7, 9" in called.out
    assert [(one.line, one.hash) for one in read_guard(run).excluded] == [(line, hash_of(line)) for line in (3, 7, 9)]
    run.lock.unlink()  # the first call's process lives on here, unlike a person's
    called = minimind("runs", "exclude", run.id, "7")
    assert called.code == 0 and "already" in called.out and len(read_guard(run).excluded) == 3


def test_the_worst_are_those_of_the_last_autopsy_that_found_any(minimind: Minimind, run: RunFolder) -> None:
    called = minimind("runs", "exclude", run.id, "--worst")
    assert called.code == MISTAKE and not run.guard.exists()
    found = [NamedDocument(file="texts.jsonl", line=line, hash=hash_of(line)) for line in (5, 2)]
    autopsies = [
        Autopsy(attempt=1, step=step, found="loss", rows=6, examined=6, documents=documents)
        for step, documents in ((4, [found[0]]), (9, found), (30, []))
    ]
    write_guard(run, GuardRecord(autopsies=autopsies))
    assert minimind("runs", "exclude", run.id, "--worst").code == 0
    assert read_guard(run).excluded == found and read_guard(run).autopsies == autopsies


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("texts.jsonl:12", "holds no document"),
        ("4000", "holds no document"),
        ("other.jsonl:3", "not the text of this run"),
        ("texts.jsonl", "FILE:LINE"),
        ("texts.jsonl:0", "FILE:LINE"),
        ("texts.jsonl:-1", "FILE:LINE"),
    ],
)
def test_what_names_no_document_is_refused_and_nothing_written(
    minimind: Minimind, run: RunFolder, place: str, words: str
) -> None:
    called = minimind("runs", "exclude", run.id, "3", place)
    assert called.code == MISTAKE and words in called.err and not run.guard.exists()


def test_nothing_is_written_without_a_name_or_the_lock(minimind: Minimind, run: RunFolder) -> None:
    assert minimind("runs", "exclude", run.id).code == MISTAKE
    lock = RunLock(run.lock)
    lock.acquire()
    assert minimind("runs", "exclude", run.id, "3").code == MISTAKE
    lock.release()
    assert not run.guard.exists()
