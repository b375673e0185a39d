"""Weights into the engine: from MiniMind's .pth or from .safetensors, checked before a network sees them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from engine.convert.names import EMBEDDING, HEAD, without_wrappers
from engine.convert.plain_pickle import load_plain
from engine.errors import UserError
from engine.language import _

_SHOWN = 100
"""Characters of a name that a message shows."""


@dataclass(frozen=True)
class Weights:
    """The tensors of a file on the cpu in fp32, without the tied head, and what the file says about itself."""

    path: Path
    tensors: dict[str, Tensor]
    metadata: dict[str, str]


def read_weights(path: Path) -> Weights:
    """Read a `.safetensors` file, or a `.pth` that holds nothing but tensors (or them under `model`).

    Prefixes of compiled and distributed modules are taken off the names, every tensor becomes fp32, and a head equal
    to the embedding is dropped, since the network shares them.

    Raises UserError when the file is absent, damaged, of another kind, or has a head of its own.
    """
    if not path.is_file():
        raise UserError(_("There is no weights file {path}").format(path=path))
    raw: Mapping[str, Tensor]
    metadata: dict[str, str]
    if path.suffix == ".safetensors":
        raw, metadata = _read_safetensors(path)
    elif path.suffix in (".pth", ".pt", ".bin"):
        raw, metadata = _read_pickle(path), {}
    else:
        raise UserError(_("{path} is neither .pth nor .safetensors, so it cannot hold weights").format(path=path))
    _refuse_what_is_no_weight(path, raw)
    tensors = {without_wrappers(name): tensor.to(torch.float32) for name, tensor in raw.items()}
    if EMBEDDING not in tensors:
        raise UserError(
            _("{path} has no tensor named {name}: it is not a model of the MiniMind kind").format(
                path=path, name=EMBEDDING
            )
        )
    head = tensors.pop(HEAD, None)
    if head is not None and not torch.equal(head, tensors[EMBEDDING]):
        raise UserError(
            _(
                "{path}: {head} differs from {embedding}. The network has one tensor for both, "
                "so this model cannot be loaded"
            ).format(path=path, head=HEAD, embedding=EMBEDDING)
        )
    return Weights(path, tensors, metadata)


def read_description(path: Path) -> dict[str, str]:
    """What a .safetensors file says about itself, its tensors unread; nothing for a file that cannot be read."""
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError, ValueError):
        return {}


def _refuse_what_is_no_weight(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Raise UserError for a tensor that takes more memory than the file has bytes, or holds no real numbers.

    A tensor may say that it is of any size: rows that are one and the same, a sparse one, one without storage.
    """
    stored: dict[int, int] = {}
    for name, tensor in tensors.items():
        usual = tensor.layout is torch.strided and tensor.device.type == "cpu" and tensor.is_floating_point()
        if usual and tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes():
            stored[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            continue
        raise UserError(
            _("{path}: the tensor {name} is not made of stored numbers as weights are; nothing was loaded").format(
                path=path, name=name[:_SHOWN]
            )
        )
    if sum(stored.values()) > path.stat().st_size:
        raise UserError(_("{path} claims more numbers than it holds; nothing was loaded").format(path=path))


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except Exception as error:  # beside SafetensorError whatever a hostile header makes of torch's conversions
        raise UserError(
            _("{path} is not a readable safetensors file ({reason}). Copy or download it again").format(
                path=path, reason=error
            )
        ) from error


def _read_pickle(path: Path) -> Mapping[str, Tensor]:
    content = load_plain(path)
    if isinstance(content, Mapping) and isinstance(content.get("model"), Mapping):
        content = content["model"]  # a resume file: the weights beside the optimiser
    if not isinstance(content, Mapping) or not all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in content.items()
    ):
        raise UserError(_("{path} holds something other than a dictionary of tensors").format(path=path))
    return content
