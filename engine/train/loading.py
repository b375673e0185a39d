"""Back from a checkpoint: everything that makes the next update the one an uninterrupted run would have made."""

import pickle
from dataclasses import dataclass
from typing import Any

import torch

from engine.convert.fitting import load_weights
from engine.convert.reading import read_weights
from engine.errors import UserError
from engine.language import _
from engine.model.transformer import LanguageModel
from engine.run.checkpoints import CheckpointInfo
from engine.train.optimizers import LossScaler, ModelOptimizer
from engine.train.rng import restore_rng
from engine.train.saving import MODEL_FILE, TRAINER_FILE, TRAINER_FORMAT
from engine.train.state import TrainerState


@dataclass(frozen=True)
class Restored:
    """A training's state, and what in it does not go on exactly (sentences)."""

    state: TrainerState
    surroundings: dict[str, Any]
    notes: list[str]
    rng: dict[str, Any]

    def restore_rng(self) -> tuple[str, ...]:
        """Put every random generator where it was. The last thing to do before training goes on."""
        return restore_rng(self.rng)


def restore(
    checkpoint: CheckpointInfo,
    model: LanguageModel,
    optimizer: ModelOptimizer,
    scaler: LossScaler,
    *,
    rows_fingerprint: str,
    tokenizer_hash: str,
) -> Restored:
    """Load a verified checkpoint into model, optimiser and scaler.

    Raises UserError when the data, the tokenizer or the shape are not those it was trained with.
    """
    saved = _read_trainer(checkpoint)
    if saved["tokenizer_hash"] != tokenizer_hash:
        raise UserError(
            _(
                "{checkpoint} was trained with another tokenizer. Its ids mean other text: give --tokenizer the one of "
                "the run, or start a new run."
            ).format(checkpoint=checkpoint.name)
        )
    if saved["rows_fingerprint"] != rows_fingerprint:
        raise UserError(
            _(
                "The training text is not the one that {checkpoint} was trained on: the file has changed since. "
                "Put the old file back to resume, or start a new run on the new one with --from_weight."
            ).format(checkpoint=checkpoint.name)
        )
    load_weights(model, read_weights(checkpoint.path / MODEL_FILE))
    optimizer.load_state_dict(saved["optimizer"])
    note = scaler.load_state_dict(saved["scaler"])
    state = TrainerState.from_dict(saved["state"])
    return Restored(state, saved["surroundings"], [note] if note else [], saved["rng"])


def _read_trainer(checkpoint: CheckpointInfo) -> dict[str, Any]:
    path = checkpoint.path / TRAINER_FILE
    try:
        saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, OSError, EOFError) as error:
        raise UserError(_("{path} cannot be read: {problem}.").format(path=path, problem=error)) from error
    if saved.get("format") != TRAINER_FORMAT:
        raise UserError(
            _("{path} has format {theirs}; this version reads {ours}.").format(
                path=path, theirs=saved.get("format"), ours=TRAINER_FORMAT
            )
        )
    return saved
