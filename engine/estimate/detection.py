"""What a device is good for: one table from its kind and abilities to the precision, kernels and compilation `auto`
takes. Training, previews and `minimind doctor` all read it here. No torch.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Literal

from engine.language import _

DeviceKind = Literal["cpu", "cuda", "mps"]
DtypeName = Literal["fp32", "fp16", "bf16"]
Version = tuple[int, int]
Words = Callable[[], str]


@dataclass(frozen=True)
class Detected:
    """One row of the table.

    It holds for devices of `kind` whose compute capability (cuda) or macOS (mps) is `least` or later, and which have
    one of `flags`, where there are some. `native` are the dtypes multiplied in hardware, `dtype` is what `auto` takes,
    and `compiles` whether it compiles. The other fields give words in the current language: `name` of the row,
    `because` of the dtype, and what `matmul` (matrix products) and `attention` run on.
    """

    name: Words
    kind: DeviceKind
    native: tuple[DtypeName, ...]
    dtype: DtypeName
    because: Words
    matmul: Words
    attention: Words
    compiles: bool = False
    least: Version = (0, 0)
    flags: frozenset[str] = field(default=frozenset())

    def why_dtype(self, device: str) -> str:
        """Why `dtype`, a sentence; `device` is the device's name, with its capability where it has one."""
        return self.because().format(device=device)


def _masked() -> str:
    return _("scaled_dot_product_attention with one boolean mask of the documents; torch picks the kernel")


def _piecewise() -> str:
    return _("scaled_dot_product_attention's flash kernel, one call a document: packed rows need no mask")


def _emulated() -> str:
    return _("fp32: this cpu has neither AMX nor AVX512-BF16, so bf16 would be emulated, slowly.")


def _in_hardware() -> str:
    return _("bf16: {device} multiplies it in hardware.")


TABLE: tuple[Detected, ...] = (
    Detected(
        lambda: _("GPU of compute capability 8.0 or later (Ampere, Ada, Hopper, Blackwell)"), "cuda",
        ("fp32", "fp16", "bf16"), "bf16", _in_hardware, lambda: _("tensor cores in bf16"), _masked,
        compiles=True, least=(8, 0),
    ),
    Detected(
        lambda: _("GPU of compute capability 7.0 to 7.5 (Volta, Turing)"), "cuda",
        ("fp32", "fp16"), "fp16", lambda: _("fp16 with loss scaling: {device} has no bf16."),
        lambda: _("tensor cores in fp16"), _masked, compiles=True, least=(7, 0),
    ),
    Detected(
        lambda: _("GPU before compute capability 7.0"), "cuda",
        ("fp32",), "fp32", lambda: _("fp32: {device} has no tensor cores, half precision is no faster on it."),
        lambda: _("plain cores in fp32"), _masked,
    ),
    Detected(
        lambda: _("Apple GPU under macOS 14 or later"), "mps",
        ("fp32", "fp16", "bf16"), "bf16", _in_hardware, lambda: _("Metal in bf16"), _masked, least=(14, 0),
    ),
    Detected(
        lambda: _("Apple GPU under macOS 12.3 to 13"), "mps",
        ("fp32", "fp16"), "fp32", lambda: _("fp32: bf16 on mps needs macOS 14 or later."),
        lambda: _("Metal in fp32"), _masked,
    ),
    Detected(
        lambda: _("cpu with AMX"), "cpu", ("fp32", "bf16"), "bf16", _in_hardware,
        lambda: _("oneDNN on AMX tiles in bf16"), _piecewise, flags=frozenset({"amx_bf16"}),
    ),
    Detected(
        lambda: _("cpu with AVX512-BF16"), "cpu", ("fp32", "bf16"), "bf16", _in_hardware,
        lambda: _("oneDNN on AVX512-BF16"), _piecewise, flags=frozenset({"avx512_bf16"}),
    ),
    Detected(
        lambda: _("cpu with AVX-512"), "cpu", ("fp32",), "fp32", _emulated,
        lambda: _("MKL and oneDNN on AVX-512 in fp32"), _piecewise, flags=frozenset({"avx512f"}),
    ),
    Detected(
        lambda: _("cpu with AVX2"), "cpu", ("fp32",), "fp32", _emulated,
        lambda: _("MKL and oneDNN on AVX2 in fp32"), _piecewise, flags=frozenset({"avx2"}),
    ),
    Detected(
        lambda: _("ARM cpu"), "cpu", ("fp32",), "fp32",
        lambda: _("fp32: bf16 on ARM cpus depends on how torch was built and has not been measured here."),
        lambda: _("NEON in fp32"), _piecewise, flags=frozenset({"asimd", "neon"}),
    ),
    Detected(lambda: _("other cpu"), "cpu", ("fp32",), "fp32", _emulated, lambda: _("plain fp32"), _piecewise),
)  # fmt: skip
"""The first row that holds counts. Measured, or documented by their makers: bf16 without AMX or AVX512-BF16 gave 0.55
GFLOP/s where fp32 gave 100; Triton, torch's compiler on a GPU, needs capability 7.0; on a cpu compiling costs more than
a small model's whole run gains."""


def detect(
    kind: DeviceKind, *, capability: Version | None = None, flags: Collection[str] = (), macos: Version = (0, 0)
) -> Detected:
    """The row of a device: of its compute capability on cuda, its cpu's flags on cpu, its macOS on mps."""
    version = {"cuda": capability or (0, 0), "mps": macos, "cpu": (0, 0)}[kind]
    have = set(flags)
    return next(
        row for row in TABLE if row.kind == kind and version >= row.least and (not row.flags or row.flags & have)
    )
