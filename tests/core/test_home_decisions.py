"""Home's rows: what they say of runs that train and ended, of presets that cannot be read, of the machine."""

import math
from pathlib import Path

import pytest
from run_material import append_steps, change_status, write_run

from engine.language import current_language, set_language
from engine.run.annotations import rename_run
from engine.run.schema import State
from minimind_tui.core.home import LiveCurves, age_words, machine_words, preset_rows, recent_rows, welcome_lines
from minimind_tui.core.run_index import RunIndex


def index_of(workspace: Path) -> RunIndex:
    index = RunIndex(workspace / "runs")
    index.poll()
    return index


def test_a_live_run_has_its_share_its_numbers_and_its_curve(tmp_path: Path) -> None:
    folder = write_run(tmp_path, steps=100, total_steps=400, state=State.RUNNING)
    curves = LiveCurves()
    [row] = curves.rows(index_of(tmp_path).live)
    assert (row.folder.id, row.step, row.total, row.share, row.preset) == (folder.id, 100, 400, 0.25, "mini")
    assert (
        len(row.curve) == 100
        and row.curve[0] > row.curve[-1]
        and math.isclose(row.loss or 0, row.curve[-1], rel_tol=1e-3)
    )
    append_steps(folder, 101, 120)
    change_status(folder, step=120)
    [later] = curves.rows(index_of(tmp_path).live)
    assert (later.step, len(later.curve)) == (120, 120)


def test_a_run_is_called_what_a_person_called_it(tmp_path: Path) -> None:
    rename_run(write_run(tmp_path, steps=20, state=State.RUNNING, run_id="20261123-000000-a"), "my [red]first[/red]")
    rename_run(write_run(tmp_path, steps=20, run_id="20261123-000000-b"), "older")
    index = index_of(tmp_path)
    assert [row.title for row in LiveCurves().rows(index.live)] == ["my [red]first[/red]"]
    assert [row.title for row in recent_rows(index.entries)] == ["older"]


def test_a_long_curve_is_thinned(tmp_path: Path) -> None:
    write_run(tmp_path, steps=5000, total_steps=9000, state=State.RUNNING)
    [row] = LiveCurves().rows(index_of(tmp_path).live)
    assert 300 <= len(row.curve) <= 400


def test_a_run_that_ended_is_recent_and_no_longer_followed(tmp_path: Path) -> None:
    folder = write_run(tmp_path, steps=40, state=State.RUNNING)
    curves = LiveCurves()
    assert len(curves.rows(index_of(tmp_path).live)) == 1
    change_status(folder, state=State.FINISHED)
    index = index_of(tmp_path)
    assert curves.rows(index.live) == []
    [row] = recent_rows(index.entries)
    assert (row.folder.id, row.state, row.step) == (folder.id, State.FINISHED, 40)


@pytest.mark.parametrize("state", list(State))
def test_every_state_has_a_place(tmp_path: Path, state: State) -> None:
    write_run(tmp_path, steps=20, state=state)
    index = index_of(tmp_path)
    assert len(LiveCurves().rows(index.live)) + len(recent_rows(index.entries)) == 1


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "?"), (0, "now"), (59, "now"), (60, "1 min"), (3599, "59 min"), (7200, "2 h"), (172_800, "2 d")],
)
def test_ages(seconds: float | None, words: str) -> None:
    assert age_words(seconds) == words


def test_the_smoke_test_comes_first_and_a_broken_preset_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "presets").mkdir()
    (tmp_path / "presets/aa.toml").write_text("[training]\nlearning_rat = 1\n")
    rows = {row.name: row for row in preset_rows()}
    assert next(iter(rows)) == "mini"
    assert 2e6 < (rows["mini"].parameters or 0) < 2.5e6 and not rows["mini"].problem
    assert "learning_rate" in rows["aa"].problem and rows["aa"].parameters is None


def test_the_machine_tells_its_dtype_once() -> None:
    from engine.estimate.device_probe import DeviceFacts, GpuFacts

    facts = DeviceFacts.model_construct(
        device="cuda",
        name="NVIDIA H100",
        memory=80_000_000_000,
        machine_memory=128_000_000_000,
        cores=16,
        cpu_name="x",
        dtype="bf16",
        dtype_why="bf16: it is fast here.",
        notes=["a note"],
        gpus=[GpuFacts(name="NVIDIA H100", memory=1, capability="9.0")] * 2,
    )
    told = machine_words(facts)
    assert told.device == "2 x cuda · NVIDIA H100 · 80.0 GB · 16 cores · 128 GB"
    assert told.dtype == "Trains in bf16: it is fast here." and told.notes == ("a note",)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_welcome_has_five_lines_of_a_narrow_terminal(language: str) -> None:
    from rich.cells import cell_len

    before = current_language()
    set_language(language)
    try:
        lines = welcome_lines()
    finally:
        set_language(before)
    assert len(lines) == 5 and max(map(cell_len, lines)) <= 76
