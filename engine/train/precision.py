"""The precision of the matrix products, and whether the network is compiled: chosen by device, explained in words.

Weights, gradients and optimiser state stay in fp32 whatever is chosen here.
"""

import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch

from engine.errors import UserError
from engine.estimate.detection import DtypeName
from engine.language import _
from engine.settings.nearest import did_you_mean
from engine.train.hardware import DeviceInfo

TORCH_DTYPES: dict[DtypeName, torch.dtype] = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}
_SPELLINGS: dict[str, DtypeName] = {
    "bf16": "bf16", "bfloat16": "bf16",
    "fp16": "fp16", "float16": "fp16", "half": "fp16",
    "fp32": "fp32", "float32": "fp32", "float": "fp32",
}  # fmt: skip


@dataclass(frozen=True)
class Precision:
    """What matrix products compute in. `why` and `warnings` are sentences for the log."""

    dtype: DtypeName
    why: str
    warnings: tuple[str, ...] = ()

    @property
    def torch_dtype(self) -> torch.dtype:
        """The dtype as torch names it."""
        return TORCH_DTYPES[self.dtype]

    @property
    def autocast(self) -> bool:
        """Whether the forward pass runs under autocast: for everything but fp32."""
        return self.dtype != "fp32"

    @property
    def scaler(self) -> bool:
        """Whether the loss needs scaling: with fp16 alone, whose smallest numbers swallow gradients."""
        return self.dtype == "fp16"


def choose_dtype(requested: str, device: DeviceInfo) -> Precision:
    """The precision that `requested` (`auto`, or a dtype in either spelling) means on `device`.

    `auto` is the fastest that the hardware really has. A dtype asked for by name is taken, with a warning where the
    hardware emulates it. Raises UserError for an unknown name, and for one the device cannot compute in at all.
    """
    name = requested.strip().lower().removeprefix("torch.")
    if name == "auto":
        return _automatic(device)
    if name not in _SPELLINGS:
        raise UserError(
            _("--dtype {dtype} is not a dtype; use auto, bfloat16, float16 or float32.").format(dtype=requested)
            + did_you_mean(name, ("auto", "bfloat16", "float16", "float32"))
        )
    dtype = _SPELLINGS[name]
    if dtype == "bf16" and device.kind == "mps" and not device.native_bf16:
        raise UserError(
            _("--dtype {dtype}: on mps bfloat16 needs macOS 14 or later, this is {macos}. Use --dtype float32.").format(
                dtype=requested, macos=".".join(map(str, device.macos))
            )
        )
    return Precision(dtype, _("{dtype}, as asked.").format(dtype=dtype), _warnings(dtype, device))


def _automatic(device: DeviceInfo) -> Precision:
    row, name = device.detected, device.name
    if device.capability is not None and row.dtype != "bf16":
        name += f" (compute capability {device.capability[0]}.{device.capability[1]})"
    return Precision(row.dtype, row.why_dtype(name))


def _warnings(dtype: DtypeName, device: DeviceInfo) -> tuple[str, ...]:
    if dtype == "bf16" and not device.native_bf16:
        if device.kind == "cpu":
            return (
                _(
                    "WARNING: bf16 is EMULATED on this cpu, which has neither AMX nor AVX512-BF16: training can be a "
                    "hundred times slower than in fp32. Use --dtype auto unless you mean it."
                ),
            )
        return (
            _("WARNING: bf16 is EMULATED on {device} and slower than fp16 or fp32. Use --dtype auto.").format(
                device=device.name
            ),
        )
    if dtype == "fp16" and device.kind == "cpu":
        return (
            _(
                "WARNING: fp16 on a cpu is usually emulated: training can be a hundred times slower than in fp32. Use "
                "--dtype auto unless you mean it."
            ),
        )
    return ()


def autocast(precision: Precision, device: DeviceInfo) -> AbstractContextManager[None]:
    """The context for forward passes on `device`; its dtype is always named, never a device's default."""
    if not precision.autocast:
        return nullcontext()
    return torch.autocast(device.kind, dtype=precision.torch_dtype)


class CompileChoice(NamedTuple):
    """Whether the network is compiled, and a sentence that says why or why not."""

    on: bool
    why: str


def choose_compile(
    requested: Literal["auto", "on", "off"] | bool,
    device: DeviceInfo,
    *,
    deterministic: bool = False,
    probe: Callable[[DeviceInfo], str | None] | None = None,
) -> CompileChoice:
    """Whether to compile. `probe` really compiles something tiny and says what failed, or None when it worked.

    `auto` compiles on cuda unless `deterministic`: there it pays for its start-up. On cpu the start costs minutes of
    training of a small model and compiled code is not promised to repeat itself, so cpu and mps need `on`.
    """
    if requested is True:
        requested = "on"
    if requested is False or requested == "off":
        return CompileChoice(False, _("Not compiled, as asked."))
    if requested == "auto":
        if device.kind != "cuda":
            return CompileChoice(
                False, _("Not compiled: on {kind} compile is only used when asked for.").format(kind=device.kind)
            )
        if not device.detected.compiles:
            return CompileChoice(
                False, _("Not compiled: torch's compiler needs a GPU of compute capability 7.0 or later.")
            )
        if deterministic:
            return CompileChoice(False, _("Not compiled: compiled code is not promised to repeat itself bit for bit."))
    problem = (probe or probe_compile)(device)
    if problem is not None:
        return CompileChoice(False, _("Not compiled: {problem}").format(problem=problem))
    if deterministic:
        return CompileChoice(
            True, _("Compiled, as asked; compiled code is not promised to repeat itself, so a resume may not be exact.")
        )
    return CompileChoice(True, _("Compiled with torch.compile."))


def probe_compile(device: DeviceInfo) -> str | None:
    """Compile and run a tiny function as training would; None when it worked, else what failed, in a sentence.

    Takes a few seconds, less when torch has the result cached. Never raises.
    """
    compilers = (os.environ.get("CXX") or "g++", "g++", "clang++", "c++")
    if device.kind == "cpu" and not any(map(shutil.which, compilers)):
        return _("there is no C++ compiler (g++ or clang++) on the PATH.")

    def tiny(x: torch.Tensor) -> torch.Tensor:
        return (torch.nn.functional.silu(x) * x).sum(dim=-1)

    try:
        x = torch.linspace(-1.0, 1.0, 64, device=device.torch_device).reshape(4, 16).requires_grad_()
        result = torch.compile(tiny)(x)
        torch.autograd.backward(result.sum())
        close = torch.allclose(result.detach(), tiny(x.detach()), atol=1e-4)
    except Exception as error:  # whatever the compiler's many layers raise
        return explain_compile_failure(error)
    return None if close else _("a compiled test function gave another result than the plain one.")


def explain_compile_failure(error: BaseException) -> str:
    """The first telling line of what the compiler raised, for the sentence that announces the fallback."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = next((line for line in lines if "error:" in line), lines[0] if lines else "")
    return _("the compiler failed ({kind}: {line}).").format(kind=type(error).__name__, line=telling[:300])
