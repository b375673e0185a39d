"""The preview against what the engine really does, and each reason why a run is not ready."""

from datetime import timedelta
from typing import Any

import pytest
from estimate_material import GB, NOON, VOCAB, calibration_of, cpu_facts, data_of, gpu_facts, settings_of
from hypothesis import given
from hypothesis import settings as bounded
from hypothesis import strategies as st

from engine.data.stream import UpdateStream, updates_per_epoch
from engine.data.synthetic_rows import SyntheticRows
from engine.estimate.data_facts import DataFacts
from engine.estimate.disk import disk_needed
from engine.estimate.preview import CURVE_POINTS, START_UP_SECONDS, RunPreview, preview_run
from engine.estimate.size import checkpoint_bytes, parameters
from engine.settings.network import shape_from_settings
from engine.settings.onward import schedule_of
from engine.settings.presets import load_preset
from engine.settings.resolve import build_settings
from engine.settings.schedule import plan_total
from engine.settings.settings import Settings

QUIET = {"validation": False, "sample_prompts": [], "save_interval": 0}
"""Nothing happens between updates, so that time is updates alone (and one save)."""


def preview(settings: Settings | None = None, **given_: Any) -> RunPreview:
    known: dict[str, Any] = {"vocab_size": VOCAB, "data": data_of(), "device": cpu_facts(), "now": NOON}
    return preview_run(settings or settings_of(), **(known | given_))


@bounded(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 60),
    batch=st.integers(1, 9),
    accumulation=st.integers(1, 5),
    epochs=st.integers(1, 4),
    max_steps=st.integers(0, 40),
    processes=st.integers(1, 3),
)
def test_updates_and_tokens_are_those_that_the_stream_deals(
    rows: int, batch: int, accumulation: int, epochs: int, max_steps: int, processes: int
) -> None:
    source = SyntheticRows(300, 8, piece_length=5, row_count=rows)
    with UpdateStream(
        source,
        seed=1,
        micro_batch=batch,
        accumulation_steps=accumulation,
        world_size=processes,
        end_epoch=epochs,
    ) as stream:
        dealt = [update.target_tokens for update in stream][: max_steps or None]
    settings = settings_of(
        max_seq_len=8,
        batch_size=batch,
        accumulation_steps=accumulation,
        epochs=epochs,
        max_steps=max_steps,
        nproc=processes,
    )
    data = DataFacts(rows, int(source.row_targets.sum()), exact=True)
    seen = preview(settings, data=data)
    assert seen.updates == seen.most_updates == len(dealt)
    assert seen.total_tokens == sum(dealt)
    assert seen.updates_per_epoch == updates_per_epoch(rows, batch * accumulation * processes)
    assert seen.tokens_per_update == dealt[0]
    assert seen.updates == plan_total(epochs * seen.updates_per_epoch, max_steps or None).total
    assert seen.ended_by == ("max_steps" if max_steps == len(dealt) else "epochs")


def test_mini_is_what_it_is_known_to_be() -> None:
    data = DataFacts(1741, 440_684, exact=True, validation_tokens=5216, context=106.0)
    seen = preview(load_preset("mini").settings(), data=data)
    assert (seen.parameters, seen.rows_per_update, seen.positions_per_update) == (2_192_800, 3, 768)
    assert (seen.updates, seen.ended_by, seen.total_tokens) == (581, "epochs", 440_684)
    assert seen.checkpoint_bytes == pytest.approx(21_682_111, rel=0.01)  # as a real one was
    assert seen.ready and seen.notes == []


def test_a_mixture_shows_what_a_token_meets() -> None:
    guide = preview(build_settings({"use_moe": True}))
    assert (guide.parameters, guide.active_parameters) == (95_052_288, 60_449_280)
    dense = preview()
    assert dense.parameters == dense.active_parameters


def test_settings_of_experts_that_change_nothing_are_told() -> None:
    (note,) = [note for note in preview(settings_of(num_experts=8, aux_loss="batch")).notes if "use_moe" in note]
    assert "num_experts, aux_loss" in note
    assert not [note for note in preview(settings_of(num_experts=8, use_moe=True)).notes if "use_moe" in note]


