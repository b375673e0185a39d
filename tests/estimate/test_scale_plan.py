"""Plans: what they add up to, how they change with devices and text, and that no figure lacks its assumption."""

import dataclasses

import pytest
from estimate_material import cpu_facts, gpu_facts
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import UserError
from engine.estimate.links import LINKS
from engine.estimate.machines import MACHINES, cpu_machine, machine_here, machine_of
from engine.estimate.scale_advice import bottleneck_name, bottleneck_words, remarks
from engine.estimate.scale_figures import figures_of
from engine.estimate.scale_plan import ScalePlan, plan_scale
from engine.estimate.size import checkpoint_bytes, parameters
from engine.estimate.text_size import TEXT_KINDS, assumed_text, parse_bytes
from engine.settings.presets import load_preset
from engine.settings.shape import ModelShape

GB = 10**9


def plan(
    device: str = "h100",
    devices: int = 8,
    size: int = 100 * GB,
    preset: str = "full",
    link: str | None = None,
    **changes: object,
) -> ScalePlan:
    asked = load_preset(preset).settings().model_copy(update={"epochs": 1, **changes})
    machine = cpu_machine() if device == "cpu" else machine_of(device)
    text = assumed_text(size, TEXT_KINDS["mixed"], asked)
    return plan_scale(asked, machine, devices, text, vocab_size=6400, link=None if link is None else LINKS[link])


def test_it_counts_what_was_asked() -> None:
    found = plan()
    assert found.rows_per_update == 32 * 8 * 8
    assert found.updates_per_epoch == -(-found.text.rows // 2048) == found.updates
    assert found.parameters == 25_829_888 and found.gradient_bytes == 4 * 25_829_888
    assert found.checkpoint_bytes == checkpoint_bytes(ModelShape()) == 12 * parameters(ModelShape())
    assert found.disk_bytes == 100 * GB + found.cache_bytes + found.run_bytes
    assert plan(epochs=3).updates == 3 * found.updates and plan(max_steps=50).updates == 50
    assert plan(max_steps=50).run.high < found.run.low


def test_an_epoch_is_its_updates_and_what_lies_between_them() -> None:
    found = plan(save_interval=0, save_minutes=0.0, eval_interval=0, sample_interval=0)
    whole = found.text.rows / found.rows_per_update
    between = found.epoch.low * found.text.tokens / found.text.tokens_low - found.update.low * whole
    assert 0 < between < 10  # the end alone
    assert plan(save_interval=10).epoch.low > plan(save_interval=1000).epoch.low


def test_the_time_before_the_first_update_by_hand() -> None:
    one, eight = plan(devices=1), plan(devices=8)
    assert one.hash_seconds == pytest.approx(100 / 1.5)
    assert one.tokenise_seconds == pytest.approx(1e11 / (8 * 1.7e6))
    assert eight.tokenise_seconds == pytest.approx(1e11 / 28e6)  # 64 cores, but Python's own part
    assert one.pack_seconds == pytest.approx(1e8 / 3.8e6)
    assert one.start_seconds == pytest.approx(4.5 + 60 + 0.8)
    assert plan(devices=1, compile=False).start_seconds == pytest.approx(4.5 + 0.8)
    assert plan(devices=8, num_workers=2).tokenise_seconds == pytest.approx(1e11 / 3.4e6)


@pytest.mark.parametrize(
    ("device", "devices", "link"),
    [
        ("h100", 8, "nvlink4"),
        ("h100", 9, "100gbe"),
        ("a100", 2, "nvlink3"),
        ("rtx3090", 8, "pcie4"),
        ("rtx4090", 64, "25gbe"),
        ("cpu", 64, "loopback"),
    ],
)
def test_the_slowest_link_of_the_ring(device: str, devices: int, link: str) -> None:
    assert plan(device, devices, GB).link.name == link
    assert plan(device, devices, GB, link="100gbe").link.name == "100gbe"


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(MACHINES)),
    st.sampled_from([1, 2, 4, 8, 16, 32, 64]),
    st.integers(10**8, 10**12),
    st.sampled_from(["full", "minimind2", "minimind3"]),
)
def test_more_text_costs_more_and_more_devices_take_less_of_each(
    device: str, devices: int, size: int, preset: str
) -> None:
    here = plan(device, devices, size, preset)
    larger = plan(device, devices, 2 * size, preset)
    assert larger.epoch.low > here.epoch.low and larger.before_first > here.before_first
    assert larger.disk_bytes > here.disk_bytes and larger.host_memory > here.host_memory
    assert larger.memory_needed == here.memory_needed  # of the device: never
    more = plan(device, 2 * devices, size, preset)
    assert more.epoch.low <= here.epoch.low and more.updates <= here.updates
    assert more.pace.reduce > here.pace.reduce and more.memory_needed == here.memory_needed
    assert more.tokenise_seconds <= here.tokenise_seconds
    for each in (here, larger, more):
        assert sum(each.shares.values()) == pytest.approx(1) and min(each.shares.values()) >= 0
        assert each.bottleneck == max(each.shares, key=lambda name: each.shares[name]) != each.next
        assert 0 < each.update.low <= each.update.high and each.epoch.low <= each.epoch.high


