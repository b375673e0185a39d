"""Device, precision, compile, threads and determinism: decided from facts, tested over tables of machines."""

import itertools
import os
import shutil
import sysconfig
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.errors import UserError
from engine.train import hardware
from engine.train.hardware import (
    DeviceInfo,
    Gpu,
    Machine,
    choose_device,
    choose_threads,
    read_machine,
    set_deterministic,
    usable_cores,
    usable_memory,
)
from engine.train.precision import (
    autocast,
    choose_compile,
    choose_dtype,
    explain_compile_failure,
    probe_compile,
)

GB = 2**30
PLAIN = frozenset({"avx2", "fma"})
CPU = Machine("2.13.0+cpu", "Some CPU", PLAIN, cores=4, memory=16 * GB)
AMX = replace(CPU, cpu_flags=PLAIN | {"avx512f", "amx_tile", "amx_bf16"})
A100 = Gpu("A100", 80 * GB, (8, 0))
T4 = Gpu("T4", 16 * GB, (7, 5))
P40 = Gpu("P40", 24 * GB, (6, 1))
CUDA = replace(CPU, torch_version="2.13.0+cu130", accelerator_build="13.0", driver="580.1", gpus=(A100,))
MAC = replace(CPU, cpu_flags=frozenset(), mps_built=True, mps_available=True, macos=(15, 1))


@pytest.mark.parametrize(
    ("requested", "machine", "expected"),
    [
        ("auto", CPU, "cpu"),
        ("auto", CUDA, "cuda:0"),
        ("auto", MAC, "mps"),
        ("auto", replace(MAC, gpus=(A100,), accelerator_build="13.0"), "cuda:0"),
        ("auto", replace(MAC, mps_available=False), "cpu"),
        ("cpu", CUDA, "cpu"),
        ("cpu:0", CPU, "cpu"),
        ("CUDA", CUDA, "cuda:0"),
        ("cuda:1", replace(CUDA, gpus=(A100, T4)), "cuda:1"),
        ("mps", MAC, "mps"),
        ("mps:0", MAC, "mps"),
    ],
)
def test_the_device_asked_for_is_the_device_used(requested: str, machine: Machine, expected: str) -> None:  # trap 50
    device = choose_device(requested, machine).device
    assert str(device.torch_device) == expected
    assert device.kind == expected.partition(":")[0]


@pytest.mark.parametrize(
    ("requested", "machine", "said"),
    [
        ("cuda:0", CPU, r"cuda:0.*2\.13\.0\+cpu.*without CUDA"),  # trap 37
        ("cuda", replace(CUDA, gpus=()), r"finds no GPU.*CUDA_VISIBLE_DEVICES"),
        ("cuda:2", replace(CUDA, gpus=(A100, T4)), r"GPU 2.*there are 2"),
        ("cuda:x", CUDA, r"number, 0 to 0"),
        ("mps", CPU, r"built without it"),
        ("mps", replace(CPU, mps_built=True), r"macOS 12\.3"),
        ("cpu:1", CPU, r"only one cpu"),
        ("gpu", CPU, r"use auto, cpu, cuda, cuda:N or mps.*Did you mean cpu"),
        ("cdua", CPU, r"Did you mean cuda"),
        ("", CPU, r"not a device"),
    ],
)
def test_a_device_that_is_not_there_is_refused_with_the_way_out(requested: str, machine: Machine, said: str) -> None:
    with pytest.raises(UserError, match=said):
        choose_device(requested, machine)


def test_hardware_left_unused_is_said() -> None:  # trap 37, issues 438 and 629
    assert choose_device("auto", CPU).notes == ()
    (note,) = choose_device("auto", replace(CPU, driver="580.1")).notes
    assert "without CUDA" in note and "580.1" in note
    (note,) = choose_device("auto", replace(CUDA, gpus=())).notes
    assert "finds no GPU" in note
    assert choose_device("cpu", replace(CPU, driver="580.1")).notes == ()
    four = replace(CUDA, gpus=(A100,) * 4)
    (note,) = choose_device("auto", four).notes
    assert "4 GPUs" in note and "cuda:0" in note
    assert choose_device("auto", four, processes=4, local_rank=3) == (
        DeviceInfo("cuda", "A100", 80 * GB, 3, (8, 0)),
        (),
    )


