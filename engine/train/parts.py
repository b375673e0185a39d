"""The parts of an update as the settings ask for them: optimiser and network, the same for a run and a calibration."""

from collections.abc import Callable

import torch

from engine.data.rows import Batch
from engine.model.transformer import LanguageModel
from engine.settings.settings import Settings
from engine.settings.shape import ModelShape
from engine.train.compilation import compiled_network
from engine.train.computing import Computing
from engine.train.optimizers import ModelOptimizer, build_optimizer
from engine.train.ranks import Network
from engine.train.update import to_device


def make_model(settings: Settings, shape: ModelShape, computing: Computing) -> LanguageModel:
    """A fresh network on its device; seed before."""
    return LanguageModel(shape, recompute=settings.recompute).to(computing.device)


def make_optimizer(settings: Settings, model: LanguageModel, computing: Computing) -> ModelOptimizer:
    """The optimiser of all parameters of `model`."""
    return build_optimizer(
        model,
        settings.optimizer,
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        betas=(settings.adam_beta1, settings.adam_beta2),
        eps=settings.adam_eps,
        muon_momentum=settings.muon_momentum,
        muon_dtype=torch.bfloat16 if computing.info.kind == "cuda" and computing.info.native_bf16 else torch.float32,
    )


def make_network(model: LanguageModel, computing: Computing, first: Callable[[], Batch]) -> tuple[Network, str | None]:
    """The model, or its compiled form where that was chosen, tried on a micro-batch from `first`.

    When the compiler fails the model itself is returned, with a sentence that says why.
    """
    if not computing.compile.on:
        return model, None
    return compiled_network(model, to_device(first(), computing.device), computing.autocast)
