"""The examination's findings: each says what is wrong, how bad it is, and the way out."""

import re
import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from engine.errors import UserError
from engine.estimate.device_probe import DeviceFacts, GpuFacts
from engine.estimate.gpu_sighting import GpusSeen
from minimind_tui.core.doctor import device as device_room
from minimind_tui.core.doctor import storage
from minimind_tui.core.doctor.device import examine_device
from minimind_tui.core.doctor.examination import worst
from minimind_tui.core.doctor.findings import Finding, Level, Section
from minimind_tui.core.doctor.limits import examine_limits
from minimind_tui.core.doctor.storage import examine_storage
from minimind_tui.core.doctor.terminal import examine_terminal

GB = 10**9


def facts_of(**changes: Any) -> DeviceFacts:
    values: dict[str, Any] = {
        "torch_version": "2.13.0+cpu",
        "accelerator_build": None,
        "driver": None,
        "host": "here",
        "device": "cpu",
        "name": "Some CPU",
        "memory": 32 * GB,
        "dtypes": ["fp32"],
        "dtype": "fp32",
        "dtype_why": "fp32: it has nothing else.",
        "notes": [],
        "gpus": [],
        "cpu_name": "Some CPU",
        "cpu_features": ["avx2"],
        "cores": 8,
        "machine_memory": 32 * GB,
        "threads": 8,
        "threads_why": "8 threads: all.",
        "matmul_flops": {"fp32": 2.5e11},
        "detected": "cpu with AVX2",
        "matmul": "MKL",
        "attention": "by pieces",
        "compile_why": "Not compiled.",
    }
    return DeviceFacts(**{**values, **changes})


ON_GPU = facts_of(
    torch_version="2.13.0+cu130",
    accelerator_build="13.0",
    driver="580.1",
    device="cuda:0",
    name="RTX 3090",
    gpus=[GpuFacts(name="RTX 3090", memory=24 * GB, capability="8.6")],
    matmul_flops={"bf16": 7e13},
)
RTX = GpusSeen(nvidia=1, driver="580.1", reachable=True, names=("RTX 3090",))


def found(findings: list[Finding], what: str) -> Finding:
    (one,) = [finding for finding in findings if finding.what == what]
    return one


@pytest.fixture(autouse=True)
def torch_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_room, "torch_version", lambda: "2.13.0")


def gpu_finding(facts: DeviceFacts | None, seen: GpusSeen, environ: dict[str, str] | None = None) -> Finding:
    def probe() -> DeviceFacts:
        if facts is None:
            raise UserError("The device could not be probed: libtorch_cpu.so")
        return facts

    return found(examine_device(probe, seen, environ or {})[0], "GPU")


def test_a_gpu_that_is_used_is_named() -> None:
    findings, facts = examine_device(lambda: ON_GPU, RTX, {})
    assert facts is ON_GPU and {finding.level for finding in findings} == {Level.FINE}
    assert "RTX 3090, 24" in found(findings, "GPU").text
    assert found(findings, "PyTorch").text == "2.13.0, built for 13.0"
    assert "bf16 70 TFLOP/s" in found(findings, "matrix products").text


@pytest.mark.parametrize(
    ("facts", "seen", "environ", "said", "way_out"),
    [
        (facts_of(), RTX, {}, r"RTX 3090 is here .*cpu build", "pip uninstall torch"),  # trap 37
        (facts_of(), GpusSeen(nvidia=2), {}, "2 NVIDIA GPU: there is no driver", "--gpus all"),
        (
            ON_GPU.model_copy(update={"device": "cpu", "gpus": []}),
            GpusSeen(nvidia=1, driver="580.1"),
            {},
            "no device file",
            "--gpus all",
        ),
        (
            ON_GPU.model_copy(update={"device": "cpu", "gpus": []}),
            RTX,
            {"CUDA_VISIBLE_DEVICES": ""},
            "is ''",
            "Unset it",
        ),
        (
            ON_GPU.model_copy(update={"device": "cpu", "gpus": []}),
            RTX,
            {},
            "finds no GPU it can use",
            "driver may be too old",
        ),
        (
            ON_GPU.model_copy(update={"device": "cpu", "notes": ["PyTorch holds no code for it."]}),
            RTX,
            {},
            "holds no code",
            "",
        ),
        (None, RTX, {}, "RTX 3090, driver 580.1", ""),
        (facts_of(), GpusSeen(amd=1, rocm=True), {}, "AMD GPU with its compute driver", "ROCm"),
    ],
)
def test_a_gpu_that_is_not_used_is_told_with_the_way_out(
    facts: DeviceFacts | None, seen: GpusSeen, environ: dict[str, str], said: str, way_out: str
) -> None:
    finding = gpu_finding(facts, seen, environ)
    assert finding.level is Level.WARNING and way_out in finding.way_out

    assert re.search(said, finding.text), finding.text