def test_a_faster_link_is_never_slower() -> None:
    times = [plan("rtx3090", 16, GB, link=name).update.high for name in ("25gbe", "100gbe", "pcie4", "nvlink4")]
    assert times == sorted(times, reverse=True)


def test_bottlenecks_are_where_they_should_be() -> None:
    assert plan("rtx3090", 1).bottleneck == "compute"
    assert plan("h100", 64, 10**12).bottleneck == "tokenising"
    assert plan("h100", 64, GB).bottleneck == "start"
    assert plan("a100", 16, preset="minimind2", accumulation_steps=1).bottleneck == "reduce"
    assert plan("h100", 8, save_interval=1).bottleneck == "saves"
    assert plan("h100", 8, sample_interval=1).bottleneck == "watching"
    assert plan("h100", 1, 10 * 10**12).bottleneck == "batches"
    assert plan("rtx3090", 1, batch_size=4096).bottleneck == "memory"


def test_what_does_not_fit_is_told_with_the_way_out() -> None:
    found = plan("rtx3090", 1, batch_size=4096)
    assert not found.fits and found.memory_needed > found.machine.memory
    (problem,) = found.problems
    assert "RTX 3090 has 25.8 GB" in problem
    batch = int(problem.split("batch_size ")[1].split()[0])
    assert plan("rtx3090", 1, batch_size=batch).fits and not plan("rtx3090", 1, batch_size=2 * batch).fits
    hopeless = plan("rtx3090", 1, hidden_size=16384, num_hidden_layers=64, num_attention_heads=64)
    assert "smaller network" in hopeless.problems[0]


@pytest.mark.parametrize(
    ("device", "devices", "changes"),
    [("h100", 1, {}), ("h100", 64, {"epochs": 3}), ("cpu", 2, {"pack": False}), ("rtx3090", 4, {"optimizer": "muon"})],
)
def test_every_figure_has_its_assumption(device: str, devices: int, changes: dict[str, object]) -> None:
    found = plan(device, devices, 10**12, **changes)
    figures = figures_of(found)
    assert len({figure.name for figure in figures}) == len(figures) > 25
    sources = (
        "formula",
        "measured",
        "assumed",
        "counted",
        "settings",
        "data sheet",
        "given",
        "fitted",
        "PCI-SIG",
        "IEEE",
    )
    for figure in figures:
        assert 0 <= figure.low <= figure.high, figure
        assert any(source in figure.basis for source in sources), figure
    assert ("sent" in {figure.name for figure in figures}) == (devices > 1)


def test_each_bottleneck_has_its_words() -> None:
    found = plan()
    names = ["memory", "tokenising", "start", "compute", "reduce", "batches", "saves", "watching"]
    told = [bottleneck_words(dataclasses.replace(found, bottleneck=name)) for name in names]  # type: ignore[arg-type]
    assert all(told) and len(set(told)) == len(names)
    assert len({bottleneck_name(name) for name in names}) == len(names)  # type: ignore[arg-type]


def test_remarks() -> None:
    assert any("--accumulation_steps 1 " in each for each in remarks(plan(devices=8)))
    assert not any("--accumulation_steps" in each for each in remarks(plan(devices=8, accumulation_steps=1)))
    assert any("few, large updates" in each for each in remarks(plan(devices=64)))
    assert any("only" in each for each in remarks(plan(devices=64, size=10**8)))
    assert any("larger network" in each for each in remarks(plan(size=10**12)))
    assert any("share its cores" in each for each in remarks(plan("cpu", 2, GB)))
    assert any("time_budget" in each for each in remarks(plan(time_budget=60.0)))


@pytest.mark.parametrize("devices", [0, -1, 4097])
def test_a_number_of_devices_that_cannot_be(devices: int) -> None:
    with pytest.raises(UserError, match="cannot be planned"):
        plan(devices=devices)


def test_this_machine_is_recognised() -> None:
    assert machine_here(cpu_facts()).peak("fp32") == 1e11
    name, memory = "NVIDIA GeForce RTX 3090", 24 * 2**30
    assert machine_here(gpu_facts().model_copy(update={"name": name, "memory": memory})).name == "rtx3090"
    a100 = {"name": "NVIDIA A100-SXM4-80GB", "memory": 79 * 2**30}
    assert machine_here(gpu_facts().model_copy(update=a100)).name == "a100"
    for changes in ({}, {"name": "NVIDIA A100-SXM4-40GB", "memory": 40 * 2**30}):
        with pytest.raises(UserError, match="No plan is known"):
            machine_here(gpu_facts().model_copy(update=changes))
    assert cpu_machine(gpu_facts()).title == "AMD EPYC, 2 cores"  # the probe told of a GPU's rate, not of the cpu's


def test_a_terabyte_is_parsed_and_planned_quickly() -> None:
    assert plan(size=parse_bytes("10PB")).updates > 10**8


def test_processes_share_a_validation_and_wait_for_samples_and_saves() -> None:
    def watching(devices: int, **changes: object) -> float:
        found = plan("h100", devices, GB, max_steps=1, **changes)
        return found.shares["watching"] / found.shares["start"] * found.start_seconds

    without = {"sample_prompts": ()}
    assert watching(1, **without) == pytest.approx(8 * watching(8, **without), rel=1e-6)
    assert watching(1, validation=False) == pytest.approx(watching(8, validation=False), rel=1e-6)
