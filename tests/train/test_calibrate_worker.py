"""A calibration: real updates of the real network in a process of its own, kept for the next preview."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from training_runs import TINY, Workshop

from engine.data.synthetic_rows import SyntheticRows
from engine.data.tokenizer import Tokenizer
from engine.errors import UserError
from engine.estimate.calibration import load_calibration
from engine.estimate.calibration_run import CALIBRATION_MODULE, CalibrationCancelled, CalibrationRun
from engine.model.transformer import LanguageModel
from engine.run.process import this_process
from engine.run.start import module_environment
from engine.settings.network import shape_from_settings
from engine.settings.resolve import build_settings
from engine.settings.settings import Settings
from engine.train import measuring
from engine.train.computing import choose_computing
from engine.train.hardware import read_machine
from engine.train.measuring import Meter
from engine.train.optimizers import LossScaler
from engine.train.parts import make_model, make_optimizer
from engine.train.update import Updater
from engine.worker.calibrate import read_request
from engine.worker.probe import gather_facts


def settings_of(workshop: Workshop, **values: Any) -> Settings:
    given = {"data_path": str(workshop.texts), "tokenizer": str(workshop.tokenizer), **TINY}
    return build_settings({**given, **values})


def meter_of(settings: Settings, rows: Any = None, clock: Callable[[], float] | None = None) -> Meter:
    """A meter of fresh parts; on the real clock it measures for a moment only."""
    computing = choose_computing(settings, lambda note: None)
    shape = shape_from_settings(settings, 300)
    model = make_model(settings, shape, computing)
    optimizer = make_optimizer(settings, model, computing)
    updater = Updater(model, model, optimizer, LossScaler(False), computing.autocast, settings.grad_clip)
    rows = rows or SyntheticRows(300, settings.max_seq_len, piece_length=10)
    timing: dict[str, Any] = {"wanted_seconds": 0.2} if clock is None else {"clock": clock}
    return Meter(updater, rows, settings, fixed_shape=False, **timing)


def test_the_process_measures_and_keeps_what_the_preview_finds(workshop: Workshop) -> None:
    settings = settings_of(workshop, accumulation_steps=2)
    before = set(workshop.folder.rglob("*"))
    run = CalibrationRun.start(settings, workshop.texts, workshop.tokenizer, seconds=0.5)
    phases = []
    while run.running:
        if not phases or run.progress.phase != phases[-1]:
            phases.append(run.progress.phase)
        time.sleep(0.02)
    found = run.wait()
    assert found.source == "calibration" and found.updates >= 3 and not found.extrapolated
    assert found.seconds_low <= found.seconds <= found.seconds_high < 5
    assert found.validation_tokens_per_s and found.sampled_tokens_per_s and found.saved_bytes_per_s is None
    assert phases[0] == "loading" and "measuring" in phases and run.progress.phase == "done"

    facts = gather_facts(read_machine())
    vocab = Tokenizer.load(workshop.tokenizer).vocab_size
    assert load_calibration(workshop.folder / "cache", settings, facts, vocab) == found
    assert load_calibration(workshop.folder / "cache", settings_of(workshop, batch_size=4), facts, vocab) is None
    added = set(workshop.folder.rglob("*")) - before
    assert {path.relative_to(workshop.folder).parts[0] for path in added} == {"cache"}  # and no run's folder
    assert not (workshop.folder / "cache" / "tokens").exists()


def test_a_mistake_is_told_in_words(workshop: Workshop) -> None:
    wrong = settings_of(workshop).model_copy(update={"hidden_size": 15})
    with pytest.raises(UserError, match="hidden_size"):
        CalibrationRun.start(wrong, None, workshop.tokenizer).wait()
    with pytest.raises(UserError, match="cuda"):
        CalibrationRun.start(settings_of(workshop, device="cuda:7"), None, workshop.tokenizer).wait()
    with pytest.raises(UserError, match=r"absent\.json"):
        CalibrationRun.start(settings_of(workshop), None, workshop.folder / "absent.json").wait()
    assert not (workshop.folder / "cache" / "calibrations").exists()


def test_one_that_is_cancelled_ends_at_once_and_keeps_nothing(workshop: Workshop) -> None:
    run = CalibrationRun.start(settings_of(workshop), None, workshop.tokenizer)
    with pytest.raises(TimeoutError):
        run.wait(timeout=0.05)
    run.cancel()
    with pytest.raises(CalibrationCancelled):
        run.wait(timeout=20)
    assert not run.running
    run.cancel()  # harmless
    assert not (workshop.folder / "cache" / "calibrations").exists()


def test_one_that_dies_says_its_last_words(workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dies.py").write_text("import sys\nprint('not json')\nprint('[1]')\nsys.exit('the disk is on fire')\n")
    (tmp_path / "killed.py").write_text("import os\nos.kill(os.getpid(), 9)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(UserError, match="the disk is on fire"):
        CalibrationRun.start(settings_of(workshop), None, workshop.tokenizer, module="dies").wait(30)
    with pytest.raises(UserError, match="memory"):
        CalibrationRun.start(settings_of(workshop), None, workshop.tokenizer, module="killed").wait(30)


@pytest.mark.parametrize("request_", [b"", b"[]", b"{", b'{"settings": {}}'])
def test_a_request_that_is_none_is_refused(request_: bytes) -> None:
    with pytest.raises(UserError, match="not understood"):
        read_request(request_)


def test_a_refused_request_is_an_answer_and_an_exit_code() -> None:
    command = [sys.executable, "-m", CALIBRATION_MODULE]
    done = subprocess.run(command, input=b"[]", capture_output=True, timeout=60, env=module_environment())
    assert done.returncode == 2 and "not understood" in json.loads(done.stdout.splitlines()[-1])["error"]


def test_it_ends_with_the_process_that_started_it(workshop: Workshop, tmp_path: Path) -> None:
    said = tmp_path / "said.jsonl"
    request = {"settings": settings_of(workshop).model_dump(mode="json"), "tokenizer": str(workshop.tokenizer)}
    code = (
        "import json, subprocess, sys, time\n"
        "from engine.run.process import this_process\n"
        f"child = subprocess.Popen([sys.executable, '-m', {CALIBRATION_MODULE!r}], stdin=subprocess.PIPE,"
        f" stdout=open({str(said)!r}, 'wb'), stderr=subprocess.DEVNULL)\n"
        f"request = {request!r} | {{'starter': this_process().model_dump()}}\n"
        "child.stdin.write(json.dumps(request).encode() + b'\\n'); child.stdin.flush()\n"
        "print(child.pid, flush=True); time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=module_environment())
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    until = time.monotonic() + 60
    while "loading" not in said.read_text() and time.monotonic() < until:
        time.sleep(0.02)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    until = time.monotonic() + 30
    while time.monotonic() < until and _lives(pid):
        time.sleep(0.05)
    assert not _lives(pid)
    assert '"calibration"' not in said.read_text(), "it had come to its end by itself"


def test_one_that_was_asked_for_by_a_process_that_is_gone_does_not_begin(workshop: Workshop) -> None:
    gone = this_process().model_copy(update={"start": this_process().start - 100.0})
    request = {
        "settings": settings_of(workshop).model_dump(mode="json"),
        "tokenizer": str(workshop.tokenizer),
        "starter": gone.model_dump(),
    }
    command = [sys.executable, "-m", CALIBRATION_MODULE]
    said = subprocess.run(
        command, input=json.dumps(request).encode(), capture_output=True, timeout=60, env=module_environment()
    )
    assert said.returncode == 0 and b'"calibration"' not in said.stdout and b'"error"' not in said.stdout


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z" if Path("/proc").is_dir() else True
    except (ProcessLookupError, FileNotFoundError):
        return False


# -- measuring, in this process


def test_whole_updates_are_timed_where_they_are_short(workshop: Workshop) -> None:
    settings = settings_of(workshop)
    meter = meter_of(settings)
    meter.warm_up()
    told: list[tuple[float, float]] = []
    found = meter.measure(lambda done, total: told.append((done, total)))
    assert not found.extrapolated and found.updates >= 3
    assert found.low <= found.seconds <= found.high
    tokens = settings.rows_per_update * 30  # three pieces of ten in rows of 32
    assert found.tokens_per_s == pytest.approx(tokens / found.seconds, rel=1e-6)
    assert told[0][0] < told[-1][0] <= told[-1][1]
    assert meter.validation_tokens_per_s() > 0 and meter.sampled_tokens_per_s() > 0


def test_the_network_really_learns_while_it_is_timed(workshop: Workshop) -> None:
    meter = meter_of(settings_of(workshop))
    before = [parameter.detach().clone() for parameter in meter._updater.model.parameters()]
    meter.warm_up()
    meter.measure()
    after = list(meter._updater.model.parameters())
    assert all(not torch.equal(old, new) for old, new in zip(before, after, strict=True))
    assert all(torch.isfinite(new).all() for new in after)


def test_long_updates_are_timed_in_parts(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a clock whose rows take 1 s and whose steps take 2 s, the whole update is foreseen from few rows."""
    settings = settings_of(workshop, batch_size=64, accumulation_steps=8)
    clock = _Clock(monkeypatch, row_seconds=1.0, step_seconds=2.0)
    meter = meter_of(settings, clock=clock)
    meter.warm_up()
    found = meter.measure()
    assert found.extrapolated and clock.passed < 60
    assert found.seconds == pytest.approx(64 * 8 * 1.0 + 2.0)
    assert found.low < found.seconds < found.high
    assert found.low == pytest.approx(514, rel=0.25) and found.high == pytest.approx(514, rel=0.25)
    assert found.tokens_per_s == pytest.approx(64 * 8 * 30 / 514)


