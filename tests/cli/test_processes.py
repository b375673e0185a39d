"""`--nproc` from the face: auto decided, one device refused for several, a resume with another number."""

import psutil
import pytest

from engine.errors import UserError
from engine.estimate.device_probe import DeviceFacts, GpuFacts
from engine.estimate.memory import runtime_bytes
from engine.run.folder import RunFolder
from engine.run.joining import join_run
from engine.run.launch import make_run, plan_run
from engine.run.meeting import ENDPOINT_VARIABLE, Meeting, announce, checked_endpoint, find_meeting, withdraw
from engine.run.process import this_process
from engine.run.schema import Manifest, State, Status
from engine.run.status import encode_record
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


def test_several_machines_need_a_place_to_meet(monkeypatch):
    settings = load_preset("mini").settings().model_copy(update={"nnodes": 2})
    monkeypatch.delenv(ENDPOINT_VARIABLE, raising=False)
    with pytest.raises(UserError, match="--rdzv HOST:PORT"):
        plan_run(settings)
    for wrong in ("here", "here:", ":29500", "here:70000"):
        with pytest.raises(UserError, match="HOST:PORT"):
            checked_endpoint(wrong)
    monkeypatch.setenv(ENDPOINT_VARIABLE, "10.0.0.1:29500")
    assert plan_run(settings).settings.processes == 2


def test_only_a_living_runs_meeting_is_found(tmp_path):
    folder = RunFolder(tmp_path / "20261124-000000-x")
    folder.path.mkdir()
    folder.write_manifest(Manifest(id=folder.id))
    announce(folder, Meeting(endpoint="h:1", attempt=3, machines=2))
    assert find_meeting(tmp_path, "h:1") is None  # nobody runs it
    status = Status(attempt=3, step=0, state=State.RUNNING, supervisor=this_process(), worker=this_process())
    folder.status.write_bytes(encode_record(status))
    assert find_meeting(tmp_path, "h:2") is None
    found = find_meeting(tmp_path, "h:1")
    assert found is not None and found[1].attempt == 3
    with pytest.raises(UserError, match="numbered from 0"):
        join_run(tmp_path, "h:1", 2, lambda _words: None)
    withdraw(folder)
    assert find_meeting(tmp_path, "h:1") is None


def test_more_processes_than_memory_holds_are_refused_before_anything_is_made(monkeypatch, tmp_path):
    """Ninety-nine processes on a laptop would swap for minutes, and the kernel would kill whom it likes."""
    monkeypatch.setenv("MINIMIND_RUNS", str(tmp_path / "runs"))
    settings = load_preset("mini").settings()
    most = psutil.virtual_memory().total // runtime_bytes("cpu")
    starting.checked_plan(settings.model_copy(update={"nproc": most}), "mini", None, force=False)
    with pytest.raises(UserError, match=rf"--nproc.*{most} is the most"):
        starting.checked_plan(settings.model_copy(update={"nproc": most + 1}), "mini", None, force=False)
    whole = settings.model_copy(update={"batch_size": most + 1})
    plan = starting.checked_plan(whole, "mini", None, force=False)
    folder = make_run(plan)
    with pytest.raises(UserError, match="--nproc"):
        starting.planned_resume(folder, {"nproc": most + 1})
    assert starting.planned_resume(folder, {"nproc": 1}).settings.nproc == 1
