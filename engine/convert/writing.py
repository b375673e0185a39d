"""Weights out of the engine, onto any binary file: MiniMind's .pth and safetensors."""

import json
import struct
from collections.abc import Mapping
from typing import BinaryIO

import torch
from torch import Tensor

from engine.convert.names import EMBEDDING, HEAD, weights_of
from engine.model.transformer import LanguageModel
from engine.settings.shape import ModelShape

_DTYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}
_ALIGNMENT = 8


def checkpoint_tensors(model: LanguageModel) -> dict[str, Tensor]:
    """The weights a training goes on from: exactly the fp32 parameters, the tied head left out.

    They share the parameters' memory where these lie on the cpu: write them before the next update.
    """
    return {name: tensor.to("cpu") for name, tensor in weights_of(model).items()}


def published_tensors(model: LanguageModel) -> dict[str, Tensor]:
    """The weights in the form MiniMind publishes: fp16 copies on the cpu, the head listed as well."""
    tensors = {name: tensor.to("cpu", torch.float16) for name, tensor in weights_of(model).items()}
    return tensors | {HEAD: tensors[EMBEDDING].clone()}


def describe(shape: ModelShape, *, step: int, tokenizer_hash: str) -> dict[str, str]:
    """What a safetensors file says about the weights in it; `infer_shape` reads it back."""
    return {
        "format": "pt",
        "shape": json.dumps(shape.to_dict(), sort_keys=True),
        "step": str(step),
        "tokenizer_hash": tokenizer_hash,
    }


def save_pth(tensors: Mapping[str, Tensor], file: BinaryIO) -> None:
    """Write `tensors` as the flat dictionary that MiniMind loads with `strict=True`."""
    torch.save(dict(tensors), file)


def save_safetensors(tensors: Mapping[str, Tensor], file: BinaryIO, metadata: Mapping[str, str]) -> None:
    """Write `tensors`, one after the other, in the safetensors format: header length, JSON header, data.

    No second copy of the whole is made. Raises KeyError for a dtype other than fp32, fp16 and bf16.
    """
    header: dict[str, object] = {"__metadata__": dict(metadata)}
    end = 0
    for name, tensor in tensors.items():
        start, end = end, end + tensor.nbytes
        header[name] = {"dtype": _DTYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, end]}
    encoded = json.dumps(header, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % _ALIGNMENT)
    file.write(struct.pack("<Q", len(encoded)))
    file.write(encoded)
    for tensor in tensors.values():
        file.write(tensor.contiguous().view(torch.uint8).flatten().numpy().data)
