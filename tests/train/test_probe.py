import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.errors import UserError
from engine.estimate import device_probe
from engine.estimate.device_probe import DeviceFacts, nvidia_driver, probe_device, remembered_rate
from engine.train.hardware import Machine, read_machine
from engine.train.matmul_rate import measure_matmul
from engine.worker import probe


@pytest.fixture(scope="module")
def printed() -> Any:
    """What a real probe process prints."""
    done = subprocess.run(
        [sys.executable, "-m", device_probe.PROBE_MODULE], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    return json.loads(line)


def test_the_probe_prints_the_facts_of_this_machine(printed: Any) -> None:
    machine = read_machine()
    facts = DeviceFacts.model_validate(printed)
    assert facts.torch_version == torch.__version__
    assert (facts.cores, facts.machine_memory) == (machine.cores, machine.memory)
    assert facts.name and facts.memory > 0 and facts.dtype in facts.dtypes and facts.dtype_why and facts.threads >= 1
    assert set(facts.matmul_flops) == set(facts.dtypes)
    assert 1e8 < facts.matmul_flops["fp32"] < 1e15


def test_the_facts_of_another_machine_follow_its_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "measure_matmul", lambda _device, dtype: 5.0 if dtype == torch.bfloat16 else 1.0)
    before = torch.get_num_threads()
    machine = Machine(
        "2.13.0+cpu", "Xeon", frozenset({"avx2", "amx_bf16", "fpu"}), cores=1, memory=2**30, driver="580.1"
    )
    facts = probe.gather_facts(machine)
    assert (facts.device, facts.dtype, facts.dtypes) == ("cpu", "bf16", ["fp32", "bf16"])
    assert facts.matmul_flops == {"fp32": 1.0, "bf16": 5.0}
    assert facts.cpu_features == ["avx2", "amx_bf16"] and "without CUDA" in facts.notes[0]
    assert probe.gather_facts(replace(machine, cpu_flags=frozenset())).dtypes == ["fp32"]
    torch.set_num_threads(before)


def test_the_matrix_rate_counts_two_operations_a_product() -> None:
    rate = measure_matmul(torch.device("cpu"), torch.float32, seconds=0.05)
    left = torch.randn(1024, 1024)
    best = float("inf")
    for _ in range(4):
        begin = time.perf_counter()
        left @ left
        best = min(best, time.perf_counter() - begin)
    assert 0.1 < rate / (2 * 1024**3 / best) < 10


