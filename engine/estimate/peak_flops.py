"""What devices can compute at most, from their makers' data sheets."""

import re
from typing import Literal

Dtype = Literal["fp32", "tf32", "fp16", "bf16"]

TERA = 1e12

# TFLOP/s of dense matrix products: fp32, tf32, fp16 and bf16 with fp32 accumulation; None where the hardware has none.
# NVIDIA's data sheets and architecture white papers; figures "with sparsity" are halved.
_PEAKS: dict[str, tuple[float, float | None, float | None, float | None]] = {
    "V100 SXM2": (15.7, None, 125.0, None),
    "V100 PCIE": (14.0, None, 112.0, None),
    "T4": (8.1, None, 65.0, None),
    "A100": (19.5, 156.0, 312.0, 312.0),
    "A10": (31.2, 62.5, 125.0, 125.0),
    "A40": (37.4, 74.8, 149.7, 149.7),
    "RTX A6000": (38.7, 77.4, 154.8, 154.8),
    "L4": (30.3, 60.0, 121.0, 121.0),
    "L40S": (91.6, 183.0, 362.0, 362.0),
    "H100 PCIE": (51.2, 378.0, 756.0, 756.0),
    "H100 NVL": (60.0, 417.5, 835.5, 835.5),
    "H100": (66.9, 494.7, 989.4, 989.4),
    "H200": (66.9, 494.7, 989.4, 989.4),
    "RTX 3060": (12.7, 12.7, 25.4, 25.4),
    "RTX 3080": (29.8, 29.8, 59.5, 59.5),
    "RTX 3090": (35.6, 35.6, 71.2, 71.2),
    "RTX 3090 TI": (40.0, 40.0, 80.0, 80.0),
    "RTX 4080": (48.7, 48.7, 97.5, 97.5),
    "RTX 4090": (82.6, 82.6, 165.2, 165.2),
    "RTX 5090": (104.8, 104.8, 209.5, 209.5),
}
_COLUMNS: tuple[Dtype, ...] = ("fp32", "tf32", "fp16", "bf16")
_BRANDS = re.compile(r"\b(NVIDIA|GEFORCE|TESLA)\b")
_MEMORY = re.compile(r"\b(\d+GB|HBM\d\w*|SXM[345]|PCIE)\b")  # tells nothing where the table has one figure for all


def peak_flops(device_name: str, dtype: Dtype) -> float | None:
    """The FLOP/s a device reaches at most in matrix products of `dtype`; None where that is not known.

    `device_name` is what the driver calls it, for example "NVIDIA GeForce RTX 3090". A relative of a known device
    ("Laptop GPU", "Ti", "D") is another device. For a cpu give MFU a measured rate instead.
    """
    name = " ".join(_BRANDS.sub(" ", device_name.upper().replace("-", " ")).split())
    without_memory = " ".join(re.sub(r"\b\d+GB\b", " ", name).split())
    bare = " ".join(_MEMORY.sub(" ", name).split())
    peaks = _PEAKS.get(without_memory) or _PEAKS.get(bare)
    tera = peaks[_COLUMNS.index(dtype)] if peaks else None
    return None if tera is None else tera * TERA