def test_a_router_that_would_not_learn_is_told() -> None:
    asked = {"use_moe": True, "architecture": "minimind3", "num_key_value_heads": 4}
    assert not [note for note in preview(settings_of(**asked)).notes if "norm_topk_prob" in note]
    assert [note for note in preview(settings_of(**asked, norm_topk_prob=True)).notes if "norm_topk_prob" in note]


def test_the_effective_batch_counts_every_process() -> None:
    seen = preview(settings_of(batch_size=3, accumulation_steps=5, nproc=2))
    assert (seen.rows_per_update, seen.positions_per_update) == (30, 30 * 128)


def test_the_curve_is_the_schedules_own() -> None:
    settings = settings_of(epochs=40, warmup_steps=13, batch_size=4, accumulation_steps=1, schedule="wsd")
    seen = preview(settings)
    assert seen.updates == 10_000
    schedule = schedule_of(settings)
    horizon = schedule.plan(10_000)
    assert all(rate == schedule.lr_at(update - 1, horizon) for update, rate in seen.learning_rates)
    updates = [update for update, _rate in seen.learning_rates]
    assert updates == sorted(set(updates)) and len(updates) <= CURVE_POINTS
    assert {1, 14, 10_000} <= set(updates)
    short = preview(settings_of(max_steps=1, warmup_steps=5))
    assert [update for update, _rate in short.learning_rates] == [1]
    assert any("warm-up" in note for note in short.notes)


# -- time


def test_a_calibrated_time_is_updates_times_their_seconds() -> None:
    settings = settings_of(epochs=2, batch_size=10, accumulation_steps=1, **QUIET)
    seen = preview(settings, data=data_of(995), calibration=calibration_of(2.0, seconds_low=1.5, seconds_high=3.0))
    assert seen.updates == 200
    assert seen.seconds is not None and seen.seconds.source == "calibrated"
    # Two epochs of 995 rows are 199 whole updates; the end saves.
    assert seen.seconds.low == pytest.approx(199 * 1.5, abs=1) and seen.seconds.high == pytest.approx(199 * 3.0, abs=2)


def test_what_lies_between_updates_counts() -> None:
    settings = settings_of(
        epochs=1, batch_size=10, accumulation_steps=1, eval_interval=10, sample_interval=25, sample_tokens=50,
        sample_prompts=["a", "b"], save_interval=0,
    )  # fmt: skip
    measured = {"validation_tokens_per_s": 1000.0, "sampled_tokens_per_s": 10.0, "saved_bytes_per_s": 1e15}
    seen = preview(settings, data=data_of(validation_tokens=3000), calibration=calibration_of(1.0, **measured))
    assert seen.seconds is not None
    # 100 updates; validations of 3 s after 10 ... 90 and at the end; samples of 10 s after 25, 50, 75 and at the end.
    exactly = 100 + 10 * 3 + 4 * 10
    assert seen.seconds.low < exactly < seen.seconds.high
    assert seen.seconds.low == pytest.approx(100 + (10 * 3 + 4 * 10) / 1.5)


def test_without_a_calibration_the_time_is_a_wide_guess() -> None:
    seen = preview()
    assert seen.seconds is not None and seen.seconds.source == "rough" and seen.seconds.high > 3 * seen.seconds.low
    faster = preview(device=cpu_facts(matmul_flops={"fp32": 1e12}))
    assert faster.seconds is not None and faster.seconds.low < seen.seconds.low / 3
    unknown = preview(device=cpu_facts(matmul_flops={}))
    assert unknown.seconds is None and unknown.updates is not None
    assert preview(device=None).seconds is None


@pytest.mark.parametrize("bound", [{"time_budget": 100}, {"deadline": "2026-11-24T12:01:46+00:00"}])
def test_time_ends_a_run_at_the_update_it_allows(bound: dict[str, Any]) -> None:
    settings = settings_of(epochs=50, batch_size=10, accumulation_steps=1, **QUIET, **bound)
    seen = preview(settings, calibration=calibration_of(1.0, seconds_low=0.8, seconds_high=1.25))
    assert seen.ended_by == ("time_budget" if "time_budget" in bound else "deadline")
    assert seen.updates is not None and seen.updates_low is not None and seen.updates_high is not None
    assert seen.updates == pytest.approx(100, abs=1)
    assert seen.updates_low == pytest.approx(80, abs=1) and seen.updates_high == pytest.approx(125, abs=1)
    assert seen.most_updates == 5000
    assert seen.seconds is not None and seen.seconds.high == pytest.approx(100)
    assert seen.learning_rates[-1][0] == seen.updates  # the schedule ends there
    assert START_UP_SECONDS == 6.0


