"""The index of runs: all are listed, also what is broken; changes are noticed; what did not change is not read."""

import os
import shutil
import time
from pathlib import Path

import pytest
from many_runs import write_many
from run_material import change_status, write_run

from engine.language import set_language
from engine.run.annotations import rename_run
from engine.run.find import list_runs
from engine.run.folder import RunFolder
from engine.run.schema import State
from minimind_tui.core import run_index
from minimind_tui.core.run_index import RunIndex, read_entry


@pytest.fixture
def index(workspace: Path) -> RunIndex:
    return RunIndex(workspace / "runs")


def settle(folder: RunFolder) -> None:
    """Make a folder look as if nothing had touched it for a minute."""
    past = time.time() - 60
    os.utime(folder.path, (past, past))


def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the runs that are read from now on."""
    seen: list[str] = []

    def counted(folder: RunFolder) -> run_index.RunEntry:
        seen.append(folder.id)
        return read_entry(folder)

    monkeypatch.setattr(run_index, "read_entry", counted)
    return seen


def test_no_folder_is_an_empty_workspace(index: RunIndex) -> None:
    assert index.poll() is False
    assert index.entries == [] and index.live == [] and index.caught_up


def test_runs_are_listed_newest_first_as_everywhere(index: RunIndex, workspace: Path) -> None:
    write_run(workspace, "b", run_id="20261124-031501-b")
    write_run(workspace, "a", run_id="20261124-031502-a", state=State.RUNNING)
    write_run(workspace, "c", run_id="20261123-031503-c")
    write_run(workspace, "d", run_id="renamed", manifest={"created": "2026-11-24T03:15:01.500Z"})
    assert index.poll() is True
    assert [entry.folder.id for entry in index.entries] == [run.id for run in list_runs(workspace / "runs")]
    assert [entry.folder.id for entry in index.live] == ["20261124-031502-a"]
    assert all(entry.folder.path.is_absolute() for entry in index.entries)


def test_nothing_new_is_no_change_and_reads_nothing(
    index: RunIndex, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(write_run(workspace, "a", run_id="20261124-031501-a"))
    settle(write_run(workspace, "b", run_id="20261124-031502-b", state=State.CRASHED))
    index.poll()
    before = list(index.entries)
    seen = reads(monkeypatch)
    assert index.poll() is False
    assert index.entries == before and seen == []


def test_a_live_run_is_looked_at_each_time_and_a_heartbeat_is_no_change(index: RunIndex, workspace: Path) -> None:
    folder = write_run(workspace, state=State.RUNNING, steps=100)
    index.poll()
    change_status(folder)  # nothing but another heartbeat
    assert index.poll() is False
    change_status(folder, step=101, loss=2.0)
    assert index.poll() is True
    status = index.entries[0].seen.status
    assert status is not None and status.step == 101


@pytest.mark.parametrize("settled", [True, False])
def test_an_ended_run_that_changes_is_noticed(index: RunIndex, workspace: Path, settled: bool) -> None:
    folder = write_run(workspace, state=State.STOPPED)
    if settled:
        settle(folder)
    index.poll()
    rename_run(folder, "my title")
    assert index.poll() is True
    assert index.entries[0].title == "my title"
    change_status(folder, state=State.FINISHED)
    os.utime(folder.path)  # the writers of status.json replace it by a rename
    assert index.poll() is True
    assert index.entries[0].seen.state is State.FINISHED


def test_runs_come_and_go(index: RunIndex, workspace: Path) -> None:
    first = write_run(workspace, "a", run_id="20261124-031501-a")
    index.poll()
    write_run(workspace, "b", run_id="20261124-031502-b")
    assert index.poll() is True
    assert [entry.folder.id for entry in index.entries] == ["20261124-031502-b", "20261124-031501-a"]
    shutil.rmtree(first.path)
    assert index.poll() is True
    assert [entry.folder.id for entry in index.entries] == ["20261124-031502-b"]
    shutil.rmtree(workspace / "runs")
    index.poll()
    assert index.entries == []


def test_a_folder_that_was_listed_long_ago_is_not_listed_again(
    index: RunIndex, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(workspace)
    past = time.time() - 60
    os.utime(workspace / "runs", (past, past))
    index.poll()
    monkeypatch.setattr(run_index, "_run_names", lambda _runs: pytest.fail("listed again"))
    index.poll()
    assert len(index.entries) == 1


def test_what_was_forgotten_is_read_again(index: RunIndex, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_run(workspace)
    settle(folder)
    index.poll()
    seen = reads(monkeypatch)
    index.forget(folder)
    index.poll()
    assert seen == [folder.id]


def test_broken_folders_are_listed_with_what_is_wrong(index: RunIndex, workspace: Path) -> None:
    runs = workspace / "runs"
    (runs / "20261124-000001-lost").mkdir(parents=True)
    (runs / "20261124-000001-lost" / "run.toml").write_text("")
    (runs / "20261124-000002-garbage").mkdir()
    (runs / "20261124-000002-garbage" / "manifest.json").write_bytes(b"\xff[31m{{{")
    newer = write_run(workspace, run_id="20261124-000003-newer")
    newer.manifest.write_bytes(newer.manifest.read_bytes().replace(b'"format": 1', b'"format": 99'))
    status = write_run(workspace, run_id="20261124-000004-status")
    status.status.write_bytes(b"\x00\x01 no status")
    (runs / "no run at all").mkdir()
    (runs / "a file").write_text("")
    (runs / ".new-1-abc").mkdir()
    (runs / ".new-1-abc" / "manifest.json").write_text("{}")
    index.poll()
    found = {entry.folder.id: entry for entry in index.entries}
    assert sorted(found) == [
        "20261124-000001-lost",
        "20261124-000002-garbage",
        "20261124-000003-newer",
        "20261124-000004-status",
    ]
    assert "no manifest.json" in found["20261124-000001-lost"].problem
    assert "not a run's manifest" in found["20261124-000002-garbage"].problem
    assert "format 99" in found["20261124-000003-newer"].problem and found[newer.id].manifest is None
    assert found["20261124-000004-status"].seen.state is State.CRASHED
    assert "status.json cannot be understood" in found["20261124-000004-status"].seen.message
    assert found["20261124-000001-lost"].record()["preset"] is None


def test_a_poll_is_bounded_and_the_next_ones_catch_up(index: RunIndex, workspace: Path) -> None:
    ids = write_many(workspace, 60)
    counts = []
    while not index.caught_up or not counts:
        index.poll(seconds=0)
        counts.append(len(index.entries))
    assert counts == list(range(1, 61))
    assert [entry.folder.id for entry in index.entries] == ids


def test_what_was_touched_last_is_read_first(index: RunIndex, workspace: Path) -> None:
    ids = write_many(workspace, 30)
    for run_id in ids:
        settle(RunFolder(workspace / "runs" / run_id))
    os.utime(workspace / "runs" / ids[-1])  # the oldest run is the one that trains
    index.poll(seconds=0)
    assert [entry.folder.id for entry in index.entries] == [ids[-1]]


def test_among_thousands_every_change_is_noticed_in_the_end(
    index: RunIndex, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_index, "GLANCE_SECONDS", 0.0)
    ids = write_many(workspace, 300)
    for run_id in ids:
        settle(RunFolder(workspace / "runs" / run_id))
    while not index.caught_up or not index.entries:
        index.poll()
    rename_run(RunFolder(workspace / "runs" / ids[277]), "far down")
    polls = 0
    while index.entries[277].title != "far down":
        index.poll()
        polls += 1
        assert polls <= 10
    assert polls > 1


def test_sentences_follow_the_language(index: RunIndex, workspace: Path) -> None:
    settle(write_run(workspace, state=State.CRASHED))
    index.poll()
    english = index.entries[0].seen.message
    set_language("zh")
    assert index.poll() is True
    assert index.entries[0].seen.message != english
