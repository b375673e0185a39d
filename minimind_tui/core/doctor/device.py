"""The device a run would take and why, and whether the torch that is installed fits the GPU that is there."""

import os
import shutil
from collections.abc import Callable, Mapping

from engine.errors import UserError
from engine.estimate.device_probe import DeviceFacts, torch_version
from engine.estimate.gpu_sighting import GpusSeen
from engine.language import _
from minimind_tui import words
from minimind_tui.core.doctor.findings import Finding, fine, note, problem, warning

_COMPILERS = ("g++", "clang++", "c++")


def examine_device(
    probe: Callable[[], DeviceFacts], seen: GpusSeen, environ: Mapping[str, str] = os.environ
) -> tuple[list[Finding], DeviceFacts | None]:
    """What torch finds (`probe` asks a process of its own), against what the operating system shows."""
    try:
        version = torch_version()
    except UserError as error:
        return [problem("PyTorch", str(error)), *_gpus(None, seen, environ)], None
    try:
        facts = probe()
    except UserError as error:
        told = problem(
            "PyTorch", str(error), _("Install PyTorch anew; its import has to work: python -c 'import torch'.")
        )
        return [told, *_gpus(None, seen, environ)], None
    build = (
        _("built for {build}").format(build=facts.accelerator_build) if facts.accelerator_build else _("a cpu build")
    )
    found = [fine("PyTorch", f"{version}, {build}"), *_gpus(facts, seen, environ)]
    size = words.size(facts.memory)
    found += [
        fine(_("device"), f"{facts.name} ({facts.device}), {size}: {facts.detected}"),
        fine(_("precision"), facts.dtype_why),
        fine(_("matrix products"), f"{facts.matmul}; {_rates(facts)}"),
        fine(_("attention"), facts.attention),
        _compilation(facts, environ),
    ]
    if facts.device == "cpu":
        found.append(fine(_("threads"), facts.threads_why))
    return found, facts


def _rates(facts: DeviceFacts) -> str:
    rates = [f"{dtype} {_flops(rate)}" for dtype, rate in facts.matmul_flops.items()]
    return _("measured: {rates}").format(rates=", ".join(rates))


def _flops(rate: float) -> str:
    return f"{rate / 1e12:.3g} TFLOP/s" if rate >= 1e12 else f"{rate / 1e9:.3g} GFLOP/s"


def _compilation(facts: DeviceFacts, environ: Mapping[str, str]) -> Finding:
    compilers = (environ.get("CXX") or "g++", *_COMPILERS)
    if facts.device == "cpu" and not any(shutil.which(name, path=environ.get("PATH")) for name in compilers):
        return note(
            _("compilation"),
            facts.compile_why + " " + _("Asked for, it would not work either: there is no C++ compiler."),
            _("Only --compile on needs one: install g++ or clang++."),
        )
    return fine(_("compilation"), facts.compile_why)


def _gpus(facts: DeviceFacts | None, seen: GpusSeen, environ: Mapping[str, str]) -> list[Finding]:
    """What is there but not used, and the first reason on the way to it."""
    what = "GPU"
    uses_gpu = facts is not None and facts.device != "cpu"
    if seen.nvidia and not (uses_gpu and facts is not None and facts.device.startswith("cuda")):
        return [_nvidia_unused(what, facts, seen, environ)]
    if seen.amd and not uses_gpu:
        return [_amd_unused(what, facts, seen)]
    if facts is not None and uses_gpu:
        return [fine(what, "; ".join(f"{gpu.name}, {words.size(gpu.memory)}" for gpu in facts.gpus) or facts.name)]
    return [note(what, _("None that PyTorch could train on was found: runs use the cpu."))]


def _nvidia_unused(what: str, facts: DeviceFacts | None, seen: GpusSeen, environ: Mapping[str, str]) -> Finding:
    there = ", ".join(seen.names) or _("{n} NVIDIA GPU").format(n=seen.nvidia)
    if seen.driver is None:
        return warning(
            what,
            _("{there}: there is no driver for it, so nothing can use it.").format(there=there),
            _("Install NVIDIA's driver. In a container, start it with its GPUs (--gpus all) on a host that has one."),
        )
    if facts is None:
        return warning(what, _("{there}, driver {driver}.").format(there=there, driver=seen.driver))
    if not facts.accelerator_build:
        return warning(
            what,
            _(
                "{there} is here (driver {driver}), but the installed PyTorch {torch} is a cpu build: it cannot use a "
                "GPU, and runs train on the cpu, many times slower."
            ).format(there=there, driver=seen.driver, torch=facts.torch_version),
            _(
                "Remove it (pip uninstall torch) and install the CUDA build that PyTorch's own installation page names "
                "for this system. A cpu build's version ends in +cpu, a CUDA build's in +cu and a number."
            ),
        )
    if not seen.reachable:
        return warning(
            what,
            _("{there}: this process has no device file to reach it through (/dev/nvidia0).").format(there=there),
            _("In a container, start it with its GPUs (--gpus all); on a cluster, ask for a node with a GPU."),
        )
    visible = environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and not facts.gpus:
        return warning(
            what,
            _("{there}: CUDA_VISIBLE_DEVICES is '{visible}', which shows PyTorch none.").format(
                there=there, visible=visible
            ),
            _("Unset it, or set it to a GPU's number, such as 0."),
        )
    if facts.gpus:
        return warning(what, " ".join(facts.notes) or _("{there} is not used.").format(there=there))
    return warning(
        what,
        _("{there}, driver {driver}: PyTorch {torch}, built for CUDA {build}, finds no GPU it can use.").format(
            there=there, driver=seen.driver, torch=facts.torch_version, build=facts.accelerator_build
        ),
        _("The driver may be too old for that CUDA: renew it, or install a PyTorch built for an earlier one."),
    )


def _amd_unused(what: str, facts: DeviceFacts | None, seen: GpusSeen) -> Finding:
    if facts is not None and not facts.accelerator_build and seen.rocm:
        return warning(
            what,
            _("An AMD GPU with its compute driver is here, but the installed PyTorch is a cpu build."),
            _("Where ROCm supports the GPU, install PyTorch's build for ROCm."),
        )
    return note(what, _("An AMD GPU is here and not used: PyTorch trains on one only with ROCm."))