@pytest.mark.parametrize(
    ("machine", "dtype", "scaler", "why"),
    [
        (CPU, "fp32", False, "neither AMX nor AVX512-BF16"),  # trap 31
        (AMX, "bf16", False, "in hardware"),
        (replace(CPU, cpu_flags=PLAIN | {"avx512_bf16"}), "bf16", False, "in hardware"),
        (replace(CPU, cpu_flags=PLAIN | {"avx512f"}), "fp32", False, "emulated"),
        (CUDA, "bf16", False, "A100"),
        (replace(CUDA, gpus=(T4,)), "fp16", True, r"T4 (compute capability 7.5)"),
        (replace(CUDA, gpus=(P40,)), "fp32", False, "no tensor cores"),
        (MAC, "bf16", False, "in hardware"),
        (replace(MAC, macos=(13, 6)), "fp32", False, "macOS 14"),
    ],
)
def test_auto_takes_the_fastest_dtype_the_hardware_has(machine: Machine, dtype: str, scaler: bool, why: str) -> None:
    precision = choose_dtype("auto", choose_device("auto", machine).device)
    assert (precision.dtype, precision.scaler, precision.autocast) == (dtype, scaler, dtype != "fp32")
    assert why in precision.why and precision.warnings == ()


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [
        ("bfloat16", torch.bfloat16), ("bf16", torch.bfloat16), ("float16", torch.float16), ("fp16", torch.float16),
        ("float32", torch.float32), ("fp32", torch.float32), ("torch.float32", torch.float32),
        (" BF16 ", torch.bfloat16),
    ],
)  # fmt: skip
def test_both_spellings_of_every_dtype(spelling: str, expected: torch.dtype) -> None:
    precision = choose_dtype(spelling, choose_device("auto", CUDA).device)
    assert precision.torch_dtype == expected and precision.warnings == ()
    assert precision.scaler == (expected == torch.float16)  # trap 24: bf16 has no scaler


def test_an_emulated_dtype_asked_for_by_name_is_taken_with_a_loud_warning() -> None:  # trap 31
    cpu = choose_device("cpu", CPU).device
    for name in ("bfloat16", "float16"):
        precision = choose_dtype(name, cpu)
        assert precision.autocast and "WARNING" in precision.warnings[0]
    assert choose_dtype("bfloat16", choose_device("cpu", AMX).device).warnings == ()
    old = choose_device("cuda", replace(CUDA, gpus=(T4,))).device
    assert "EMULATED on T4" in choose_dtype("bf16", old).warnings[0]
    assert choose_dtype("fp16", old).warnings == ()


def test_a_dtype_that_cannot_be_is_refused() -> None:
    with pytest.raises(UserError, match="Did you mean bfloat16"):
        choose_dtype("bfloat61", choose_device("cpu", CPU).device)
    with pytest.raises(UserError, match=r"macOS 14.*13\.6"):
        choose_dtype("bf16", choose_device("mps", replace(MAC, macos=(13, 6))).device)


@pytest.mark.parametrize("name", ["bf16", "fp16"])
def test_autocast_computes_in_the_dtype_chosen(name: str) -> None:  # trap 24
    device = choose_device("cpu", AMX).device
    precision = choose_dtype(name, device)
    with autocast(precision, device):
        assert torch.is_autocast_enabled("cpu")
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == precision.torch_dtype
    with autocast(choose_dtype("fp32", device), device):
        assert not torch.is_autocast_enabled("cpu")
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


