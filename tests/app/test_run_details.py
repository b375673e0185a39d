"""What is read of runs beside the list: settings and sizes, one run in full, several side by side."""

from pathlib import Path

import pytest
from many_runs import write_many
from run_material import Attempt, append_steps, change_status, loss_at, write_run

from engine.run.annotations import write_note
from engine.run.folder import RunFolder
from engine.run.schema import Lineage, State
from engine.run.view import RunView
from minimind_tui.core.comparison import Compared, Row, common_step, compare, read_compared
from minimind_tui.core.comparison import loss_at as measured
from minimind_tui.core.run_detail import DetailReader, children_of
from minimind_tui.core.run_extras import RunExtras
from minimind_tui.core.run_index import RunEntry, read_entry


def entries(*folders: RunFolder) -> list[RunEntry]:
    return [read_entry(folder) for folder in folders]


# -- settings and sizes


def test_extras_are_read_once_and_again_when_they_may_have_changed(workspace: Path) -> None:
    folder = write_run(workspace, state=State.RUNNING, settings={"learning_rate": 1e-3})
    extras = RunExtras()
    (entry,) = entries(folder)
    assert extras.rows([entry], 0.0)[0].settings is None and extras.rows([entry], 0.0)[0].size is None
    assert extras.missing([entry]) == [entry]
    extras.fill([entry], 10.0)
    row = extras.rows([entry], 0.0)[0]
    assert row.settings is not None and row.settings["learning_rate"] == 1e-3
    assert row.size is not None and row.size > 5000
    assert extras.missing([entry]) == []
    assert extras.rows([entry], 1.0)[0] is row and extras.rows([entry], 11.0)[0] is not row
    change_status(folder, step=190)  # a step makes nothing new of either
    assert extras.missing(entries(folder)) == []
    change_status(folder, last_checkpoint=190)
    (folder.path / "more").write_bytes(bytes(100_000))
    (later,) = extras.missing(entries(folder))
    assert extras.rows([later], 0.0)[0].size == row.size  # what was known stands until it is read anew
    extras.fill([later], 10.0)
    assert (extras.rows([later], 0.0)[0].size or 0) > row.size + 99_000


def test_settings_are_read_again_for_another_attempt(workspace: Path) -> None:
    folder = write_run(workspace, state=State.STOPPED)
    extras = RunExtras()
    extras.fill(entries(folder), 10.0)
    folder.run_toml.write_text("[training]\nlearning_rate = 0.5\n")
    change_status(folder, attempt=2)
    (entry,) = extras.missing(entries(folder))
    extras.fill([entry], 10.0)
    row = extras.rows([entry], 0.0)[0]
    assert row.settings is not None and row.settings["learning_rate"] == 0.5


def test_extras_are_bounded_in_time_and_can_be_stopped(workspace: Path) -> None:
    ids = write_many(workspace, 20)
    some = entries(*(RunFolder(workspace / "runs" / run_id) for run_id in ids))
    extras = RunExtras()
    extras.fill(some, 0.0)
    assert len(extras.missing(some)) == 19
    extras.fill(some, 10.0, stop=lambda: True)
    assert len(extras.missing(some)) == 19
    extras.fill(some, 10.0)
    assert extras.missing(some) == []


def test_extras_of_a_broken_folder_are_read_too(workspace: Path) -> None:
    folder = RunFolder(workspace / "runs" / "20261124-000001-lost")
    folder.path.mkdir(parents=True)
    folder.run_toml.write_bytes(b"\xff\xfe")
    (entry,) = entries(folder)
    extras = RunExtras()
    extras.fill([entry], 10.0)
    assert extras.rows([entry], 0.0)[0].settings == {} and extras.rows([entry], 0.0)[0].size == 2


# -- one run