def test_no_gpu_is_no_fault() -> None:
    assert gpu_finding(facts_of(), GpusSeen()).level is Level.NOTE
    assert gpu_finding(facts_of(), GpusSeen(amd=1)).level is Level.NOTE
    mac = facts_of(device="mps", name="Apple M2", matmul_flops={"bf16": 1e12})
    assert gpu_finding(mac, GpusSeen()).text == "Apple M2"


def test_without_a_working_torch_nothing_can_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> DeviceFacts:
        raise UserError("The device could not be probed: libtorch_cpu.so is missing.")

    findings, facts = examine_device(broken, GpusSeen(), {})
    assert facts is None and found(findings, "PyTorch").level is Level.PROBLEM
    assert "libtorch_cpu.so" in found(findings, "PyTorch").text

    def missing() -> str:
        raise UserError("PyTorch is not installed in this environment. Install it: pip install torch")

    monkeypatch.setattr(device_room, "torch_version", missing)
    findings, facts = examine_device(lambda: pytest.fail("nobody is asked"), RTX, {})
    assert facts is None and "pip install torch" in found(findings, "PyTorch").text
    assert worst([Section("device", "", tuple(findings))]) is Level.PROBLEM


def test_a_compiler_is_missed_only_where_it_would_be_used(tmp_path: Path) -> None:
    findings, _facts = examine_device(facts_of, GpusSeen(), {"PATH": str(tmp_path)})
    assert found(findings, "compilation").level is Level.NOTE
    findings, _facts = examine_device(lambda: ON_GPU, RTX, {"PATH": str(tmp_path)})
    assert found(findings, "compilation").level is Level.FINE


@pytest.mark.parametrize(
    ("free", "level", "said"),
    [
        (100 * 10**6, Level.PROBLEM, "are needed"),
        (GB, Level.WARNING, "takes up to"),
        (500 * GB, Level.FINE, "500 GB free"),
    ],
)
def test_room_for_a_run(free: int, level: Level, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "free_bytes", lambda _folder: free)
    finding = found(examine_storage(tmp_path / "not" / "there", tmp_path, tmp_path), "runs")
    assert finding.level is level and said in finding.text
    assert ("MINIMIND_RUNS" in finding.way_out) is (level is not Level.FINE)
    assert not (tmp_path / "not").exists(), "an examination makes nothing"


def test_a_folder_that_cannot_be_written_stops_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_text("")
    findings = examine_storage(file / "runs", tmp_path, file)
    assert found(findings, "runs").level is Level.PROBLEM and "cannot be written" in found(findings, "runs").text
    assert found(findings, "preferences").level is Level.WARNING
    monkeypatch.setattr(storage.os, "access", lambda _path, _mode: False)  # root may write everywhere
    assert found(examine_storage(tmp_path, tmp_path, tmp_path), "cache").level is Level.PROBLEM


