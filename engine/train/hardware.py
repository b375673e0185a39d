"""What this process may compute on: the machine's facts, the device chosen from them, threads, determinism.

`read_machine` asks torch and the operating system; everything that decides is a pure function of its answer.
"""

import os
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import torch

from engine.errors import UserError
from engine.estimate.detection import Detected, DeviceKind, detect
from engine.estimate.device_probe import nvidia_driver
from engine.language import _
from engine.settings.nearest import did_you_mean

psutil: Any = import_module("psutil")  # without type stubs of its own

Capability = tuple[int, int]


@dataclass(frozen=True)
class Gpu:
    """One CUDA (or ROCm) device: its name, memory in bytes and compute capability."""

    name: str
    memory: int
    capability: Capability


@dataclass(frozen=True)
class Machine:
    """The facts that decide what a run computes on.

    `cores` are physical ones that this process may use, `memory` is in bytes; both respect a container's limits.
    `accelerator_build` is the CUDA or ROCm version this torch was built for, None for a build without; `driver` is the
    NVIDIA driver's version whether or not torch can use it. `built_for` are the GPU architectures this torch holds code
    for, as it names them (sm_80, compute_90, gfx90a). `macos` is (0, 0) elsewhere.
    """

    torch_version: str
    cpu_name: str
    cpu_flags: frozenset[str]
    cores: int
    memory: int
    accelerator_build: str | None = None
    gpus: tuple[Gpu, ...] = ()
    driver: str | None = None
    built_for: tuple[str, ...] = ()
    mps_built: bool = False
    mps_available: bool = False
    macos: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class DeviceInfo:
    """The device a process trains on. `memory` is bytes; `capability` is CUDA's, None elsewhere."""

    kind: DeviceKind
    name: str
    memory: int
    index: int | None = None
    capability: Capability | None = None
    cpu_flags: frozenset[str] = field(default=frozenset(), repr=False)
    macos: tuple[int, int] = (0, 0)

    @property
    def torch_device(self) -> torch.device:
        """The device as torch names it."""
        return torch.device(self.kind) if self.index is None else torch.device(self.kind, self.index)

    @property
    def native_bf16(self) -> bool:
        """Whether bfloat16 matrix products run in hardware here; where they do not they are emulated, and slow."""
        return "bf16" in self.detected.native

    @property
    def detected(self) -> Detected:
        """What the table of devices says of it."""
        return detect(self.kind, capability=self.capability, flags=self.cpu_flags, macos=self.macos)


class DeviceChoice(NamedTuple):
    """The device chosen, and sentences for the log about what was left unused."""

    device: DeviceInfo
    notes: tuple[str, ...]


def choose_device(requested: str, machine: Machine, *, local_rank: int = 0, processes: int = 1) -> DeviceChoice:
    """The device that `requested` means: `auto`, `cpu`, `mps`, `cuda` or `cuda:N`.

    `auto` is cuda before mps before cpu. Process `local_rank` of `processes` on this machine takes the GPU of its own
    number. Raises UserError when the device asked for is not there: it is never replaced in silence.
    """
    kind, _colon, index_text = requested.strip().lower().partition(":")
    if kind == "auto" and not index_text:
        usable = machine.gpus and not _no_code_for(machine.gpus[0], machine)
        kind = "cuda" if usable else "mps" if machine.mps_available else "cpu"
    if kind == "cuda":
        return _cuda(requested, index_text, machine, local_rank, processes)
    if index_text and index_text != "0":
        raise UserError(_("--device {device}: there is only one {kind}.").format(device=requested, kind=kind))
    if kind == "mps":
        return DeviceChoice(_mps(machine), ())
    if kind == "cpu":
        cpu = DeviceInfo("cpu", machine.cpu_name, machine.memory, cpu_flags=machine.cpu_flags, macos=machine.macos)
        asked = requested.strip().lower() == "cpu"
        left_unused = machine.driver is not None or bool(machine.gpus)
        return DeviceChoice(cpu, (_why_not_cuda(machine),) if left_unused and not asked else ())
    raise UserError(
        _("--device {device} is not a device; use auto, cpu, cuda, cuda:N or mps.").format(device=requested)
        + did_you_mean(kind, ("auto", "cpu", "cuda", "mps"))
    )


def _why_not_cuda(machine: Machine) -> str:
    """Why `auto` did not take the NVIDIA GPU that this machine has a driver for."""
    if machine.gpus:
        return _no_code_for(machine.gpus[0], machine) + " " + _("Training runs on the cpu.")
    if not machine.accelerator_build:
        return _(
            "This machine has an NVIDIA GPU (driver {driver}), but the installed PyTorch {torch} is built without "
            "CUDA, so training runs on the cpu. Install PyTorch with CUDA to use the GPU."
        ).format(driver=machine.driver, torch=machine.torch_version)
    return _(
        "The NVIDIA driver {driver} is there, but PyTorch {torch} finds no GPU it can use, so training runs on the "
        "cpu. Check CUDA_VISIBLE_DEVICES, and whether the driver is recent enough."
    ).format(driver=machine.driver, torch=machine.torch_version)


