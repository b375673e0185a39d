"""Compare saved tensors bit for bit: `python -m engine.worker.compare ONE OTHER ...` prints a line of JSON a pair.

Two checkpoints' folders are compared in all that training goes on from; a file of published weights and a checkpoint in
what of the checkpoint was published.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.convert.reading import read_weights
from engine.errors import UserError
from engine.train.loading import read_trainer
from engine.train.saving import MODEL_FILE, TRAINER_FILE

_POSITION = ("step", "epoch", "row", "tokens", "skipped", "lr_scale", "horizon", "schedule_start")
"""What of a trainer's state is no matter of time."""


def main(arguments: list[str] | None = None) -> int:
    """Compare pair after pair, and print a line for each: what differs, or the `problem` that keeps it from telling."""
    parser = argparse.ArgumentParser(prog="python -m engine.worker.compare", description=__doc__)
    parser.add_argument("paths", type=Path, nargs="+")
    paths = parser.parse_args(arguments).paths
    for one, other in zip(paths[::2], paths[1::2], strict=True):
        try:
            found = compare(one, other)
        except (UserError, OSError) as error:
            found = {"problem": str(error)}
        print(json.dumps(found))  # noqa: T201 - to who asked
    return 0


def compare(one: Path, other: Path) -> dict[str, Any]:
    """The differences of two checkpoints, or of published weights and a checkpoint, by part.

    A part is `count` (values compared), `different` (how many are not the same bits) and `first`: the first different
    one's `name`, and for tensors of one shape `elements` that differ `of` how many, and the `largest` difference.
    Raises UserError, OSError for what cannot be read.
    """
    if one.is_file():
        theirs = read_weights(other / MODEL_FILE).tensors
        published = {name: tensor.to(torch.float16).to(torch.float32) for name, tensor in theirs.items()}
        return {"weights": _compare(read_weights(one).tensors, published)}
    ours, theirs_too = read_trainer(one / TRAINER_FILE), read_trainer(other / TRAINER_FILE)
    parts = {"weights": _compare(read_weights(one / MODEL_FILE).tensors, read_weights(other / MODEL_FILE).tensors)}
    for name in ("optimizer", "scaler", "rng"):
        parts[name] = _compare(dict(_flat(ours[name])), dict(_flat(theirs_too[name])))
    position = [{name: trainer["state"].get(name) for name in _POSITION} for trainer in (ours, theirs_too)]
    parts["position"] = _compare(dict(_flat(position[0])), dict(_flat(position[1])))
    return parts


def _compare(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    names = sorted(ours.keys() | theirs.keys(), key=lambda name: [_natural(part) for part in name.split(".")])
    different = [name for name in names if not _same(ours.get(name), theirs.get(name))]
    first = None if not different else _describe(different[0], ours.get(different[0]), theirs.get(different[0]))
    return {"count": len(names), "different": len(different), "first": first}


def _natural(part: str) -> tuple[int, int, str]:
    return (0, int(part), "") if part.isdecimal() else (1, 0, part)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one.shape == other.shape and one.dtype == other.dtype and bool(torch.equal(_bits(one), _bits(other)))
    return type(one) is type(other) and (one == other or (one != one and other != other))


def _bits(tensor: Tensor) -> Tensor:
    """The bytes of a tensor: NaN equals itself, and 0 is not -0."""
    return tensor.contiguous().reshape(-1).view(torch.uint8)


def _describe(name: str, one: Any, other: Any) -> dict[str, Any]:
    if not (isinstance(one, Tensor) and isinstance(other, Tensor)) or one.shape != other.shape:
        return {"name": name}
    apart = (one.double() - other.double()).abs()
    largest = float(apart.nan_to_num(nan=float("inf")).max()) if apart.numel() else 0.0
    width = one.element_size()
    elements = int((_bits(one).view(-1, width) != _bits(other).view(-1, width)).any(dim=1).sum())
    return {
        "name": name,
        "elements": elements,
        "of": one.numel(),
        "largest": largest if largest < float("inf") else None,
    }


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of nested containers, each under its path."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _flat(inner, f"{name}.{number}")
    else:
        yield name, value


if __name__ == "__main__":
    sys.exit(main())
