"""The device and precision that settings mean on a machine whose facts are known, chosen as training will. No torch."""

from dataclasses import dataclass

from engine.estimate.detection import DeviceKind, DtypeName, Version, detect
from engine.estimate.device_probe import DeviceFacts
from engine.language import _
from engine.settings.settings import Settings


@dataclass(frozen=True, slots=True)
class DeviceUse:
    """What a run would compute on, and how.

    `memory` is in bytes; `threads` is 0 off the cpu, where they do not matter. `matmul_flops` is the measured rate of
    large matrix products in `dtype`, None where it was not measured. `problem` says why the run would not start;
    `notes` are what a person should know.
    """

    kind: DeviceKind
    name: str
    memory: int
    dtype: DtypeName
    threads: int
    matmul_flops: float | None
    problem: str = ""
    notes: tuple[str, ...] = ()


def device_use(settings: Settings, facts: DeviceFacts) -> DeviceUse:
    """What `settings` would compute on here.

    A device that is not there is a `problem`; all else then describes the one that `auto` takes.
    """
    usual_kind = _kind(facts.device)
    asked, _colon, index_text = settings.device.partition(":")
    kind = usual_kind if asked == "auto" else _kind(asked)
    problem, name, memory = "", facts.name, facts.memory
    if kind == "cuda":
        index = int(index_text or _index(facts.device) or 0)
        if index < len(facts.gpus) and not index_text and _local(settings) > len(facts.gpus):
            problem = _("nproc = {nproc}, but this machine has {gpus} GPUs: a process needs one of its own.").format(
                nproc=_local(settings), gpus=len(facts.gpus)
            )
        elif index < len(facts.gpus):
            name, memory = facts.gpus[index].name, facts.gpus[index].memory
        else:
            problem = _absent(settings.device, facts)
    elif kind == "mps" and usual_kind != "mps":
        problem = _absent(settings.device, facts)
    elif kind == "cpu" and usual_kind != "cpu":
        name, memory = facts.cpu_name, facts.machine_memory
    if problem:
        kind = usual_kind
    same = kind == usual_kind and (kind != "cuda" or name == facts.name)
    dtype, notes = _dtype(settings, kind, name, facts, same=same)
    threads = _threads(settings, facts) if kind == "cpu" else 0
    if threads > facts.cores:
        notes.append(
            _("num_threads is {threads}, but only {cores} cores may be used here: that slows training down.").format(
                threads=threads, cores=facts.cores
            )
        )
    if kind == "cuda" and not settings.device.partition(":")[2] and len(facts.gpus) > _local(settings):
        notes.append(
            _("{gpus} GPUs are there and {nproc} of them used: --nproc auto takes all.").format(
                gpus=len(facts.gpus), nproc=_local(settings)
            )
        )
    rate = facts.matmul_flops.get(dtype) if same else None
    return DeviceUse(kind, name, memory, dtype, threads, rate, problem, tuple(notes))


def compiles(settings: Settings, kind: DeviceKind) -> bool:
    """Whether the network is to be compiled there; whether that then works, only trying tells."""
    if settings.compile == "auto":
        return kind == "cuda" and settings.deterministic is not True
    return settings.compile


def repeats(settings: Settings, kind: DeviceKind) -> bool:
    """Whether only kernels that repeat themselves are used there."""
    return kind == "cpu" if settings.deterministic == "auto" else settings.deterministic


def _kind(device: str) -> DeviceKind:
    return "cuda" if device.startswith("cuda") else "mps" if device.startswith("mps") else "cpu"


def _index(device: str) -> str:
    return device.partition(":")[2]


def _threads(settings: Settings, facts: DeviceFacts) -> int:
    if settings.num_threads != "auto":
        return settings.num_threads
    return facts.threads if _local(settings) == 1 else max(1, facts.cores // _local(settings))


def _local(settings: Settings) -> int:
    """Processes on this machine."""
    return 1 if settings.nproc == "auto" else settings.nproc


def _dtype(
    settings: Settings, kind: DeviceKind, name: str, facts: DeviceFacts, *, same: bool
) -> tuple[DtypeName, list[str]]:
    row = detect(kind, capability=_capability(name, facts), flags=facts.cpu_features, macos=(14, 0))
    native = set(facts.dtypes) if same else set(row.native)
    if settings.dtype == "auto":
        return (_name(facts.dtype) if same else row.dtype), []
    if settings.dtype in native:
        return settings.dtype, []
    note = _("{dtype} is emulated on this {device}: training can be a hundred times slower than in {usual}.")
    return settings.dtype, [
        note.format(dtype=settings.dtype, device=kind, usual=_name(facts.dtype) if same else "fp32")
    ]


def _capability(name: str, facts: DeviceFacts) -> Version | None:
    """The compute capability of the GPU of that name."""
    text = next((gpu.capability for gpu in facts.gpus if gpu.name == name), "")
    major, _dot, minor = text.partition(".")
    return (int(major), int(minor)) if major.isdecimal() and minor.isdecimal() else None


def _name(dtype: str) -> DtypeName:
    return "bf16" if dtype == "bf16" else "fp16" if dtype == "fp16" else "fp32"


def _absent(asked: str, facts: DeviceFacts) -> str:
    there = ", ".join(["cpu", *(f"cuda:{index}" for index in range(len(facts.gpus)))])
    if _kind(facts.device) == "mps":
        there += ", mps"
    return _("device = {device} is not there; this machine has: {there}.").format(device=asked, there=there)
