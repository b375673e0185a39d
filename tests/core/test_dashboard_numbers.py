"""The dashboard's numbers and progress: right after a resume, smoothed, and unknown rather than wrong."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest
from run_material import Attempt, append_steps, encode, loss_at, write_run

from engine.language import current_language, set_language
from engine.run.folder import RunFolder
from engine.run.observe import Observation, observe
from engine.run.schema import Phase, State, Status
from engine.run.view import RunView
from minimind_tui.charts.numbers import recent
from minimind_tui.cli.follow.summary import summarise
from minimind_tui.core.chart_series import MetricSeries
from minimind_tui.core.chart_state import ChartState
from minimind_tui.core.dashboard.numbers import Number, fit_numbers, numbers_of
from minimind_tui.core.dashboard.progress import (
    bar,
    clock_time,
    is_quiet,
    local_time,
    percent,
    progress_of,
    seconds_left,
)
from minimind_tui.core.experts import expert_look
from minimind_tui.core.ranks import rank_look

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    before = current_language()
    set_language("en")
    yield
    set_language(before)


def read(folder: RunFolder) -> RunView:
    view = RunView(folder)
    view.read_all()
    return view


def texts(groups: list[list[Number]]) -> dict[str, tuple[str, str]]:
    return {number.label: (number.value, number.detail) for group in groups for number in group}


def test_numbers_say_what_is_known(tmp_path: Path) -> None:
    folder = write_run(tmp_path, state=State.RUNNING, steps=200, total_steps=400, epochs=2)
    shown = texts(numbers_of(read(folder), folder.read_manifest(), NOW))
    last_ten = [round(loss_at(step), 5) for step in range(191, 201)]
    assert shown["Loss"] == (f"{sum(last_ten) / 10:.3f}", f"last {loss_at(200):.3f}")
    assert shown["Best valid."] == (f"{loss_at(200) + 0.15:.3f}", "at 200")
    assert shown["Perplexity"] == (f"{math.exp(round(loss_at(200) + 0.15, 5)):.3g}", "valid.")
    assert shown["Tokens"] == ("150k", "of 300k")
    assert shown["Epoch"] == ("1", "of 2")
    assert shown["Memory"][0] == "475 MB" and shown["MFU"][0] == "28%" and shown["Data wait"][0] == "0.2%"
    assert shown["Device"] == ("Test CPU", "fp32")
    assert shown["Time left"][0] == "1m40s" and shown["Ends at"][0] == "12:01"
    assert "Skipped" not in shown and "Aux. loss" not in shown and "Attempt" not in shown


def test_numbers_of_a_run_without_a_log_are_dashes(tmp_path: Path) -> None:
    folder = write_run(tmp_path, state=State.CREATED)
    shown = texts(numbers_of(read(folder), None, NOW))
    assert {shown[name][0] for name in ("Loss", "Best valid.", "Perplexity", "Bits/byte", "LR", "Device")} == {"–"}


def test_perplexity_is_the_trainings_until_there_is_a_validation(tmp_path: Path) -> None:
    folder = write_run(tmp_path, steps=30, state=State.RUNNING, validate_every=0)
    assert texts(numbers_of(read(folder), None, NOW))["Perplexity"][1] == "train."


def test_the_learning_rate_tells_its_factor_and_skipped_updates_are_told(tmp_path: Path) -> None:
    folder = write_run(tmp_path, state=State.RUNNING, nan_steps=[30, 31], status={"lr_scale": 0.5})
    groups = numbers_of(read(folder), None, NOW)
    shown = texts(groups)
    assert shown["LR"][1] == "× 0.5" and shown["Skipped"][0] == "2"
    assert next(n for group in groups for n in group if n.label == "Skipped").tone == "warning"


def test_the_status_knows_skipped_updates_before_the_log_and_how_much_is_computed_at_a_time(tmp_path: Path) -> None:
    status = {"skipped": 3, "micro_batch": 2, "micro_batches": 16, "micro_batch_rows": 16}
    folder = write_run(tmp_path, state=State.RUNNING, status=status)
    shown = texts(numbers_of(read(folder), None, NOW))
    assert shown["Skipped"][0] == "3" and shown["Micro-batch"] == ("2", "of 16, 16 rows each")
    assert "Loss scale" not in shown
    line = {"v": 1, "t": "2026-11-24T03:15:00.123Z", "attempt": 1, "step": 500, "kind": "train", "epoch": 1}
    line |= {"tokens": 9, "elapsed": 9.0, "loss": 2.0, "lr": 1e-4, "loss_scale": 65536.0}
    with folder.metrics.open("ab") as file:
        file.write(orjson.dumps(line) + b"\n")
    assert texts(numbers_of(read(folder), None, NOW))["Loss scale"] == ("65536", "of fp16")


def test_a_loss_that_is_no_number_does_not_spoil_the_mean(tmp_path: Path) -> None:
    folder = write_run(tmp_path, steps=100, state=State.RUNNING, nan_steps=[99, 100])
    finite = [loss_at(step) for step in range(96, 99)]
    assert texts(numbers_of(read(folder), None, NOW))["Loss"][0] == f"{sum(finite) / 3:.3f}"
    assert recent([math.nan] * 5) is None and recent([]) is None and recent([1.0, math.inf]) == 1.0


def test_numbers_chart_and_summary_agree_on_the_newest_loss(tmp_path: Path) -> None:
    folder = write_run(tmp_path, steps=130, state=State.FINISHED)
    view = read(folder)
    series = MetricSeries("loss")
    series.update(view)
    picture = series.picture(ChartState(), 40)
    assert picture is not None and picture.last is not None
    told = summarise(folder).last_loss
    assert texts(numbers_of(view, None, NOW))["Loss"][0] == f"{picture.last:.3f}" == f"{told:.3f}"
    assert picture.last == pytest.approx(sum(loss_at(step) for step in range(124, 131)) / 7)


def test_an_ended_runs_speed_is_its_average(tmp_path: Path) -> None:
    folder = write_run(tmp_path, state=State.FINISHED)
    assert texts(numbers_of(read(folder), None, NOW))["Tokens/s"] == ("1.5k", "on average")


def test_the_least_important_numbers_go_first() -> None:
    groups = [[Number("a", "1"), Number("b", "1", rank=2)], [Number("c", "1", rank=1), Number("d", "1", rank=9)]]
    assert texts(fit_numbers(groups, 4)).keys() == {"a", "b", "c", "d"}
    assert texts(fit_numbers(groups, 3)).keys() == {"a", "b", "c"}
    assert texts(fit_numbers(groups, 2)).keys() == {"a", "c"}
    assert fit_numbers(groups, 1) == [[groups[0][0]]] and fit_numbers(groups, 0) == []


def test_progress_is_over_all_epochs_and_its_time_is_the_runs_own(tmp_path: Path) -> None:
    # trap 40: not elapsed time over absolute steps, which a resume makes wrong
    folder = write_run(
        tmp_path,
        state=State.RUNNING,
        attempts=(Attempt(0, 120), Attempt(100, 150)),
        total_steps=600,
        epochs=3,
        status={"eta_s": 7200.0},
    )
    progress = progress_of(observe(folder), NOW)
    assert progress.done == ("25%", "step 150 of 600", "epoch 1 of 3") and progress.share == 0.25
    assert progress.time == ("2h00m left", "ends 14:00", "1m15s elapsed")


def test_time_left_is_not_guessed_right_after_a_resume(tmp_path: Path) -> None:
    folder = write_run(tmp_path, state=State.RUNNING, attempts=(Attempt(0, 120), Attempt(100, 110)))
    status = observe(folder).status
    assert status is not None
    seen = Observation(State.RUNNING, "", "", status.model_copy(update={"eta_s": None}), 0.1, 0.1)
    assert seconds_left(seen) is None and progress_of(seen, NOW).time[0] == "time left: not known yet"


@pytest.mark.parametrize(("phase", "word"), [(Phase.TOKENISING, "tokenising"), (Phase.COMPILING, "compiling")])
def test_before_training_the_bar_is_the_phases(tmp_path: Path, phase: Phase, word: str) -> None:
    status = Status(attempt=1, step=0, state=State.STARTING, phase=phase, phase_done=30, phase_total=40)
    progress = progress_of(Observation(State.STARTING, "", "", status, 0.1, 0.1), NOW)
    assert progress.phase == f"{word} 75%" and progress.of_phase and progress.share == 0.75


def test_validating_amid_training_keeps_the_runs_bar(tmp_path: Path) -> None:
    status = Status(
        attempt=1, step=5, total_steps=10, state=State.RUNNING, phase=Phase.VALIDATING, phase_done=1, phase_total=4
    )
    progress = progress_of(Observation(State.RUNNING, "", "", status, 0.1, 0.1), NOW)
    assert progress.phase == "validating 25%" and not progress.of_phase and progress.share == 0.5


def test_a_slow_run_is_told_from_a_hung_one() -> None:
    status = Status(attempt=1, step=5, state=State.RUNNING, phase=Phase.TRAINING, usual_interval=4.0)
    slow = Observation(State.RUNNING, "", "", status, 0.1, 30.0)
    assert is_quiet(slow) and "nothing new for 30s, usual are 4.0s" in progress_of(slow, NOW).phase
    assert not is_quiet(Observation(State.RUNNING, "", "", status, 0.1, 15.0))


def test_only_a_whole_run_is_at_hundred_per_cent() -> None:
    assert [percent(value) for value in (0.0, 0.999, 1.0)] == ["0%", "99%", "100%"]
    assert bar(0.5, 10) == ("━" * 5, "─" * 5) and bar(2.0, 4) == ("━" * 4, "") and bar(0.5, 0) == ("", "")


def test_times_name_the_day_where_it_is_another() -> None:
    assert clock_time(60, NOW) == "12:01" and clock_time(86400, NOW) == "11-25 12:00" and clock_time(1e18, NOW) == "?"
    assert local_time("2026-11-24T03:15:00.000Z", NOW) == "03:15"
    assert local_time("2026-11-23T03:15:00.000Z", NOW, seconds=True) == "11-23 03:15:00"
    assert local_time("yesterday", NOW) == "" and local_time(5, NOW) == ""


def test_undone_steps_leave_the_numbers(tmp_path: Path) -> None:
    folder = write_run(tmp_path, state=State.RUNNING, attempts=(Attempt(0, 120), Attempt(100, 110)), total_steps=400)
    view = read(folder)
    assert list(view.train.steps) == list(range(1, 111))
    append_steps(folder, 111, 115, attempt=2)
    view.poll()
    assert view.train.steps[-1] == 115


def test_experts_and_ranks_are_told_of_where_there_are_any(tmp_path: Path) -> None:
    view = read(write_run(tmp_path, state=State.RUNNING, steps=40, experts=(2, 4), ranks=3, slow_rank=1))
    experts, ranks = expert_look(view.train.lists), rank_look(view.train.lists)
    shown = texts(numbers_of(view, None, NOW, experts=experts, ranks=ranks))
    assert experts is not None and experts.entropy is not None
    assert shown["Experts"] == (f"entropy {experts.entropy:.2f}", f"busiest {experts.busiest:.2g}×")
    assert shown["Aux. loss"] == ("0.081", "") and shown["Slow rank"][0] == "1" and "[7]" in shown["Slow rank"][1]


def test_starving_experts_are_a_warning_and_ranks_that_keep_pace_none(tmp_path: Path) -> None:
    view = read(write_run(tmp_path, state=State.RUNNING, steps=40, experts=(2, 4), starving=[(1, 0)], ranks=2))
    groups = numbers_of(view, None, NOW, experts=expert_look(view.train.lists), ranks=rank_look(view.train.lists))
    shown = texts(groups)
    assert shown["Experts"] == ("1 starving", "[6]") and "Slow rank" not in shown
    assert next(n for group in groups for n in group if n.label == "Experts").tone == "warning"


def test_an_auxiliary_loss_alone_is_shown(tmp_path: Path) -> None:
    folder = write_run(tmp_path, state=State.RUNNING, steps=40, experts=(2, 4))
    lines = [orjson.loads(line) for line in folder.metrics.read_bytes().splitlines()]
    folder.metrics.write_bytes(b"".join(encode(line | {"expert_load": [["x"]]}) for line in lines))
    view = read(folder)
    shown = texts(numbers_of(view, None, NOW, experts=expert_look(view.train.lists)))
    assert shown["Aux. loss"][0] == "0.081" and "Experts" not in shown


def test_a_share_of_the_peak_above_all_of_it_is_not_told(tmp_path: Path) -> None:
    folder = write_run(tmp_path, state=State.FINISHED, steps=50)
    folder.metrics.write_bytes(folder.metrics.read_bytes().replace(b'"mfu":0.28', b'"mfu":1.62'))
    view = read(folder)
    assert view.column("mfu")[-1] == 1.62
    assert texts(numbers_of(view, None, NOW))["MFU"][0] == "–"
