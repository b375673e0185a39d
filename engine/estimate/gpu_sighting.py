"""GPUs that are built into this machine, seen without torch: whether torch can use them is another question."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from engine.estimate.device_probe import nvidia_driver

_NVIDIA, _AMD = "0x10de", "0x1002"
_DISPLAY_CLASS = "0x03"
_SMI_SECONDS = 10.0


@dataclass(frozen=True)
class GpusSeen:
    """What the operating system shows of GPUs.

    `nvidia` and `amd`: how many there are, as far as anything tells. `driver` is the NVIDIA driver's version, None
    without one; `reachable` whether this process has device files (or WSL's bridge) to reach it through. `names` come
    from the driver. `rocm`: AMD's compute driver is there.
    """

    nvidia: int = 0
    amd: int = 0
    driver: str | None = None
    reachable: bool = False
    names: tuple[str, ...] = ()
    rocm: bool = False


def sight_gpus(root: Path = Path("/"), *, smi: str | None = None) -> GpusSeen:
    """Look at the PCI devices, the driver's files and nvidia-smi (`smi`: its path; by default where it is installed).

    Each may be missing in a container, so what any of them shows counts. Never raises.
    """
    vendors = _display_vendors(root)
    files = sorted(path.name for path in _listed(root / "dev") if re.fullmatch(r"nvidia\d+", path.name))
    cards = _listed(root / "proc/driver/nvidia/gpus")
    asked = smi or shutil.which("nvidia-smi") or _under_wsl(root)
    names, version = _ask(asked) if asked else ((), None)
    return GpusSeen(
        nvidia=max(vendors.count(_NVIDIA), len(files), len(cards), len(names)),
        amd=vendors.count(_AMD),
        driver=nvidia_driver(root) or version,
        reachable=bool(files) or (root / "dev/dxg").exists(),
        names=names,
        rocm=(root / "dev/kfd").exists(),
    )


def _display_vendors(root: Path) -> list[str]:
    """The vendor of every display or 3D controller on the PCI bus."""
    return [
        _read(device / "vendor")
        for device in _listed(root / "sys/bus/pci/devices")
        if _read(device / "class").startswith(_DISPLAY_CLASS)
    ]


def _under_wsl(root: Path) -> str | None:
    path = root / "usr/lib/wsl/lib/nvidia-smi"
    return str(path) if os.access(path, os.X_OK) else None


def _ask(smi: str) -> tuple[tuple[str, ...], str | None]:
    """The names of the GPUs and the driver's version, from nvidia-smi; nothing when it fails."""
    try:
        done = subprocess.run(
            [smi, "--query-gpu=name,driver_version", "--format=csv,noheader"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SMI_SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return (), None
    rows = [line.rsplit(",", 1) for line in done.stdout.splitlines() if "," in line] if done.returncode == 0 else []
    return tuple(name.strip() for name, _version in rows), rows[0][1].strip() if rows else None


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
