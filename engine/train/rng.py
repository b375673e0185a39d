"""Random numbers: seeding all generators, saving and restoring them, and streams of their own for side work."""

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from engine.language import _


def seed_everything(seed: int) -> None:
    """Seed Python's, numpy's and torch's global generators, the latter on every device."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def derive_seed(seed: int, *names: str | int) -> int:
    """A seed in [0, 2**63) for a stream of its own, such as derive_seed(seed, "sample", step); equal everywhere."""
    text = "\0".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def capture_rng() -> dict[str, Any]:
    """The state of every global generator, as plain values and tensors that load with weights_only=True."""
    algorithm, keys, position, has_gauss, cached_gaussian = np.random.get_state(legacy=True)
    return {
        "python": random.getstate(),
        "numpy": {
            "algorithm": str(algorithm),
            "keys": torch.from_numpy(np.asarray(keys).astype(np.int64)),
            "position": int(position),
            "has_gauss": int(has_gauss),
            "cached_gaussian": float(cached_gaussian),
        },
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "mps": torch.mps.get_rng_state() if torch.backends.mps.is_available() else None,
    }


def restore_rng(state: dict[str, Any]) -> tuple[str, ...]:
    """Put every generator where `capture_rng` found it; sentences about those that this machine cannot restore."""
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    numpy_state = state["numpy"]
    np.random.set_state(
        (
            numpy_state["algorithm"],
            numpy_state["keys"].numpy().astype(np.uint32),
            numpy_state["position"],
            numpy_state["has_gauss"],
            numpy_state["cached_gaussian"],
        )
    )
    torch.set_rng_state(state["torch"].cpu())
    notes = []
    saved = state["cuda"]
    present = torch.cuda.device_count() if torch.cuda.is_available() else 0
    for index, device_state in enumerate(saved[:present]):
        torch.cuda.set_rng_state(device_state.cpu(), index)
    if len(saved) != present:
        notes.append(
            _("The checkpoint holds the random state of {saved} GPUs, {present} are here.").format(
                saved=len(saved), present=present
            )
        )
    if torch.backends.mps.is_available() and state["mps"] is not None:
        torch.mps.set_rng_state(state["mps"].cpu())
    elif torch.backends.mps.is_available() != (state["mps"] is not None):
        notes.append(_("The checkpoint was written on another kind of device: its random state there is not restored."))
    return tuple(notes)


@contextmanager
def isolated_rng(seed: int) -> Iterator[None]:
    """Work with all generators seeded with `seed`, and leave them afterwards as if nothing had been drawn."""
    before = capture_rng()
    seed_everything(seed)
    try:
        yield
    finally:
        restore_rng(before)
