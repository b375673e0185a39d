"""The preview, which imports no torch, says what the trainer then does: updates, tokens, device, time, speed."""

import time
from pathlib import Path
from typing import Any

import pytest
from training_runs import Workshop

from engine.data.tokenizer import Tokenizer
from engine.errors import UserError
from engine.estimate.calibration import Calibration, load_calibration
from engine.estimate.data_facts import DataFacts, exact_data_facts
from engine.estimate.device_use import compiles, device_use, repeats
from engine.estimate.preview import RunPreview, preview_run
from engine.run.clock import parse_utc
from engine.run.folder import RunFolder
from engine.run.schema import Reason
from engine.settings.resolve import build_settings
from engine.settings.run_toml import parse_settings
from engine.train import speed
from engine.train.budget import EndPlanner, TimeBounds
from engine.train.hardware import Gpu, Machine, choose_device, choose_threads, read_machine
from engine.train.precision import choose_compile, choose_dtype
from engine.worker import probe
from engine.worker.probe import gather_facts

REASONS = {"epochs": Reason.COMPLETE, "max_steps": Reason.MAX_STEPS}


def preview_of(workshop: Workshop, run: RunFolder) -> RunPreview:
    """The preview of a run whose rows are built."""
    settings, _preset = parse_settings(run.run_toml)
    tokenizer = Tokenizer.load(workshop.tokenizer)
    facts = exact_data_facts(workshop.texts, tokenizer, settings, workshop.folder / "cache")
    assert facts is not None
    return preview_run(settings, vocab_size=tokenizer.vocab_size, data=facts, device=gather_facts(read_machine()))


@pytest.fixture
def aged(workshop: Workshop) -> Workshop:
    """A file just written may change again: its hash, and so its cache, is found by others only two seconds later."""
    while time.time() < workshop.texts.stat().st_ctime + 2.1:
        time.sleep(0.05)
    return workshop


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"batch_size": 5, "accumulation_steps": 7, "epochs": 3},
        {"max_steps": 4},
        {"pack": False, "epochs": 1, "batch_size": 11},
        {"validation": False, "epochs": 1, "batch_size": 1000},
    ],
)
def test_a_run_makes_the_updates_that_were_foreseen(aged: Workshop, values: dict[str, Any]) -> None:
    workshop = aged
    run = workshop.make(**values)
    trainer = workshop.train(run)
    seen = preview_of(workshop, run)
    assert seen.ready and seen.data_exact
    assert (seen.updates, seen.most_updates) == (trainer.state.step, trainer.state.step)
    if not values.get("max_steps"):
        assert seen.total_tokens == trainer.state.tokens
    assert seen.total_tokens == pytest.approx(trainer.state.tokens, rel=0.1)
    assert trainer.state.end_reason == REASONS[seen.ended_by].value
    assert seen.parameters == run.read_manifest().parameters
    rates = dict(seen.learning_rates)
    assert rates[1] == trainer.schedule.lr_at(0, trainer.horizon)
    assert rates[seen.updates] == trainer.schedule.lr_at(seen.updates - 1, trainer.horizon)


@pytest.mark.parametrize("seconds", [0.1, 1.0, 7.0])
def test_a_budget_ends_where_the_planner_ends_it(seconds: float) -> None:
    """Against the planner itself, on a device of exactly this speed."""
    budget = 500.0
    planner, end, step, elapsed = EndPlanner(TimeBounds(budget), 10_000), 10_000, 0, 0.0
    while step < end and not planner.expired(elapsed, elapsed):
        step, elapsed = step + 1, elapsed + seconds
        end = planner.plan(step, end, elapsed, elapsed, seconds, reserve=0.0) or end
    quiet = {"validation": False, "sample_prompts": [], "save_interval": 0, "save_minutes": 0}
    settings = build_settings({"time_budget": budget, "batch_size": 1, "accumulation_steps": 1, "epochs": 1, **quiet})
    measured = dict.fromkeys(("seconds", "seconds_low", "seconds_high"), seconds)
    calibration = Calibration(
        **measured,
        tokens_per_s=1.0,
        updates=9,
        when="2026-11-24T12:00:00Z",  # type: ignore[arg-type]
        source="run",
        accumulation_steps=1,
        saved_bytes_per_s=1e15,
    )
    data = DataFacts(10_000, 10_000, exact=True)
    seen = preview_run(settings, vocab_size=6400, data=data, device=None, calibration=calibration)
    assert seen.ended_by == "time_budget"
    assert seen.updates == pytest.approx(step, rel=0.02, abs=1)