def test_the_tighter_of_budget_and_deadline_ends_it() -> None:
    both = settings_of(epochs=50, time_budget=1000, deadline="2026-11-24T12:02+00:00")
    assert preview(both, calibration=calibration_of(1.0)).ended_by == "deadline"
    both = settings_of(epochs=50, time_budget=30, deadline="2026-11-24T12:02+00:00")
    assert preview(both, calibration=calibration_of(1.0)).ended_by == "time_budget"


def test_epochs_end_a_run_before_a_long_budget() -> None:
    seen = preview(settings_of(epochs=1, time_budget=10**6), calibration=calibration_of(1.0))
    assert (seen.ended_by, seen.updates) == ("epochs", seen.most_updates)
    assert any("more epochs" in note for note in seen.notes)


def test_a_budget_on_an_unknown_device_promises_nothing() -> None:
    seen = preview(settings_of(time_budget=100), device=None)
    assert (seen.updates, seen.total_tokens, seen.learning_rates) == (None, None, [])
    assert seen.ended_by == "time_budget" and any("calibrate" in note for note in seen.notes)


# -- what stands in the way


def only_problem(seen: RunPreview) -> str:
    assert not seen.ready
    (problem,) = seen.problems
    return problem


def test_memory_that_is_too_small_is_a_problem_with_a_way_out() -> None:
    settings = settings_of(hidden_size=512, num_attention_heads=8, num_hidden_layers=8, max_seq_len=512, batch_size=256)
    seen = preview(settings)
    assert seen.memory_needed is not None and seen.memory_there == 8 * GB < seen.memory_needed
    problem = only_problem(seen)
    assert "batch_size 32 with accumulation_steps 64" in problem
    helped = preview(settings.model_copy(update={"batch_size": 32, "accumulation_steps": 64}))
    assert helped.ready
    assert "smaller network" in only_problem(preview(settings, device=cpu_facts(memory=GB // 2)))


def test_memory_that_is_nearly_too_small_is_a_note() -> None:
    needed = preview().memory_needed
    assert needed is not None
    seen = preview(device=cpu_facts(memory=int(needed * 1.05)))
    assert seen.ready and any("memory" in note for note in seen.notes)


def test_memory_and_dtype_are_the_chosen_devices() -> None:
    big = preview(device=gpu_facts())
    assert big.device is not None
    assert (big.device.kind, big.device.name, big.device.dtype, big.memory_there) == (
        "cuda",
        "Big GPU",
        "bf16",
        80 * GB,
    )
    second = preview(settings_of(device="cuda:1"), device=gpu_facts())
    assert second.device is not None and (second.device.name, second.memory_there) == ("Small GPU", 4 * GB)
    assert second.seconds is None  # its rate was not measured
    cpu = preview(settings_of(device="cpu"), device=gpu_facts())
    assert cpu.device is not None
    assert (cpu.device.kind, cpu.device.dtype, cpu.memory_there, cpu.seconds) == ("cpu", "fp32", 8 * GB, None)


@pytest.mark.parametrize("device", ["cuda", "cuda:3", "mps"])
def test_a_device_that_is_not_there_is_a_problem(device: str) -> None:
    facts = cpu_facts() if device != "cuda:3" else gpu_facts()
    problem = only_problem(preview(settings_of(device=device), device=facts))
    assert device in problem and "cpu" in problem


def test_an_emulated_dtype_is_told() -> None:
    seen = preview(settings_of(dtype="bf16"))
    assert seen.ready and any("emulated" in note for note in seen.notes)


def test_a_disk_that_is_too_small_is_a_problem() -> None:
    needed = preview().disk_needed
    assert needed is not None
    assert preview(disk_free=2 * needed).ready
    assert "disk" in only_problem(preview(disk_free=needed - 1))
    assert any("disk" in note for note in preview(disk_free=int(needed * 1.05)).notes)


def test_disk_counts_what_is_kept_at_a_time() -> None:
    settings = settings_of(save_interval=10, keep_checkpoints=3)
    shape = shape_from_settings(settings, VOCAB)
    one = checkpoint_bytes(shape, "adamw")
    few, many = (disk_needed(settings, shape, updates) for updates in (20, 10_000))
    assert few < 2 * one + one < 5 * one < many  # two checkpoints; three, the best and one being written
    assert many - few == pytest.approx(3 * one, rel=0.25)
    elsewhere = disk_needed(settings.model_copy(update={"save_dir": "out"}), shape, 10_000)
    assert elsewhere - many == pytest.approx(2 * 2 * (parameters(shape) + VOCAB * 64))  # two fp16 files more


def test_a_shape_that_makes_no_network_is_a_problem_and_nothing_more() -> None:
    seen = preview(settings_of(hidden_size=50))
    assert "hidden_size" in only_problem(seen)
    assert (seen.parameters, seen.memory, seen.disk_needed, seen.seconds) == (None, None, None, None)
    assert seen.updates is not None and seen.learning_rates


def test_missing_and_bad_data_are_problems() -> None:
    assert "not been looked into" in only_problem(preview(data=None))
    assert only_problem(preview(data=None, problems=["There is no file x."])) == "There is no file x."
    assert only_problem(preview(data=data_of(problems=("2 % of the lines are bad.",)))) == "2 % of the lines are bad."
    assert "nothing to train on" in only_problem(preview(data=data_of(0)))
    assert preview(data=None).updates is None


def test_the_same_reason_is_told_once() -> None:
    reason = only_problem(preview(settings_of(hidden_size=50)))
    assert only_problem(preview(settings_of(hidden_size=50), problems=[reason])) == reason


def test_each_problem_says_what_it_is_about() -> None:
    past = (NOON - timedelta(minutes=1)).isoformat()
    settings = settings_of(deadline=past, device="mps", batch_size=65536, max_seq_len=512, hidden_size=512)
    seen = preview(settings, data=data_of(0), disk_free=1, problems=["Somebody else's weights lie there."])
    assert [one.about for one in seen.obstacles] == ["given", "data", "device", "time", "memory", "disk"]
    assert [one.text for one in seen.obstacles] == seen.problems and not seen.ready
    assert preview(settings_of(hidden_size=50)).obstacles[0].about == "shape"


def test_a_deadline_that_is_over_is_a_problem() -> None:
    past = (NOON - timedelta(minutes=1)).isoformat()
    seen = preview(settings_of(deadline=past), calibration=calibration_of(1.0))
    assert "is over" in only_problem(seen)
    soon = (NOON + timedelta(seconds=3)).isoformat()
    assert "too near" in only_problem(preview(settings_of(deadline=soon), calibration=calibration_of(1.0)))


def test_text_that_takes_long_to_tokenise_is_told() -> None:
    def note(size: int, **values: Any) -> list[str]:
        return [
            one for one in preview(settings_of(**values), data=data_of(bytes_to_tokenise=size)).notes if "once" in one
        ]

    assert note(10**6) == [] and note(0) == []
    (two_cores,) = note(1_020_000_000)
    assert "5m00s" in two_cores
    assert "10m00s" in note(1_020_000_000, num_workers=1)[0]


def test_an_update_larger_than_an_epoch_is_told() -> None:
    seen = preview(settings_of(batch_size=64, accumulation_steps=4), data=data_of(100))
    assert seen.updates_per_epoch == 1 and seen.tokens_per_update == 100 * 100
    assert any("256 rows" in note for note in seen.notes)


def test_several_processes_are_counted_in_the_update_and_need_a_gpu_each():
    settings = settings_of(batch_size=4, accumulation_steps=3, nproc=2)
    preview = preview_run(settings, vocab_size=VOCAB, data=None, device=gpu_facts())
    assert (preview.processes, preview.rows_per_update) == (2, 24)
    assert not any("GPU" in problem for problem in preview.problems)
    alone = preview_run(settings_of(), vocab_size=VOCAB, data=None, device=gpu_facts())
    assert any("2 GPUs are there and 1 of them used" in note for note in alone.notes)
    many = preview_run(settings_of(nproc=3), vocab_size=VOCAB, data=None, device=gpu_facts())
    assert any("nproc = 3" in problem and "2 GPUs" in problem for problem in many.problems)
    both = preview_run(settings_of(nproc=2), vocab_size=VOCAB, data=None, device=cpu_facts())
    assert both.device is not None and both.device.threads == 1  # they share the cores
