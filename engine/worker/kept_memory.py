"""Memory that a training frees is kept for its next step, instead of being handed back and asked for again."""

import ctypes
from contextlib import suppress

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's M_... of mallopt
_LARGEST = 1 << 30


def keep_freed_memory() -> bool:
    """Let the C library keep freed blocks of up to a gigabyte; whether it could be told so (glibc alone can).

    Each step on a cpu allocates and frees the same large tensors. By default many of these go back to the system at
    once, which fills every page with zeros when it is asked for again: 9 % of the step of a mixture of four experts,
    whose gradients are large, and next to nothing of the dense one. No more memory is in use than at the step's peak.
    """
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        return bool(mallopt(_MMAP_THRESHOLD, _LARGEST)) and bool(mallopt(_TRIM_THRESHOLD, (1 << 31) - 1))
    return False