def test_a_run_in_full(workspace: Path) -> None:
    folder = write_run(
        workspace,
        attempts=[
            Attempt(0, 120),
            Attempt(100, 160),
            Attempt(150, 200, exact=False, why_inexact=("the torch version changed from 2.12 to 2.13",)),
        ],
        state=State.STOPPED,
        lineage=Lineage(kind="fork", run="20261123-000000-parent", step=50, settings={"learning_rate": [1e-3, 5e-4]}),
        checkpoints=3,
    )
    write_note(folder, "first line\nsecond [b]line[/b]")
    (entry,) = entries(folder)
    detail = DetailReader().read(entry)
    facts = dict(detail.facts)
    assert facts["from"] == "fork of 20261123-000000-parent at step 50 (learning_rate: 0.001 -> 0.0005)"
    assert "2.19M parameters" in facts["model"] and facts["device"] == "Test CPU fp32"
    assert facts["steps"] == "200 of 400" and facts["best val"].endswith("at step 200")
    assert [(one.number, one.exact) for one in detail.attempts] == [(1, None), (2, True), (3, False)]
    assert "from step 100, stopped at step 160, exact" in detail.attempts[1].text
    assert "not exact: the torch version changed" in detail.attempts[2].text
    assert [info.step for info in detail.checkpoints] == [200, 150, 100]
    assert all(info.size > 0 for info in detail.checkpoints)
    # all are of the attempt that went on otherwise
    assert {(info.badge.exact, info.badge.since) for info in detail.checkpoints} == {(False, 3)}
    assert "torch version" in detail.checkpoints[0].badge.words()
    assert detail.caught_up and len(detail.curve) == 200
    assert detail.curve[-1] == pytest.approx(loss_at(200), abs=1e-4)


def test_the_best_and_the_broken_checkpoints_are_told(workspace: Path) -> None:
    folder = write_run(workspace, steps=200, checkpoints=3)
    record = folder.checkpoints / "step-00000150" / "checkpoint.json"
    text = record.read_text().replace('"validation_loss": null', '"validation_loss": 1.25')
    record.write_text(text.replace('"keep": false', '"keep": true'))
    (folder.checkpoints / "step-00000100" / "checkpoint.json").write_text("{")
    detail = DetailReader().read(*entries(folder))
    assert [(info.step, info.loss, info.is_best, info.is_kept) for info in detail.checkpoints] == [
        (200, None, False, False),
        (150, 1.25, True, True),
    ]
    assert detail.broken_checkpoints == 1


def test_a_growing_run_is_read_on_and_another_one_from_its_beginning(workspace: Path) -> None:
    folder, other = write_run(workspace, "a", steps=50, state=State.RUNNING), write_run(workspace, "b", steps=70)
    reader = DetailReader()
    assert len(reader.read(*entries(folder)).curve) == 50
    append_steps(folder, 51, 60)
    assert len(reader.read(*entries(folder)).curve) == 60
    assert len(reader.read(*entries(other)).curve) == 70


def test_a_long_curve_is_thinned_and_keeps_its_end(workspace: Path) -> None:
    detail = DetailReader().read(*entries(write_run(workspace, steps=3001, validate_every=0, sample_every=0)))
    assert 200 < len(detail.curve) <= 401
    assert detail.curve[-1] == pytest.approx(loss_at(3001), abs=1e-4)


def test_a_folder_with_nothing_in_it_is_told_as_far_as_it_goes(workspace: Path) -> None:
    folder = RunFolder(workspace / "runs" / "20261124-000001-lost")
    folder.path.mkdir(parents=True)
    detail = DetailReader().read(*entries(folder))
    assert (detail.facts, detail.attempts, detail.checkpoints, detail.curve) == ((), (), (), ())


def test_children_are_found(workspace: Path) -> None:
    parent = write_run(workspace, "parent")
    child = write_run(workspace, "child", lineage=Lineage(kind="fork", run=parent.id, step=50))
    assert children_of(parent.id, entries(parent, child)) == [child.id]


# -- several


def compared(*folders: RunFolder) -> list[Compared]:
    found = []
    for folder in folders:
        view = RunView(folder)
        view.read_all()
        found.append(read_compared(read_entry(folder), view))
    return found


def row_of(rows: tuple[Row, ...], name: str) -> Row:
    return next(row for row in rows if row.name.startswith(name))


