"""One table decides dtype, kernels and compilation: a machine after another, with abilities made up (trap 31)."""

import json
from dataclasses import replace
from typing import Any

import pytest
import torch

from engine.errors import UserError
from engine.estimate.detection import TABLE, detect
from engine.estimate.device_probe import DeviceFacts
from engine.estimate.device_use import device_use
from engine.settings.resolve import build_settings
from engine.train.hardware import Gpu, Machine, choose_device
from engine.train.precision import choose_compile, choose_dtype
from engine.worker import probe

GB = 2**30
XEON = frozenset({"fpu", "avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_tile"})
ZEN4 = frozenset({"fpu", "avx2", "avx512f", "avx512_bf16"})
SKYLAKE = frozenset({"fpu", "avx2", "avx512f"})
PLAIN = frozenset({"fpu", "avx2", "fma"})
GRAVITON = frozenset({"fp", "asimd", "bf16", "sve"})
BUILT = ("sm_70", "sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120")


def with_gpu(name: str, capability: tuple[int, int], *, built: tuple[str, ...] = BUILT) -> Machine:
    gpu = Gpu(name, 24 * GB, capability)
    return Machine("2.13.0+cu130", "Some CPU", PLAIN, 8, 64 * GB, "13.0", (gpu,), "580.1", built_for=built)


def mac(version: tuple[int, int]) -> Machine:
    return Machine("2.13.0", "Apple M2", frozenset(), 8, 16 * GB, mps_built=True, mps_available=True, macos=version)


def cpu(flags: frozenset[str]) -> Machine:
    return Machine("2.13.0+cpu", "Some CPU", flags, 8, 64 * GB)


MACHINES: dict[str, tuple[Machine, str, str, bool, bool, str, str]] = {
    #               machine                        kind    dtype   scaler compiles  row             matmul
    "V100": (with_gpu("V100", (7, 0)), "cuda", "fp16", True, True, "7.0 to 7.5", "tensor cores in fp16"),
    "T4": (with_gpu("T4", (7, 5)), "cuda", "fp16", True, True, "7.0 to 7.5", "tensor cores in fp16"),
    "P40": (with_gpu("P40", (6, 1), built=()), "cuda", "fp32", False, False, "before compute", "plain cores"),
    "A100": (with_gpu("A100", (8, 0)), "cuda", "bf16", False, True, "8.0 or later", "tensor cores in bf16"),
    "H100": (with_gpu("H100", (9, 0)), "cuda", "bf16", False, True, "8.0 or later", "tensor cores in bf16"),
    "RTX 3090": (with_gpu("RTX 3090", (8, 6)), "cuda", "bf16", False, True, "8.0 or later", "tensor cores in bf16"),
    "RTX 4090": (with_gpu("RTX 4090", (8, 9)), "cuda", "bf16", False, True, "8.0 or later", "tensor cores in bf16"),
    "macOS 13": (mac((13, 6)), "mps", "fp32", False, False, "12.3 to 13", "Metal in fp32"),
    "macOS 14": (mac((14, 0)), "mps", "bf16", False, False, "14 or later", "Metal in bf16"),
    "macOS 15": (mac((15, 1)), "mps", "bf16", False, False, "14 or later", "Metal in bf16"),
    "AMX": (cpu(XEON), "cpu", "bf16", False, False, "with AMX", "AMX tiles"),
    "AVX512-BF16": (cpu(ZEN4), "cpu", "bf16", False, False, "with AVX512-BF16", "AVX512-BF16"),
    "AVX-512": (cpu(SKYLAKE), "cpu", "fp32", False, False, "with AVX-512", "AVX-512 in fp32"),
    "AVX2": (cpu(PLAIN), "cpu", "fp32", False, False, "with AVX2", "AVX2 in fp32"),
    "ARM": (cpu(GRAVITON), "cpu", "fp32", False, False, "ARM", "NEON"),
    "unknown": (cpu(frozenset()), "cpu", "fp32", False, False, "other cpu", "plain fp32"),
}