@pytest.mark.parametrize("kind", ["cuda", "mps"])
def test_autocast_names_its_dtype_on_every_device(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:  # traps 24, 47
    asked: list[Any] = []
    monkeypatch.setattr(torch, "autocast", lambda *args, **kwargs: asked.append((args, kwargs)))
    device = choose_device(kind, CUDA if kind == "cuda" else MAC).device
    autocast(choose_dtype("bf16", device), device)
    assert asked == [((kind,), {"dtype": torch.bfloat16})]


def works(_device: DeviceInfo) -> None:
    return None


def fails(_device: DeviceInfo) -> str:
    return "there is no C++ compiler."


def never(_device: DeviceInfo) -> str:
    raise AssertionError("probed without need")


@pytest.mark.parametrize(
    ("requested", "machine", "deterministic", "probe", "on", "why"),
    [
        ("off", CUDA, False, never, False, "as asked"),
        (False, CUDA, False, never, False, "as asked"),
        ("auto", CPU, False, never, False, "on cpu"),
        ("auto", MAC, False, never, False, "on mps"),
        ("auto", CUDA, False, works, True, "Compiled"),
        ("auto", CUDA, True, never, False, "not promised"),
        ("auto", CUDA, False, fails, False, "C++ compiler"),
        ("on", CPU, False, works, True, "Compiled"),
        (True, CPU, True, works, True, "resume may not be exact"),  # trap 57
        ("on", CPU, False, fails, False, "no C++ compiler"),  # trap 58
    ],
)
def test_compile_is_decided_and_explained(
    requested: Any, machine: Machine, deterministic: bool, probe: Any, on: bool, why: str
) -> None:
    device = choose_device("auto", machine).device
    choice = choose_compile(requested, device, deterministic=deterministic, probe=probe)
    assert choice.on is on and why in choice.why


@pytest.mark.skipif(
    not (shutil.which("g++") and (Path(sysconfig.get_paths()["include"]) / "Python.h").exists()),
    reason="needs g++ and Python's headers",
)
def test_the_probe_really_compiles() -> None:
    assert probe_compile(choose_device("cpu", CPU).device) is None
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0


def test_the_probe_says_that_there_is_no_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:  # trap 58
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    assert "g++ or clang++" in (probe_compile(choose_device("cpu", CPU).device) or "")


def test_the_probe_survives_and_explains_whatever_the_compiler_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_function: Any) -> Any:
        def call(*_args: Any) -> Any:
            cause = RuntimeError("CppCompileError\n\nOutput:\nx.cpp:1:10: fatal error: Python.h: No such file\nmore")
            raise ValueError("wrapped") from cause

        return call

    monkeypatch.setattr(torch, "compile", broken)
    monkeypatch.setattr("shutil.which", lambda _name: "/usr/bin/g++")
    said = probe_compile(choose_device("cpu", CPU).device)
    assert said is not None and "Python.h" in said and "RuntimeError" in said and "\n" not in said


def test_the_probe_distrusts_wrong_results(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda function: lambda x: function(x) + 1)
    monkeypatch.setattr("shutil.which", lambda _name: "/usr/bin/g++")
    assert "another result" in (probe_compile(choose_device("cpu", CPU).device) or "")
    monkeypatch.setattr(torch, "compile", lambda function: function)
    assert probe_compile(choose_device("cpu", CPU).device) is None


def test_a_failure_without_a_message_is_explained_by_its_kind() -> None:
    assert "KeyError" in explain_compile_failure(KeyError())


@pytest.mark.parametrize(
    ("requested", "cores", "processes", "environ", "threads", "why"),
    [
        (None, 8, 1, {}, 8, "physical cores"),
        (None, 8, 3, {}, 2, "physical cores"),
        (None, 2, 4, {}, 1, "physical cores"),
        (None, 8, 1, {"OMP_NUM_THREADS": "3"}, 3, "OMP_NUM_THREADS"),
        (None, 8, 1, {"OMP_NUM_THREADS": "4,2"}, 8, "physical cores"),
        (4, 8, 1, {"OMP_NUM_THREADS": "3"}, 4, "as asked"),
        (16, 8, 1, {}, 16, "Only 8 cores"),
    ],
)
def test_threads(
    requested: int | None, cores: int, processes: int, environ: dict[str, str], threads: int, why: str
) -> None:
    choice = choose_threads(requested, cores, processes=processes, environ=environ)
    assert choice.threads == threads and why in choice.why


