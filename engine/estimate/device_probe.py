"""What the device can do, for the rooms without torch: asked of a probe process once, then read from a cache."""

import hashlib
import os
import platform
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from engine.errors import UserError
from engine.language import _, current_language
from engine.run.atomic import write_atomic
from engine.small_file import read_small

PROBE_MODULE = "engine.worker.probe"
_PROBE_SECONDS = 180.0
_FORMAT: Literal[1] = 1


class GpuFacts(BaseModel):
    """One GPU: its name, memory in bytes, CUDA compute capability as `8.6`."""

    model_config = ConfigDict(frozen=True)

    name: str
    memory: int
    capability: str


class DeviceFacts(BaseModel):
    """What a run would find on this machine with `device = auto` and `dtype = auto`. Memory is in bytes.

    `dtypes` are those the device multiplies in hardware, `dtype` the one `auto` takes. `matmul_flops` is the measured
    rate of a large matrix product in FLOP/s by dtype, an upper bound for training. `notes` are sentences on what is
    left unused, `cores` the physical ones this process may use. `detected` names the row of the device's table
    (engine.estimate.detection), `matmul` and `attention` are what it computes them with, `compile_why` whether `auto`
    compiles and why (whether the compiler then works, a run tries when it starts).
    """

    model_config = ConfigDict(frozen=True)

    format: Literal[1] = _FORMAT
    torch_version: str
    accelerator_build: str | None
    driver: str | None
    host: str
    device: str
    name: str
    memory: int
    dtypes: list[str]
    dtype: str
    dtype_why: str
    notes: list[str]
    gpus: list[GpuFacts]
    cpu_name: str
    cpu_features: list[str]
    cores: int
    machine_memory: int
    threads: int
    threads_why: str
    matmul_flops: dict[str, float]
    detected: str = ""
    matmul: str = ""
    attention: str = ""
    compile_why: str = ""


def probe_device(cache_dir: Path, refresh: bool = False) -> DeviceFacts:
    """The facts of this machine's device, from `cache_dir` or, when new or with `refresh`, from a probe process.

    The cache is keyed by what would change the answer: torch's version, the host, its processors and the NVIDIA driver,
    the GPUs and cores made visible, and the language of its sentences. A probe takes some seconds, a cached answer
    milliseconds. Raises UserError when torch is missing or cannot start; a cache that cannot be read or written is done
    without.
    """
    path = cache_dir / f"device-{_key()}.json"
    if not refresh:
        try:
            return DeviceFacts.model_validate_json(read_small(path))
        except (OSError, ValidationError):
            pass
    facts = _run_probe()
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        write_atomic(path, facts.model_dump_json(indent=1).encode(), durable=False)
    except OSError:
        pass  # a full or read-only disk only costs the next caller its seconds
    return facts


def remembered_rate(cache_dir: Path, dtype: str, threads: int) -> float | None:
    """The best rate in FLOP/s of matrix products of `dtype` on so many threads that a probe of this machine measured
    with this torch; None where none did. Starts no probe."""
    rates = []
    for path in cache_dir.glob("device-*.json"):
        try:
            facts = DeviceFacts.model_validate_json(read_small(path))
        except (OSError, ValidationError):
            continue
        here = (facts.host, facts.torch_version, facts.threads) == (platform.node(), torch_version(), threads)
        if here and facts.device == "cpu" and dtype in facts.matmul_flops:
            rates.append(facts.matmul_flops[dtype])
    return max(rates, default=None)


def torch_version() -> str:
    """The installed torch's version, without importing it. Raises UserError when there is none."""
    try:
        return metadata.version("torch")
    except metadata.PackageNotFoundError:
        raise UserError(_("PyTorch is not installed in this environment. Install it: pip install torch")) from None


def nvidia_driver(root: Path = Path("/")) -> str | None:
    """The NVIDIA kernel driver's version, None where there is none."""
    try:
        text = (root / "proc/driver/nvidia/version").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    found = re.search(r"Kernel Module.*?(\d+(?:\.\d+)+)", text)
    return found.group(1) if found else None


def _key() -> str:
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    visible = [os.environ.get(name) for name in ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "OMP_NUM_THREADS")]
    machine = (platform.node(), platform.machine(), nvidia_driver(), cores)
    parts = (_FORMAT, torch_version(), current_language(), machine, visible)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _run_probe() -> DeviceFacts:
    """Ask a process of its own; with -P the folder it starts in cannot shadow a package."""
    root = str(Path(__file__).resolve().parents[2])
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH")))),
        "MINIMIND_LANG": current_language(),
    }
    command = [sys.executable, "-P", "-m", PROBE_MODULE]
    try:
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PROBE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise UserError(
            _("The probe of the device did not answer within {seconds:.0f} s. See what it does: {command}").format(
                seconds=_PROBE_SECONDS, command=" ".join(command)
            )
        ) from None
    lines = done.stdout.splitlines()
    if done.returncode == 0 and lines:
        try:
            return DeviceFacts.model_validate_json(lines[-1])
        except ValidationError as error:
            problem = str(error).splitlines()[0]
    else:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        problem = said[-1] if said else f"exit code {done.returncode}"
    raise UserError(
        _("The device could not be probed: {problem}. See all of it: {command}").format(
            problem=problem, command=" ".join(command)
        )
    )