@pytest.mark.parametrize("name", MACHINES)
def test_every_machine_gets_what_its_hardware_has(name: str) -> None:
    machine, kind, dtype, scaler, compiles, row, matmul = MACHINES[name]
    device = choose_device("auto", machine).device
    precision = choose_dtype("auto", device)
    compiling = choose_compile("auto", device, probe=lambda _device: None)
    assert (device.kind, precision.dtype, precision.scaler, compiling.on) == (kind, dtype, scaler, compiles)
    assert row in device.detected.name() and matmul in device.detected.matmul()
    assert ("boolean mask" in device.detected.attention()) is (kind != "cpu")
    assert precision.why.startswith(dtype) and precision.why.endswith(".") and precision.warnings == ()
    assert device.native_bf16 is (dtype == "bf16")
    assert not choose_compile("auto", device, deterministic=True, probe=lambda _device: None).on


@pytest.mark.parametrize("name", MACHINES)
def test_the_preview_without_torch_chooses_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    machine, kind, dtype, *_others = MACHINES[name]
    monkeypatch.setattr(probe, "measure_matmul", lambda _device, _dtype: 1.0)
    threads = torch.get_num_threads()
    facts = probe.gather_facts(machine)
    torch.set_num_threads(threads)
    use = device_use(build_settings({}), facts)
    assert (use.kind, use.dtype) == (kind, dtype)
    assert facts.detected and facts.matmul and facts.attention and facts.compile_why
    assert set(facts.matmul_flops) == set(facts.dtypes) == set(choose_device("auto", machine).device.detected.native)
    aside = device_use(build_settings({"device": "cpu"}), facts)
    assert aside.dtype == choose_dtype("auto", choose_device("cpu", machine).device).dtype
    json.loads(facts.model_dump_json())


def test_another_gpu_of_the_machine_is_judged_by_its_own_capability(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "measure_matmul", lambda _device, _dtype: 1.0)
    both = replace(with_gpu("A100", (8, 0)), gpus=(Gpu("A100", 40 * GB, (8, 0)), Gpu("T4", 16 * GB, (7, 5))))
    facts: DeviceFacts = probe.gather_facts(both)
    assert device_use(build_settings({"device": "cuda:1"}), facts).dtype == "fp16"
    assert choose_dtype("auto", choose_device("cuda:1", both).device).dtype == "fp16"
    assert device_use(build_settings({"device": "cuda:1", "dtype": "bf16"}), facts).notes


def test_the_table_is_complete_and_its_rows_can_all_be_reached() -> None:
    reached = [choose_device("auto", machine).device.detected for machine, *_others in MACHINES.values()]
    assert {id(row) for row in reached} == {id(row) for row in TABLE}
    for kind in ("cpu", "cuda", "mps"):
        last = [row for row in TABLE if row.kind == kind][-1]
        assert not last.flags and last.least == (0, 0), "whatever the device, a row holds"
    for row in TABLE:
        assert row.dtype in row.native and "fp32" in row.native
    assert detect("cuda").dtype == "fp32"  # a capability that nobody knows promises nothing


@pytest.mark.parametrize(
    ("capability", "built", "runs"),
    [
        ((8, 6), ("sm_80", "sm_90"), True),  # code for 8.0 runs on 8.6
        ((8, 0), ("sm_86",), False),
        ((9, 0), ("sm_80", "sm_86"), False),
        ((12, 0), ("sm_80", "compute_90"), True),  # the intermediate form is compiled for what is newer
        ((7, 0), ("sm_75", "sm_80", "compute_120"), False),  # a V100 and wheels that left it behind
        ((6, 1), ("sm_60", "sm_70"), True),
        ((9, 0), ("sm_90a",), True),
        ((9, 4), ("gfx90a", "gfx942"), True),  # ROCm
        ((8, 0), (), True),
    ],
)
def test_a_gpu_that_torch_was_not_built_for_is_told_instead_of_failing_later(
    capability: tuple[int, int], built: tuple[str, ...], runs: bool
) -> None:
    machine = with_gpu("Some GPU", capability, built=built)
    choice = choose_device("auto", machine)
    assert choice.device.kind == ("cuda" if runs else "cpu")
    if runs:
        assert choice.notes == () and choose_device("cuda", machine).device.kind == "cuda"
        return
    (note,) = choice.notes
    assert "holds no code for Some GPU" in note and built[0] in note and "on the cpu" in note
    with pytest.raises(UserError, match="holds no code for Some GPU"):
        choose_device("cuda:0", machine)


def test_the_words_are_in_the_language_spoken() -> None:
    from engine.language import set_language

    row: Any = detect("cpu", flags={"avx2"})
    english = row.why_dtype("x")
    set_language("zh")
    try:
        assert row.why_dtype("x") != english
    finally:
        set_language("en")