def _cuda(requested: str, index_text: str, machine: Machine, local_rank: int, processes: int) -> DeviceChoice:
    if not machine.accelerator_build:
        raise UserError(
            _(
                "--device {device}: the installed PyTorch {torch} is built without CUDA. Install a PyTorch with CUDA, "
                "or use --device cpu."
            ).format(device=requested, torch=machine.torch_version)
        )
    if not machine.gpus:
        raise UserError(
            _(
                "--device {device}: PyTorch {torch} finds no GPU. Check that the driver runs and that "
                "CUDA_VISIBLE_DEVICES names one, or use --device cpu."
            ).format(device=requested, torch=machine.torch_version)
        )
    count = len(machine.gpus)
    if index_text and not index_text.isdecimal():
        raise UserError(
            _("--device {device}: after the colon comes a GPU's number, 0 to {last}.").format(
                device=requested, last=count - 1
            )
        )
    index = int(index_text) if index_text else local_rank
    if index >= count:
        raise UserError(
            _("--device {device}: GPU {index} was asked for, and there are {count}, numbered from 0.").format(
                device=requested, index=index, count=count
            )
        )
    notes: tuple[str, ...] = ()
    if count > 1 and processes == 1:
        notes = (_("{count} GPUs are there and one is used: cuda:{index}.").format(count=count, index=index),)
    gpu = machine.gpus[index]
    if problem := _no_code_for(gpu, machine):
        raise UserError(_("--device {device}: {problem}").format(device=requested, problem=problem))
    return DeviceChoice(DeviceInfo("cuda", gpu.name, gpu.memory, index, gpu.capability), notes)


def _no_code_for(gpu: Gpu, machine: Machine) -> str:
    """Why this torch cannot compute on a GPU for want of code for it, in a sentence; empty when it can.

    Code for an architecture (sm_86) runs on later ones of the same generation, an intermediate form (compute_90) on all
    later ones. ROCm's builds name theirs otherwise and are not judged.
    """
    builds = [re.fullmatch(r"(sm|compute)_(\d+)(\d)[a-z]?", name) for name in machine.built_for]
    known = [(found[1], (int(found[2]), int(found[3]))) for found in builds if found]
    if not known:
        return ""
    for kind, version in known:
        same_generation = version[0] == gpu.capability[0]
        if version <= gpu.capability and (kind == "compute" or same_generation):
            return ""
    return _(
        "PyTorch {torch} holds no code for {device} of compute capability {capability}; it was built for {built}. "
        "Install a PyTorch that was: an older one for an old GPU, a newer one for a new one."
    ).format(
        torch=machine.torch_version,
        device=gpu.name,
        capability=".".join(map(str, gpu.capability)),
        built=", ".join(machine.built_for),
    )


def _mps(machine: Machine) -> DeviceInfo:
    if not machine.mps_available:
        why = (
            _("it needs macOS 12.3 or later and an Apple GPU")
            if machine.mps_built
            else _("the installed PyTorch {torch} is built without it").format(torch=machine.torch_version)
        )
        raise UserError(_("--device mps: {why}. Use --device cpu.").format(why=why))
    return DeviceInfo("mps", machine.cpu_name, machine.memory, macos=machine.macos)


def read_machine() -> Machine:
    """Ask torch and the operating system. Initialises no GPU context beyond reading properties."""
    gpus = []
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(index)
            gpus.append(Gpu(properties.name, properties.total_memory, (properties.major, properties.minor)))
    name, flags = _cpu_identity()
    macos = [int(part) for part in platform.mac_ver()[0].split(".") if part.isdecimal()]
    return Machine(
        torch_version=torch.__version__,
        cpu_name=name,
        cpu_flags=flags,
        cores=usable_cores(),
        memory=usable_memory(),
        accelerator_build=torch.version.cuda or getattr(torch.version, "hip", None),
        gpus=tuple(gpus),
        driver=nvidia_driver(),
        built_for=tuple(torch.cuda.get_arch_list()),
        mps_built=torch.backends.mps.is_built(),
        mps_available=torch.backends.mps.is_available(),
        macos=(macos[0], macos[1]) if len(macos) > 1 else (0, 0),
    )


def _cpu_identity(root: Path = Path("/")) -> tuple[str, frozenset[str]]:
    text = _read(root / "proc/cpuinfo")
    entries: dict[str, str] = dict(re.findall(r"^([\w ]+?)\s*: (.*)$", text, flags=re.MULTILINE))
    flags = frozenset((entries.get("flags") or entries.get("Features") or "").split())
    return entries.get("model name") or platform.processor() or platform.machine(), flags