class TestCache:
    @pytest.fixture
    def facts(self, printed: Any) -> DeviceFacts:
        return DeviceFacts.model_validate(printed)

    @pytest.fixture
    def probes(self, facts: DeviceFacts, monkeypatch: pytest.MonkeyPatch) -> list[None]:
        calls: list[None] = []

        def run() -> DeviceFacts:
            calls.append(None)
            return facts

        monkeypatch.setattr(device_probe, "_run_probe", run)
        return calls

    def test_asks_once_and_then_reads(self, facts: DeviceFacts, probes: list[None], tmp_path: Path) -> None:
        assert [probe_device(tmp_path / "new") for _ in range(3)] == [facts] * 3
        assert len(probes) == 1
        probe_device(tmp_path / "new", refresh=True)
        assert len(probes) == 2

    @pytest.mark.parametrize(
        "change",
        [
            ("engine.estimate.device_probe.torch_version", lambda: "9.9.9"),
            ("platform.node", lambda: "another-host"),
            ("engine.estimate.device_probe.nvidia_driver", lambda: "999.1"),
            ("engine.estimate.device_probe.current_language", lambda: "zh"),
        ],
    )
    def test_asks_again_when_the_answer_could_differ(
        self, change: tuple[str, Any], probes: list[None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        probe_device(tmp_path)
        monkeypatch.setattr(*change)
        probe_device(tmp_path)
        assert len(probes) == 2

    def test_asks_again_when_other_gpus_are_visible(
        self, probes: list[None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        probe_device(tmp_path)
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
        probe_device(tmp_path)
        assert len(probes) == 2

    @pytest.mark.parametrize("damage", [b"", b"{", b'{"format": 2}', b"\xff\xfe"])
    def test_a_damaged_cache_is_replaced(
        self, damage: bytes, facts: DeviceFacts, probes: list[None], tmp_path: Path
    ) -> None:
        probe_device(tmp_path)
        (file,) = tmp_path.iterdir()
        file.write_bytes(damage)
        assert probe_device(tmp_path) == facts and len(probes) == 2
        assert probe_device(tmp_path) == facts and len(probes) == 2

    def test_a_cache_that_cannot_be_written_is_done_without(
        self, facts: DeviceFacts, probes: list[None], tmp_path: Path
    ) -> None:
        (tmp_path / "file").write_text("in the way")
        assert probe_device(tmp_path / "file" / "cache") == facts


def test_the_caller_needs_no_torch_and_no_particular_folder(tmp_path: Path) -> None:
    (tmp_path / "engine").mkdir()
    (tmp_path / "torch.py").write_text("raise SystemExit('shadowed')")
    script = """
import sys
from pathlib import Path
from engine.estimate.device_probe import probe_device
facts = probe_device(Path(sys.argv[1]))
print(facts.torch_version, "torch" in sys.modules, "numpy" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-P", "-c", script, str(tmp_path / "cache")],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.stdout.split() == [torch.__version__, "False", "False"], done.stderr


@pytest.mark.parametrize(
    ("module", "said"), [("engine.no_such_probe", "No module named"), ("this", "could not be probed")]
)
def test_a_probe_that_fails_says_what_and_how_to_look(
    module: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device_probe, "PROBE_MODULE", module)
    with pytest.raises(UserError, match=said) as caught:
        probe_device(tmp_path)
    assert f"-m {module}" in str(caught.value) and list(tmp_path.iterdir()) == []


def test_a_probe_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_probe, "_PROBE_SECONDS", 0.01)
    with pytest.raises(UserError, match="did not answer"):
        probe_device(tmp_path)


def test_torch_that_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_name: str) -> str:
        raise device_probe.metadata.PackageNotFoundError

    monkeypatch.setattr(device_probe.metadata, "version", missing)
    with pytest.raises(UserError, match="pip install torch"):
        probe_device(tmp_path)


def test_the_driver_s_version_is_read(tmp_path: Path) -> None:
    file = tmp_path / "proc/driver/nvidia/version"
    assert nvidia_driver(tmp_path) is None
    file.parent.mkdir(parents=True)
    file.write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  Sun Jul 27 07:10:45 UTC 2025\n")
    assert nvidia_driver(tmp_path) == "580.65.06"
    file.write_text("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.82.07  Release Build\n")
    assert nvidia_driver(tmp_path) == "580.82.07"


def test_the_best_rate_that_a_probe_measured_here_is_remembered(tmp_path: Path, printed: Any) -> None:
    def probed(name: str, **changes: object) -> None:
        (tmp_path / f"device-{name}.json").write_text(json.dumps(printed | changes), encoding="utf-8")

    threads = printed["threads"]
    assert remembered_rate(tmp_path, "fp32", threads) is None
    probed("disturbed", device="cpu", matmul_flops={"fp32": 2e10})
    probed("quiet", device="cpu", matmul_flops={"fp32": 6e10})
    probed("elsewhere", device="cpu", matmul_flops={"fp32": 9e10}, host="another")
    probed("gpu", device="cuda:0", matmul_flops={"fp32": 9e12})
    (tmp_path / "device-torn.json").write_text("{", encoding="utf-8")
    assert remembered_rate(tmp_path, "fp32", threads) == 6e10
    assert remembered_rate(tmp_path, "bf16", threads) is None and remembered_rate(tmp_path, "fp32", threads + 1) is None