def test_settings_that_differ_and_those_that_do_not(workspace: Path) -> None:
    one = write_run(workspace, "one", settings={"learning_rate": 1e-3})
    two = write_run(workspace, "two", settings={"learning_rate": 5e-4, "optimizer": "adamw"})
    three = write_run(workspace, "three", settings={"learning_rate": 1e-3})
    found = compare(compared(one, two, three))
    assert [(row.name, row.values) for row in found.differing] == [
        ("learning_rate", ("0.001", "0.0005", "0.001")),
        ("optimizer", ("muon", "adamw", "muon")),
    ]
    from engine.settings.settings import SETTING_NAMES

    assert found.same == len(SETTING_NAMES) - 2
    assert compare(compared(one, three)).differing == ()


def test_numbers_are_compared_at_a_step_that_all_have_made(workspace: Path) -> None:
    short, long = write_run(workspace, "short", steps=60), write_run(workspace, "long", steps=200)
    runs = compared(short, long)
    assert common_step(runs) == 60
    found = compare(runs)
    at_common = row_of(found.numbers, "loss at step 60")
    assert at_common.values[0] == at_common.values[1] and at_common.best == frozenset()
    end = row_of(found.numbers, "loss at the end")
    assert end.best == {1}
    expected = sum(loss_at(step) for step in range(191, 201)) / 10
    assert measured(runs[1].view, 200) == pytest.approx(expected, abs=1e-4)
    assert row_of(found.numbers, "best validation").best == {1}
    assert row_of(found.numbers, "steps").values == ("60/60", "200/200")
    assert row_of(found.numbers, "bits per byte").best == {1}


def test_what_makes_numbers_hard_to_compare_is_noted(workspace: Path) -> None:
    one = write_run(workspace, "one", manifest={"data_fingerprint": "a", "tokenizer_hash": "t", "device": "Test CPU"})
    two = write_run(workspace, "two", manifest={"data_fingerprint": "b", "tokenizer_hash": "t", "device": "H100"})
    notes = " ".join(compare(compared(one, two)).notes)
    assert "different text" in notes and "Test CPU fp32, H100" in notes
    three = write_run(workspace, "three", manifest={"tokenizer_hash": "u", "device": "Test CPU"})
    assert "different tokenizers" in " ".join(compare(compared(one, three)).notes)
    assert compare(compared(one, one)).notes == ()


def test_a_run_without_numbers_or_settings_is_compared_all_the_same(workspace: Path) -> None:
    good = write_run(workspace, "good")
    bad = RunFolder(workspace / "runs" / "20261124-000001-lost")
    bad.path.mkdir()
    created = write_run(workspace, "created", state=State.CREATED)
    found = compare(compared(good, bad, created))
    assert row_of(found.numbers, "state").values == ("finished", "broken", "created")
    assert common_step(compared(good, bad)) is None
    assert found.differing and all(row.values[1] == "?" for row in found.differing)
    assert "cannot be read" in found.notes[0]
    assert all(row.best == frozenset() for row in found.numbers)


def test_losses_that_are_no_numbers_count_for_nothing(workspace: Path) -> None:
    folder = write_run(workspace, "holes", steps=100, nan_steps=range(96, 101))
    view = compared(folder)[0].view
    assert measured(view, 100) is None
    assert measured(view, 95) is not None


def test_processes_and_experts_are_compared_where_there_are_any(workspace: Path) -> None:
    dense = write_run(workspace, "dense", steps=40)
    mixed = write_run(workspace, "mixed", steps=40, experts=(4, 4), starving=[(2, 1)], ranks=2)
    even = write_run(workspace, "even", steps=40, experts=(1, 4))
    found = compare(compared(dense, mixed, even))
    assert row_of(found.numbers, "processes").values == ("1", "2", "1")
    assert row_of(found.numbers, "starving experts").values == ("", "1", "0")
    entropy = row_of(found.numbers, "entropy of the experts")
    assert entropy.values[0] == "" and entropy.best == {2}
    names = [row.name for row in compare(compared(dense)).numbers]
    assert not {"processes", "starving experts", "entropy of the experts"} & set(names)
    facts = dict(DetailReader().read(entries(mixed)[0]).facts)
    assert facts["processes"] == "2" and "processes" not in dict(DetailReader().read(entries(dense)[0]).facts)
