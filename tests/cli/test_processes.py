"""`--nproc` from the face: auto decided, one device refused for several, a resume with another number."""

import pytest

from engine.errors import UserError
from engine.estimate.device_probe import DeviceFacts, GpuFacts
from engine.run.launch import plan_run
from engine.settings.presets import load_preset
from engine.settings.settings import Settings
from minimind_tui import starting


@pytest.fixture
def four_gpus(monkeypatch):
    gpu = GpuFacts(name="G", memory=1, capability="9.0")
    facts = DeviceFacts.model_construct(device="cuda:0", gpus=[gpu] * 4)
    monkeypatch.setattr(starting, "probe_device", lambda _cache: facts)


def test_auto_is_a_process_for_each_gpu(four_gpus):
    assert starting.decided(Settings(nproc="auto")).nproc == 4
    assert starting.decided(Settings(nproc="auto", device="cpu")).nproc == 1
    assert starting.decided(Settings(nproc=2)).nproc == 2


def test_auto_on_a_machine_without_a_gpu_is_one(monkeypatch):
    facts = DeviceFacts.model_construct(device="cpu", gpus=[])
    monkeypatch.setattr(starting, "probe_device", lambda _cache: facts)
    assert starting.decided(Settings(nproc="auto")).nproc == 1


@pytest.mark.parametrize("device", ["cuda:1", "mps"])
def test_several_processes_on_one_device_are_refused(device):
    settings = load_preset("mini").settings().model_copy(update={"nproc": 2, "device": device})
    with pytest.raises(UserError, match="nproc = 2 with device"):
        plan_run(settings)
