"""Back from a checkpoint: everything that makes the next update the one an uninterrupted run would have made."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.convert.fitting import load_weights
from engine.convert.plain_pickle import load_plain
from engine.convert.reading import read_weights
from engine.errors import UserError
from engine.language import _
from engine.model.transformer import LanguageModel
from engine.run.checkpoints import CheckpointInfo
from engine.train.finite import not_finite
from engine.train.optimizers import LossScaler, ModelOptimizer
from engine.train.rng import restore_rng
from engine.train.saving import MODEL_FILE, TRAINER_FILE, TRAINER_FORMAT
from engine.train.state import TrainerState


class BrokenCheckpointError(Exception):
    """A checkpoint whose files are whole holds weights or optimiser state that are not finite: `names`."""

    def __init__(self, checkpoint: CheckpointInfo, names: list[str]) -> None:
        super().__init__(f"{checkpoint.name}: {', '.join(names)}")
        self.checkpoint = checkpoint
        self.names = names


@dataclass(frozen=True)
class Restored:
    """A training's state, and what in it does not go on exactly (sentences).

    same_rows: it was saved on the rows that are trained on now. rng is None where another seed was asked for.
    """

    state: TrainerState
    surroundings: dict[str, Any]
    notes: list[str]
    rng: dict[str, Any] | None
    same_rows: bool

    def restore_rng(self) -> tuple[str, ...]:
        """Put every random generator where it was. The last thing to do before training goes on."""
        return () if self.rng is None else restore_rng(self.rng)


def restore(
    checkpoint: CheckpointInfo,
    model: LanguageModel,
    optimizer: ModelOptimizer,
    scaler: LossScaler,
    *,
    rows_fingerprint: str,
    tokenizer_hash: str,
    forked_with: Collection[str] | None = None,
) -> Restored:
    """Load a verified checkpoint into model, optimiser and scaler.

    `forked_with` names the settings that a fork was given, None when the run itself goes on. A fork may train on other
    rows, and leaves the optimiser fresh when its type changed, the random generators when the seed did. Raises
    UserError when the data, the tokenizer or the shape are not those it was trained with, BrokenCheckpointError.
    """
    path = checkpoint.path / TRAINER_FILE
    saved = read_trainer(path)
    if not {"tokenizer_hash", "rows_fingerprint"} <= saved.keys():
        raise _not_a_state(path)
    if saved["tokenizer_hash"] != tokenizer_hash:
        raise UserError(
            _(
                "{checkpoint} was trained with another tokenizer. Its ids mean other text: give --tokenizer the one of "
                "the run, or start a new run."
            ).format(checkpoint=checkpoint.name)
        )
    same_rows = saved["rows_fingerprint"] == rows_fingerprint
    if not same_rows and forked_with is None:
        raise UserError(
            _(
                "The training text is not the one that {checkpoint} was trained on: the file has changed since. "
                "Put the old file back to resume, or fork the run (minimind fork), which trains on with the new one."
            ).format(checkpoint=checkpoint.name)
        )
    load_weights(model, read_weights(checkpoint.path / MODEL_FILE))
    try:
        if "optimizer" not in (forked_with or ()):
            optimizer.load_state_dict(saved["optimizer"])
        if broken := not_finite(model, optimizer):
            raise BrokenCheckpointError(checkpoint, broken)
        note = scaler.load_state_dict(saved["scaler"])
        state = TrainerState.from_dict(saved["state"])
        rng = None if "seed" in (forked_with or ()) else saved["rng"]
        return Restored(state, dict(saved["surroundings"]), [note] if note else [], rng, same_rows)
    except (KeyError, ValueError, TypeError, AttributeError, IndexError) as error:
        raise _not_a_state(path) from error


def read_trainer(path: Path) -> dict[str, Any]:
    """What a checkpoint's trainer.pth holds beside the weights. Raises UserError when it cannot be read."""
    saved: dict[str, Any] = load_plain(path)
    if not isinstance(saved, dict):
        raise _not_a_state(path)
    if saved.get("format") != TRAINER_FORMAT:
        raise UserError(
            _("{path} has format {theirs}; this version reads {ours}.").format(
                path=path, theirs=saved.get("format"), ours=TRAINER_FORMAT
            )
        )
    return saved


def _not_a_state(path: Path) -> UserError:
    return UserError(
        _(
            "{path} is not the state of this training: move the checkpoint's folder away to resume from an earlier one."
        ).format(path=path)
    )