def limits(**given: tuple[int, int]) -> Callable[[int], tuple[int, int]]:
    by_number = {getattr(resource, name): pair for name, pair in given.items()}
    return lambda number: by_number.get(number, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@pytest.mark.parametrize(
    ("soft", "level"), [(32, Level.PROBLEM), (128, Level.WARNING), (1024, Level.FINE), (-1, Level.FINE)]
)
def test_open_files(soft: int, level: Level, tmp_path: Path) -> None:
    finding = found(examine_limits(None, limit=limits(RLIMIT_NOFILE=(soft, 4096)), root=tmp_path), "open files")
    assert finding.level is level and (level is Level.FINE or finding.way_out == "ulimit -n 1024")


@pytest.mark.parametrize(
    ("total", "available", "level"), [(64, 0.5, Level.PROBLEM), (64, 3, Level.WARNING), (64, 60, Level.FINE)]
)
def test_memory_that_is_free(
    total: int, available: float, level: Level, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Memory:
        def __init__(self) -> None:
            self.total, self.available = total * GB, int(available * GB)

    monkeypatch.setattr(psutil, "virtual_memory", Memory)
    facts = facts_of(machine_memory=total * GB)
    assert found(examine_limits(facts, limit=limits(), root=tmp_path), "memory").level is level
    contained = found(examine_limits(facts_of(machine_memory=8 * GB), limit=limits(), root=tmp_path), "memory")
    assert "a container's limit; the machine has 64" in contained.text


def test_addresses_and_shared_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    findings = examine_limits(None, limit=limits(RLIMIT_AS=(4 * GB, 4 * GB)), root=tmp_path)
    assert found(findings, "addresses").level is Level.WARNING
    assert not [one for one in findings if one.what == "shared memory"], "there is no /dev/shm here"

    class Small:
        f_frsize, f_blocks = 4096, 16384  # what a container gets by default

    monkeypatch.setattr("os.statvfs", lambda _path: Small())
    one = found(examine_limits(ON_GPU, limit=limits(), root=tmp_path), "shared memory")
    several = ON_GPU.model_copy(update={"gpus": ON_GPU.gpus * 2})
    assert one.level is Level.NOTE and "--shm-size" in one.way_out
    assert found(examine_limits(several, limit=limits(), root=tmp_path), "shared memory").level is Level.WARNING


class Screen:
    """A terminal."""

    def __init__(self, encoding: str = "utf-8", *, terminal: bool = True) -> None:
        self.encoding = encoding
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


XTERM = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "TERM_PROGRAM": "iTerm.app", "TMUX": "x"}


def test_a_good_terminal_shows_a_sample_for_the_eye() -> None:
    findings = examine_terminal(Screen(), XTERM, (120, 40))
    assert {one.what: one.level for one in findings if one.what != "font"} == dict.fromkeys(
        ("terminal", "size", "colours", "encoding"), Level.FINE
    )
    assert found(findings, "terminal").text == "iTerm.app (xterm-256color), through tmux"
    font = found(findings, "font")
    assert font.level is Level.NOTE and all(sign in font.text for sign in "⠔▁█━●中") and "Preferences" in font.way_out


@pytest.mark.parametrize(
    ("screen", "environ", "size", "what", "level"),
    [
        (Screen(), {"TERM": "dumb"}, (80, 24), "terminal", Level.WARNING),
        (Screen(), {}, (80, 24), "terminal", Level.WARNING),
        (Screen(), XTERM, (79, 24), "size", Level.WARNING),
        (Screen(), XTERM, (80, 23), "size", Level.WARNING),
        (Screen(), XTERM, (80, 24), "size", Level.FINE),
        (Screen("latin-1"), XTERM, (80, 24), "encoding", Level.WARNING),
        (Screen("ascii"), XTERM, (80, 24), "encoding", Level.WARNING),
        (Screen("gbk"), XTERM, (80, 24), "encoding", Level.WARNING),
        (Screen(), {"TERM": "linux"}, (80, 25), "font", Level.WARNING),
        (Screen(), {"TERM": "screen"}, (80, 24), "colours", Level.NOTE),
        (Screen(), {**XTERM, "NO_COLOR": "1"}, (80, 24), "colours", Level.NOTE),
        (Screen(terminal=False), XTERM, None, "terminal", Level.NOTE),
    ],
)
def test_what_a_terminal_lacks(
    screen: Screen, environ: dict[str, str], size: tuple[int, int] | None, what: str, level: Level
) -> None:
    finding = found(examine_terminal(screen, environ, size), what)
    assert finding.level is level and (finding.way_out or level is not Level.WARNING)


def test_the_worst_finding_decides() -> None:
    def of(*levels: Level) -> Level:
        return worst([Section("a", "A", tuple(Finding("x", level, "") for level in levels))])

    assert of(Level.FINE, Level.NOTE) is Level.NOTE and of(Level.WARNING, Level.FINE) is Level.WARNING
    assert of(Level.PROBLEM, Level.WARNING) is Level.PROBLEM and worst([]) is Level.FINE


def test_the_compilers_are_looked_for_on_the_path_given(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(shutil, "which", lambda name, path=None: asked.append((name, path)))
    examine_device(facts_of, GpusSeen(), {"PATH": "/somewhere", "CXX": "icpx"})
    assert ("icpx", "/somewhere") in asked