def test_a_long_update_of_one_micro_batch_knows_its_step_too(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(workshop, batch_size=100, accumulation_steps=1)
    meter = meter_of(settings, clock=_Clock(monkeypatch, row_seconds=0.5, step_seconds=5.0))
    meter.warm_up()
    assert meter.measure().seconds == pytest.approx(100 * 0.5 + 5.0)


def test_measuring_keeps_to_its_time(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(workshop, batch_size=4, accumulation_steps=1)
    clock = _Clock(monkeypatch, row_seconds=1.5, step_seconds=0.0)  # an update of 6 s: three fit into 20
    meter = meter_of(settings, clock=clock)
    meter.warm_up()
    before = clock.passed
    found = meter.measure()
    assert found.seconds == pytest.approx(6.0) and found.updates >= 2
    assert clock.passed - before <= measuring.MOST_SECONDS + 6.0  # and the one that is not counted


def test_few_rows_of_real_text_leave_out_an_epochs_last_update(workshop: Workshop) -> None:
    rows = SyntheticRows(300, 32, piece_length=10, row_count=7)
    found = _measured(meter_of(settings_of(workshop, batch_size=3, accumulation_steps=2), rows))
    assert found.tokens_per_s == pytest.approx(6 * 30 / found.seconds, rel=1e-6)


def _measured(meter: Meter) -> measuring.Measured:
    meter.warm_up()
    return meter.measure()


class _Clock:
    """A clock on which only rows that are computed and steps that are made take time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, row_seconds: float, step_seconds: float) -> None:
        self.passed = 0.0
        real_forward, real_update = LanguageModel.forward, LossScaler.update

        def forward(model: LanguageModel, ids: torch.Tensor, *rest: Any, **named: Any) -> torch.Tensor:
            self.passed += row_seconds * len(ids)
            return real_forward(model, ids, *rest, **named)

        def update(scaler: LossScaler, finite: bool) -> None:
            self.passed += step_seconds
            real_update(scaler, finite)

        monkeypatch.setattr(LanguageModel, "forward", forward)
        monkeypatch.setattr(LossScaler, "update", update)

    def __call__(self) -> float:
        return self.passed


# -- made-up rows


@pytest.mark.parametrize(("pack", "pieces"), [(True, 3), (False, 1)])
def test_made_up_rows_have_the_shape_of_real_ones(pack: bool, pieces: int) -> None:
    rows = SyntheticRows(300, 32, piece_length=10, pack=pack, row_count=50)
    batch = rows.batch(np.array([3, 8]), fill_to=4)
    assert batch.ids.shape == batch.labels.shape == batch.positions.shape == batch.document_ids.shape == (4, 32)
    assert batch.rows.tolist() == [3, 8, -1, -1]
    assert batch.target_tokens == (batch.labels >= 0).sum() == 2 * pieces * 10
    assert batch.document_ids[0].max() == pieces and batch.document_ids[2:].max() == 0
    assert batch.positions[0, :20].tolist() == [*range(10), *(range(10) if pack else [0] * 10)]
    assert batch.ids.max() < 300 and batch.labels.min() == -100
    used = batch.labels[0] >= 0
    inside = used[:-1] & (batch.positions[0, 1:] > 0)
    assert (batch.labels[0, :-1][inside] == batch.ids[0, 1:][inside]).all()  # the label is the next token
