"""GPUs seen without torch: by the PCI bus, the driver's files and nvidia-smi, each of which may be missing."""

from pathlib import Path

import pytest

from engine.estimate.gpu_sighting import GpusSeen, sight_gpus

VERSION = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build\n"


def machine(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def pci(number: int, vendor: str, kind: str = "0x030000") -> dict[str, str]:
    folder = f"sys/bus/pci/devices/0000:0{number}:00.0"
    return {f"{folder}/vendor": vendor + "\n", f"{folder}/class": kind + "\n"}


DRIVER = {"proc/driver/nvidia/version": VERSION, "dev/nvidia0": "", "dev/nvidiactl": "", "dev/nvidia-uvm": ""}


@pytest.fixture(autouse=True)
def no_smi(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))


def test_a_machine_without_a_gpu(tmp_path: Path) -> None:
    bridges = {**pci(0, "0x8086", "0x060000"), **pci(1, "0x8086"), **pci(2, "0x10de", "0x040300")}  # an audio function
    assert sight_gpus(machine(tmp_path, bridges)) == GpusSeen()
    assert sight_gpus(tmp_path / "nowhere") == GpusSeen()


def test_a_gpu_without_a_driver_is_seen_on_the_bus(tmp_path: Path) -> None:
    seen = sight_gpus(machine(tmp_path, {**pci(1, "0x10de"), **pci(2, "0x10de", "0x030200")}))
    assert (seen.nvidia, seen.driver, seen.reachable) == (2, None, False)


def test_a_driver_and_its_files(tmp_path: Path) -> None:
    seen = sight_gpus(machine(tmp_path, {**DRIVER, "dev/nvidia1": ""}))
    assert (seen.nvidia, seen.driver, seen.reachable) == (2, "580.95.05", True)


def test_a_container_that_was_given_no_gpu(tmp_path: Path) -> None:
    files = {"proc/driver/nvidia/version": VERSION, "proc/driver/nvidia/gpus/0000:01:00.0": "", **pci(1, "0x10de")}
    seen = sight_gpus(machine(tmp_path, files))
    assert (seen.nvidia, seen.driver, seen.reachable) == (1, "580.95.05", False)


def test_amd_and_its_compute_driver(tmp_path: Path) -> None:
    assert sight_gpus(machine(tmp_path / "a", pci(1, "0x1002"))) == GpusSeen(amd=1)
    assert sight_gpus(machine(tmp_path / "b", {**pci(1, "0x1002"), "dev/kfd": ""})) == GpusSeen(amd=1, rocm=True)


def smi(folder: Path, script: str) -> str:
    path = folder / "nvidia-smi"
    path.write_text("#!/bin/sh\n" + script)
    path.chmod(0o755)
    return str(path)


def test_nvidia_smi_tells_names_and_the_driver_also_under_wsl(tmp_path: Path) -> None:
    said = "echo 'NVIDIA GeForce RTX 4090, 581.15'\necho 'NVIDIA A100, PCIe, 581.15'\n"
    seen = sight_gpus(tmp_path / "empty", smi=smi(tmp_path, said))
    assert seen.names == ("NVIDIA GeForce RTX 4090", "NVIDIA A100, PCIe")
    assert (seen.nvidia, seen.driver) == (2, "581.15")
    wsl = tmp_path / "wsl" / "usr/lib/wsl/lib"
    wsl.mkdir(parents=True)
    smi(wsl, said)
    machine(tmp_path / "wsl", {"dev/dxg": ""})
    seen = sight_gpus(tmp_path / "wsl")
    assert (seen.nvidia, seen.reachable) == (2, True)


@pytest.mark.parametrize(
    "script", ["echo 'NVIDIA-SMI has failed because it could not reach the driver'\nexit 9\n", "exit 0\n"]
)
def test_a_failing_nvidia_smi_tells_nothing(tmp_path: Path, script: str) -> None:
    assert sight_gpus(tmp_path / "empty", smi=smi(tmp_path, script)) == GpusSeen()
    assert sight_gpus(tmp_path / "empty", smi=str(tmp_path / "missing")) == GpusSeen()