def fake_root(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


SIBLINGS = {f"sys/devices/system/cpu/cpu{i}/topology/thread_siblings_list": f"{i % 4},{i % 4 + 4}\n" for i in range(8)}


@pytest.mark.parametrize(
    ("affinity", "files", "cores"),
    [
        (range(8), {}, 8),
        (range(8), SIBLINGS, 4),
        ({0, 4, 1}, SIBLINGS, 2),
        (range(8), {**SIBLINGS, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "250000 100000\n"}, 2),
        (range(8), {**SIBLINGS, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, 4),
        (range(8), {"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/cpu.max": "300000 100000\n"}, 3),
        (range(8), {"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "50000 100000\n"}, 1),
        (
            range(8),
            {
                "proc/self/cgroup": "5:cpu,cpuacct:/docker/x\n3:memory:/docker/x\n",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "600000\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            6,
        ),
        (
            range(8),
            {
                "proc/self/cgroup": "5:cpu,cpuacct:/x\n",
                "sys/fs/cgroup/cpu/x/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/x/cpu.cfs_period_us": "100000\n",
            },
            8,
        ),
    ],
)
def test_cores_are_physical_and_within_affinity_and_quota(
    affinity: Any, files: dict[str, str], cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(affinity), raising=False)
    assert usable_cores(fake_root(tmp_path, files)) == cores


def test_memory_respects_a_container_s_limit(tmp_path: Path) -> None:
    whole = usable_memory(tmp_path)
    assert whole > GB // 4
    limit = {"proc/self/cgroup": "0::/job\n", "sys/fs/cgroup/job/memory.max": "268435456\n"}
    assert usable_memory(fake_root(tmp_path / "v2", limit)) == 268435456
    unlimited = {"proc/self/cgroup": "0::/job\n", "sys/fs/cgroup/job/memory.max": "max\n"}
    assert usable_memory(fake_root(tmp_path / "free", unlimited)) == whole
    v1 = {"proc/self/cgroup": "3:memory:/job\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "268435456\n"}
    assert usable_memory(fake_root(tmp_path / "v1", v1)) == 268435456


def test_this_machine_is_read() -> None:
    machine = read_machine()
    assert machine.torch_version == torch.__version__
    assert 1 <= machine.cores <= (os.cpu_count() or 1)
    assert machine.cpu_name and machine.memory > GB // 4
    device = choose_device("auto", machine).device
    assert torch.ones(2, device=device.torch_device).sum() == 2


@pytest.fixture
def deterministic_afterwards() -> Any:
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    yield
    torch.set_deterministic_debug_mode(0 if not before[0] else 1 if before[1] else 2)


@pytest.mark.usefixtures("deterministic_afterwards")
def test_determinism_is_set_up_and_its_limits_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu, cuda, mps = (choose_device("auto", machine).device for machine in (CPU, CUDA, MAC))
    assert set_deterministic(True, cpu, environ={}) == ()
    assert torch.are_deterministic_algorithms_enabled() and torch.is_deterministic_algorithms_warn_only_enabled()
    assert not torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    environ: dict[str, str] = {}
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: False)
    assert set_deterministic(True, cuda, environ=environ) == ()
    assert environ == {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    assert set_deterministic(True, cuda, environ=environ) == ()
    assert "CUBLAS_WORKSPACE_CONFIG" in set_deterministic(True, cuda, environ={})[0]
    assert "mps" in set_deterministic(True, mps, environ={})[0]
    assert set_deterministic(False, mps, environ={}) == ()
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.usefixtures("deterministic_afterwards")
@pytest.mark.parametrize("compiled", [False, True])
def test_only_compiled_code_pays_for_the_compiler_s_import(compiled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(torch, "use_deterministic_algorithms", lambda on, **how: asked.append((on, how)))
    set_deterministic(True, choose_device("cpu", CPU).device, compiled=compiled, environ={})
    assert asked == ([(True, {"warn_only": True})] if compiled else [])


def test_cpu_identity_of_x86_and_arm(tmp_path: Path) -> None:
    x86 = fake_root(
        tmp_path / "x", {"proc/cpuinfo": "processor\t: 0\nmodel name\t: Xeon 8480\nflags\t\t: avx2 amx_bf16\n"}
    )
    assert hardware._cpu_identity(x86) == ("Xeon 8480", frozenset({"avx2", "amx_bf16"}))
    arm = fake_root(tmp_path / "a", {"proc/cpuinfo": "processor\t: 0\nFeatures\t: fp asimd bf16\n"})
    name, flags = hardware._cpu_identity(arm)
    assert name and flags == frozenset({"fp", "asimd", "bf16"})


def test_every_automatic_choice_is_explained() -> None:
    for machine, processes in itertools.product((CPU, AMX, CUDA, MAC), (1, 2)):
        device = choose_device("auto", machine).device
        assert choose_dtype("auto", device).why.endswith(".")
        assert choose_threads(None, machine.cores, processes=processes, environ={}).why.endswith(".")