MACHINES = {
    "plain cpu": Machine("2.13.0", "Ryzen", frozenset({"avx2"}), cores=6, memory=2**34),
    "cpu with amx": Machine("2.13.0", "Xeon", frozenset({"avx2", "amx_bf16"}), cores=6, memory=2**34),
    "ampere": Machine(
        "2.13.0", "Xeon", frozenset({"avx512_bf16"}), cores=6, memory=2**34, accelerator_build="13.0",
        gpus=(Gpu("A100", 80 * 2**30, (8, 0)), Gpu("A40", 48 * 2**30, (8, 6))),
    ),
    "turing": Machine(
        "2.13.0", "Ryzen", frozenset(), cores=6, memory=2**34, accelerator_build="13.0",
        gpus=(Gpu("T4", 16 * 2**30, (7, 5)),),
    ),
    "mac": Machine("2.13.0", "M3", frozenset(), cores=6, memory=2**34, mps_available=True, macos=(15, 1)),
}  # fmt: skip


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("device", ["auto", "cpu", "cuda", "cuda:1", "mps"])
@pytest.mark.parametrize("more", [{}, {"dtype": "fp16"}, {"deterministic": True, "num_threads": 3}, {"compile": False}])
def test_the_device_foreseen_is_the_one_chosen(
    monkeypatch: pytest.MonkeyPatch, name: str, device: str, more: dict[str, Any]
) -> None:
    machine = MACHINES[name]
    monkeypatch.setattr(probe, "measure_matmul", lambda _device, _dtype: 1e12)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    settings = build_settings({"device": device, **more})
    use = device_use(settings, gather_facts(machine))
    try:
        chosen = choose_device(device, machine).device
    except UserError:
        assert use.problem
        return
    assert not use.problem
    assert (use.kind, use.name, use.memory) == (chosen.kind, chosen.name, chosen.memory)
    assert use.dtype == choose_dtype(settings.dtype, chosen).dtype
    deterministic = repeats(settings, use.kind)
    compiled = choose_compile(settings.compile, chosen, deterministic=deterministic, probe=lambda _device: None)
    assert compiles(settings, use.kind) == compiled.on
    asked = None if settings.num_threads == "auto" else settings.num_threads
    assert use.threads == (choose_threads(asked, machine.cores).threads if use.kind == "cpu" else 0)


# -- what a run remembers of its speed


def test_a_run_leaves_its_speed_for_the_next(aged: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    workshop = aged
    monkeypatch.setattr(speed, "LEAST_SECONDS", 0.0)
    run = workshop.make(sample_prompts=["Ann"], sample_tokens=4)
    settings, _preset = parse_settings(run.run_toml)
    trainer = workshop.train(run)
    found = load_calibration(workshop.folder / "cache", settings, gather_facts(read_machine()), 300)
    assert found is not None and found.source == "run" and not found.extrapolated
    seen = preview_of(workshop, run)
    assert seen.updates_per_epoch is not None and seen.updates is not None
    smaller = settings.epochs  # the last update of each epoch
    assert found.updates == seen.updates - smaller - speed.WARM_UP_UPDATES
    assert found.seconds_low <= found.seconds <= found.seconds_high
    assert found.seconds * found.updates < trainer.clock.here
    assert found.validation_tokens_per_s and found.sampled_tokens_per_s and found.saved_bytes_per_s
    assert abs(found.when.timestamp() - parse_utc(run.read_manifest().created or "")) < 120


def test_a_cache_that_cannot_be_written_does_not_hurt_the_run(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speed, "LEAST_SECONDS", 0.0)
    called = []

    def refuse(*arguments: object) -> None:
        called.append(arguments)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(speed, "save_calibration", refuse)
    trainer = workshop.train(workshop.make())
    assert called and trainer.state.end_reason == "complete"


class _Kept:
    """Counts what a recorder keeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calibrations: list[Calibration] = []
        monkeypatch.setattr(speed, "save_calibration", lambda _dir, _key, found: self.calibrations.append(found))

    def recorder(self) -> speed.SpeedRecorder:
        return speed.SpeedRecorder(
            Path("nowhere"),
            None,
            rows_per_update=8,
            accumulation_steps=2,
            between=dict,  # type: ignore[arg-type]
        )


def test_speed_is_kept_early_now_and_then_and_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = _Kept(monkeypatch)
    recorder = kept.recorder()
    for _update in range(2 + 1000):
        recorder.add(8, 100, 1.0)
    assert [found.updates for found in kept.calibrations] == [30, 330, 630, 930]
    recorder.keep()
    assert kept.calibrations[-1].updates == 1000
    assert kept.calibrations[-1].seconds == pytest.approx(1.0)


def test_cold_smaller_and_few_updates_are_not_taken_for_the_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = _Kept(monkeypatch)
    recorder = kept.recorder()
    recorder.add(8, 100, 500.0)  # cold
    recorder.add(8, 100, 500.0)
    for _update in range(4):
        recorder.add(8, 100, 2.0)
        recorder.add(3, 40, 0.5)  # an epoch's last
    recorder.keep()
    assert kept.calibrations == []
    recorder.add(8, 100, 2.0)
    recorder.keep()
    (found,) = kept.calibrations
    assert (found.updates, found.seconds, found.tokens_per_s) == (5, 2.0, 50.0)
