"""Memory that ran out, told apart from all other errors, and what can be given back of it."""

import gc

import torch

from engine.errors import UserError
from engine.language import _

_SAID_BY_RUNTIME_ERRORS = (
    "out of memory",  # "MPS backend out of memory ...", "CUDA error: out of memory", HIP's
    "can't allocate memory",  # DefaultCPUAllocator
    "cannot allocate memory",  # the same, by the operating system's words
    "not enough memory",
    "alloc_failed",  # CUBLAS_STATUS_ALLOC_FAILED, CUDNN_STATUS_ALLOC_FAILED
)


class MemoryTooSmallError(UserError):
    """Memory ran out, and nothing smaller can be tried. The state is that between two updates."""


class OptimizerOutOfMemoryError(UserError):
    """Memory ran out amid a step: some weights may be changed and others not, so nothing may be saved any more."""

    def __init__(self) -> None:
        super().__init__(
            _(
                "Memory ran out in the optimizer's step, where fewer rows at a time would not help: the network and "
                "its optimizer are too large for it. The checkpoints are untouched. Free the memory that other "
                "programs hold, use a device with more of it, or a smaller network."
            )
        )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error`, or what it was raised from, says that memory ran out, on any device.

    torch raises OutOfMemoryError on cuda alone; its allocator on a cpu, mps and the libraries under it raise
    RuntimeErrors that only their words tell apart. What was put into words for a person already is none any more.
    """
    if isinstance(error, UserError):
        return False
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, (MemoryError, torch.OutOfMemoryError)):
            return True
        if isinstance(seen, RuntimeError) and any(words in str(seen).lower() for words in _SAID_BY_RUNTIME_ERRORS):
            return True
        seen = seen.__cause__
    return False


def free_memory(device: torch.device) -> None:
    """Give back what nothing refers to any more. Call it outside of the `except`: a traceback keeps tensors alive."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