def usable_cores(root: Path = Path("/")) -> int:
    """Physical cores this process may keep busy: by its affinity, without hyper-threads, within a container's quota."""
    if hasattr(os, "sched_getaffinity"):
        cores = len({_siblings(root, cpu) for cpu in os.sched_getaffinity(0)})
    else:
        cores = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    quotas = [float(quota) / float(period) for quota, period in _cpu_quotas(root) if float(quota) > 0.0]
    return max(1, int(min([cores, *quotas])))


def usable_memory(root: Path = Path("/")) -> int:
    """Bytes of memory this process may use: the machine's, or less where a container's limit says so."""
    limits = [_read(folder / name).strip() for folder in _cgroups(root, "memory") for name in _MEMORY_LIMITS]
    total: int = psutil.virtual_memory().total
    return min([total, *(int(limit) for limit in limits if limit.isdecimal())])


_MEMORY_LIMITS = ("memory.max", "memory.limit_in_bytes")


def _siblings(root: Path, cpu: int) -> str:
    """The hyper-threads that share a core with `cpu`, as the kernel writes them; `cpu` itself where it does not say."""
    return _read(root / f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").strip() or str(cpu)


def _cpu_quotas(root: Path) -> list[tuple[str, str]]:
    """(quota, period) of every control group around this process, version 2 and 1; unlimited ones left out."""
    found = []
    for folder in _cgroups(root, "cpu"):
        pairs = [
            tuple(_read(folder / "cpu.max").split()),
            (_read(folder / "cpu.cfs_quota_us").strip(), _read(folder / "cpu.cfs_period_us").strip()),
        ]
        found += [(pair[0], pair[1]) for pair in pairs if len(pair) == 2 and pair[0].isdecimal() and pair[1]]
    return found


def _cgroups(root: Path, controller: str) -> list[Path]:
    """The folders of the control groups around this process, the innermost and all that contain it."""
    folders = []
    for line in _read(root / "proc/self/cgroup").splitlines():
        _number, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        mount = root / "sys/fs/cgroup" / (controller if controllers else "")
        inner = mount / path.lstrip("/")
        folders += [inner, *(parent for parent in inner.parents if parent.is_relative_to(mount))]
    return folders


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


class ThreadChoice(NamedTuple):
    """How many threads the matrix products of a process use, and a sentence that says why."""

    threads: int
    why: str


def choose_threads(
    requested: int | None, cores: int, *, processes: int = 1, environ: Mapping[str, str] = os.environ
) -> ThreadChoice:
    """Threads of one of `processes` processes that share `cores` physical cores.

    None means: OMP_NUM_THREADS where the environment sets it, else an equal share of the cores.
    """
    if requested is not None:
        why = _("{threads} threads, as asked.").format(threads=requested)
        if requested * processes > cores:
            why += " " + _("Only {cores} cores may be used here: more threads than that slow training down.").format(
                cores=cores
            )
        return ThreadChoice(requested, why)
    from_environment = environ.get("OMP_NUM_THREADS", "")
    if from_environment.isdecimal() and int(from_environment) > 0:
        threads = int(from_environment)
        return ThreadChoice(threads, _("{threads} threads, from OMP_NUM_THREADS.").format(threads=threads))
    threads = max(1, cores // processes)
    return ThreadChoice(
        threads, _("{threads} threads: the physical cores this process may use.").format(threads=threads)
    )


def set_deterministic(
    on: bool, device: DeviceInfo, *, compiled: bool = False, environ: dict[str, str] | None = None
) -> tuple[str, ...]:
    """Ask torch for kernels that repeat themselves bit for bit; sentences about what that cannot promise here.

    `compiled` asks the same of the compiler, whose import alone costs two seconds and is spared otherwise.

    Call it before the first work on a GPU. An operation without such a kernel warns and runs on. Memory is not filled
    with NaN, as torch would do by default in this mode: that only helps to find bugs in kernels, at a price.
    """
    variables = os.environ if environ is None else environ
    if compiled:
        torch.use_deterministic_algorithms(on, warn_only=True)
    else:
        torch.set_deterministic_debug_mode("warn" if on else "default")
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    if not on:
        return ()
    if device.kind == "mps":
        return (_("mps has no kernels that are promised to repeat themselves: a resume may not be exact."),)
    if device.kind == "cuda" and "CUBLAS_WORKSPACE_CONFIG" not in variables:
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            return (
                _(
                    "CUBLAS_WORKSPACE_CONFIG was not set before the GPU was first used: a resume may not be exact. Set "
                    "it to :4096:8 in the environment."
                ),
            )
        variables["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    return ()
