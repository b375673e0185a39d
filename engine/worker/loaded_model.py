"""A model in memory that is ready to write, kept for the next request that asks for the same weights."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch

from engine.convert.fitting import infer_shape, load_weights
from engine.convert.reading import Weights, read_description, read_weights
from engine.data.tokenizer import Tokenizer
from engine.errors import UserError
from engine.language import _
from engine.model.transformer import LanguageModel
from engine.settings.shape import ModelShape
from engine.train.hardware import choose_device, read_machine
from engine.worker.generation_request import GenerationRequest

FileIdentity = tuple[int, int, int] | None
"""Inode, size and time of change; None for a file that is not there."""


@dataclass(frozen=True)
class LoadedModel:
    """A network in evaluation mode on its device, and its tokenizer.

    `step` is the update the weights are of, None where they do not say. `heads_assumed`: the number of attention heads
    is the usual one, because nothing told it.
    """

    model: LanguageModel
    tokenizer: Tokenizer
    step: int | None
    heads_assumed: bool

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.model.lm_head.weight.device


class ModelKeeper:
    """Holds the model that was asked for last."""

    def __init__(self) -> None:
        self._loaded: LoadedModel | None = None
        self._asked: tuple[object, ...] = ()
        self._file: FileIdentity = None
        self.file_is_gone = False
        """Whether the model's weights have been deleted since they were loaded."""
        self._usual_threads = torch.get_num_threads()

    def use_threads(self, threads: int | None) -> None:
        """Compute on the cpu with so many threads from now on; None: with as many as torch takes."""
        wanted = threads or self._usual_threads
        if wanted != torch.get_num_threads():
            torch.set_num_threads(wanted)

    def get(self, request: GenerationRequest) -> LoadedModel:
        """The model of a request: the one in memory while its file is the same, or was deleted, else a new one.

        Raises UserError when the weights, the tokenizer, the shape or the device cannot be used.
        """
        asked = (
            request.weights,
            request.tokenizer,
            str(request.shape),
            request.num_attention_heads,
            request.device,
        )
        file = _identity(Path(request.weights))
        self.file_is_gone = False
        if self._loaded is not None and asked == self._asked and file in (self._file, None):
            self.file_is_gone = file is None
            return self._loaded
        self.drop()
        self._loaded = load_model(request)
        self._asked, self._file = asked, file
        return self._loaded

    def drop(self) -> None:
        """Free the model's memory."""
        self._loaded = None
        if torch.cuda.is_available() and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            torch.cuda.empty_cache()


def load_model(request: GenerationRequest) -> LoadedModel:
    """Read a request's weights into a network. Raises UserError."""
    tokenizer = Tokenizer.load(Path(request.tokenizer))
    weights = read_weights(Path(request.weights))
    expected = weights.metadata.get("tokenizer_hash")
    if expected is not None and expected != tokenizer.sha256:
        raise UserError(
            _("{weights} was trained with another tokenizer than {tokenizer}: the text would be nonsense.").format(
                weights=request.weights, tokenizer=request.tokenizer
            )
        )
    shape, assumed = _shape_of(request, weights)
    if tokenizer.vocab_size > shape.vocab_size:
        raise UserError(
            _("{tokenizer} has {theirs} entries, the weights in {weights} {ours}: they do not belong together.").format(
                tokenizer=request.tokenizer, theirs=tokenizer.vocab_size, weights=request.weights, ours=shape.vocab_size
            )
        )
    device = choose_device(request.device, read_machine()).device.torch_device
    model = LanguageModel(shape)
    load_weights(model, weights)
    model.to(device).eval()
    if device.type == "cuda":
        model.to(torch.float16)
    step = weights.metadata.get("step", "")
    return LoadedModel(model, tokenizer, int(step) if step.isdecimal() else None, assumed)


def _shape_of(request: GenerationRequest, weights: Weights) -> tuple[ModelShape, bool]:
    """The network's shape, and whether its number of heads is only assumed.

    A .pth tells neither: what the request says counts, then the description in the .safetensors of the same name, which
    a run publishes beside it, where every size agrees.
    """
    if request.shape is not None:
        return ModelShape.from_dict(request.shape), False
    asked = request.num_attention_heads
    if "shape" in weights.metadata or asked is not None:
        shape = infer_shape(weights, asked)
        if asked not in (None, shape.num_attention_heads):
            raise UserError(
                _("{path} has {heads} attention heads, not {asked}: leave the number out.").format(
                    path=weights.path, heads=shape.num_attention_heads, asked=asked
                )
            )
        return shape, False
    described = read_description(weights.path.with_suffix(".safetensors"))
    with suppress(UserError, ValueError, TypeError):  # it may be anybody's file
        beside = infer_shape(Weights(weights.path, {}, described)) if "shape" in described else None
        if beside is not None and _sizes(infer_shape(weights, beside.num_attention_heads)) == _sizes(beside):
            return beside, False
    shape = infer_shape(weights)
    return shape, not shape.qk_norm  # normalised queries tell the size of a head


def _sizes(shape: ModelShape) -> tuple[int, ...]:
    """All that the sizes of tensors tell of a shape."""
    return (
        shape.vocab_size,
        shape.hidden_size,
        shape.num_hidden_layers,
        shape.query_size,
        shape.key_value_size,
        shape.expert_size if shape.num_experts else shape.intermediate_size,
        shape.num_experts,
        shape.num_shared_experts,
        int(shape.qk_norm),
    )


def _identity(path: Path) -> FileIdentity:
    try:
        found = os.stat(path)  # noqa: PTH116 - one call, three numbers
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
