"""The rate of large matrix products, measured: an upper bound for what training can reach on a device."""

import time

import torch

MEASURE_SECONDS = 0.3


def measure_matmul(device: torch.device, dtype: torch.dtype, seconds: float = MEASURE_SECONDS) -> float:
    """The best rate, in FLOP/s, of square matrix products repeated for about `seconds`."""
    size = 1024 if device.type == "cpu" else 4096
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    result = torch.empty_like(left)
    repeats = 1 if device.type == "cpu" else 10
    best = float("inf")
    torch.mm(left, right, out=result)
    _synchronize(device)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        begin = time.perf_counter()
        for _ in range(repeats):
            torch.mm(left, right, out=result)
        _synchronize(device)
        best = min(best, (time.perf_counter() - begin) / repeats)
    return 2.0 * size**3 / best


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
