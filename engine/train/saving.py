"""Checkpoints: the whole state of a training between two updates, written so that it is complete or absent."""

import contextlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import torch

from engine.convert.writing import checkpoint_tensors, describe, published_tensors, save_pth, save_safetensors
from engine.language import _
from engine.model.transformer import LanguageModel
from engine.run.atomic import publish_file, remove_unfinished
from engine.run.checkpoints import RECORD, CheckpointInfo, begin_checkpoint, checkpoint_name
from engine.run.clock import ActiveClock, now_utc_iso
from engine.run.folder import RunFolder
from engine.run.process import this_process
from engine.run.publishing import WEIGHT_SUFFIXES, PublishedBy, may_publish, note_published, published_by
from engine.run.retention import Proven, retain
from engine.run.schema import EventKind, Phase
from engine.run.worker_link import WorkerLink
from engine.settings.schedule import Schedule
from engine.train.finite import NotFiniteError, names_not_finite, not_finite
from engine.train.optimizers import LossScaler, ModelOptimizer
from engine.train.rng import capture_rng
from engine.train.state import TrainerState

MODEL_FILE = "model.safetensors"
TRAINER_FILE = "trainer.pth"
TRAINER_FORMAT = 1

LOOK_SECONDS = 5.0
"""How often the newest checkpoint is looked after, whether it is still there."""


@dataclass(frozen=True)
class Identity:
    """What ties a checkpoint to its rows of data, its tokenizer, its schedule and its surroundings
    (engine.train.exactness).
    """

    rows_fingerprint: str
    row_count: int
    tokenizer_hash: str
    schedule: Schedule
    surroundings: dict[str, Any]


@dataclass(frozen=True)
class SavePlan:
    """When and where to save; the settings of the same names. `save_dir` is None when nothing is published outside.
    `run` is the id in the manifest: the folder may have another name by now.
    """

    run: str
    save_interval: int
    save_minutes: float
    keep_checkpoints: int
    weights_name: str
    save_dir: Path | None


class Saver:
    """Writes checkpoints into the run's folder, keeps the wanted ones, and publishes the newest weights."""

    def __init__(
        self,
        folder: RunFolder,
        link: WorkerLink,
        model: LanguageModel,
        optimizer: ModelOptimizer,
        scaler: LossScaler,
        identity: Identity,
        plan: SavePlan,
        clock: ActiveClock,
    ) -> None:
        self._folder = folder
        self._link = link
        self._model = model
        self._optimizer = optimizer
        self._scaler = scaler
        self._identity = identity
        self._plan = plan
        self._clock = clock
        self._saved_at = clock.here
        self._lost_save_dir = False
        self._proven = Proven()
        self._known_bad: set[str] = set()
        self._refusing: set[str] = set()
        self._looked_at = clock.here
        self.check_data: Callable[[], object] = lambda: None
        """Called before each save: raises when what was trained on is not what it should have been."""
        self.last_step: int | None = None
        """Step of the newest checkpoint this process wrote or started from."""
        self.last_seconds = 0.0
        """Seconds that the last save took."""

    def note_surroundings(self, **changes: Any) -> None:
        """What the bits of an update depend on from now on (engine.train.exactness), for the checkpoints to come."""
        self._identity.surroundings.update(changes)

    def is_due(self, step: int) -> bool:
        """Whether a save is due at the end of update `step`: by count, by time, or because the last one is gone."""
        if step == 0 or step == self.last_step:
            return False
        if self._last_is_gone(step):
            return True
        by_count = self._plan.save_interval > 0 and step % self._plan.save_interval == 0
        minutes = self._plan.save_minutes
        return by_count or (minutes > 0 and self._clock.here - self._saved_at >= 60 * minutes)

    def save(self, state: TrainerState, *, keep: bool = False) -> None:
        """Write the checkpoint of this moment; `keep` spares it from being thinned out.

        Raises CheckpointError, what `check_data` raises, and NotFiniteError when there is nothing worth keeping in it:
        then nothing is written.
        """
        if broken := not_finite(self._model, self._optimizer):
            raise NotFiniteError(broken)
        self._link.update(phase=Phase.SAVING)
        started = self._clock.here
        self._link.mend_folder()
        try:
            self.check_data()
            with begin_checkpoint(self._folder, state.step, self._expected_bytes()) as staging:
                metadata = describe(self._model.shape, step=state.step, tokenizer_hash=self._identity.tokenizer_hash)
                save_safetensors(checkpoint_tensors(self._model), cast(BinaryIO, staging.open(MODEL_FILE)), metadata)
                torch.save(self._trainer(state), cast(BinaryIO, staging.open(TRAINER_FILE)))
                self._link.sync()  # a resume at this step must find the log complete up to it
                info = staging.commit(
                    attempt=self._link.attempt,
                    run=self._plan.run,
                    epoch=state.epoch,
                    row=state.row,
                    row_count=self._identity.row_count,
                    rows_fingerprint=self._identity.rows_fingerprint,
                    tokens=state.tokens,
                    course=self._course(state),
                    host=this_process().host,
                    validation_loss=state.best_loss if state.best_step == state.step else None,
                    done=[part for part in ("log", "validate", "sample") if part not in state.pending],
                    keep=keep,
                    surroundings=self._identity.surroundings,
                )
        finally:
            self._saved_at = self._clock.here
            self._link.update(phase=Phase.TRAINING)
        self.last_step = state.step
        self._thin_out(state.step)
        self._publish(state, self._places)
        self.last_seconds = self._clock.here - started
        self._link.update(last_checkpoint=state.step)
        self._link.event(
            EventKind.CHECKPOINT, state.step, name=info.name, bytes=info.size, seconds=round(self.last_seconds, 3)
        )

    def _last_is_gone(self, step: int) -> bool:
        """Whether somebody deleted the checkpoint that a crash would fall back to; looked at now and then, and told."""
        if self.last_step is None or self._clock.here - self._looked_at < LOOK_SECONDS:
            return False
        self._looked_at = self._clock.here
        name = checkpoint_name(self.last_step)
        try:
            (self._folder.checkpoints / name / RECORD).stat()
        except (FileNotFoundError, NotADirectoryError):
            message = _("Checkpoint {name} is gone: somebody deleted it. Another one is saved now.").format(name=name)
            self._link.event(EventKind.WARNING, step, message=message)
            self.last_step = None
            return True
        except OSError:
            pass  # a file system that does not answer: the next save will say so
        return False

    def _thin_out(self, step: int) -> None:
        """Delete the checkpoints nobody wants, and name those that do not hold."""

        def on_bad(info: CheckpointInfo, problem: str) -> None:
            if info.name in self._known_bad:
                return
            self._known_bad.add(info.name)
            message = _(
                "Checkpoint {name} is damaged ({problem}). It does not count: older ones are kept in its place."
            ).format(name=info.name, problem=problem)
            self._link.event(EventKind.WARNING, step, message=message)

        # what cannot be looked at now is looked at after the next save
        with contextlib.suppress(OSError):
            retain(self._folder, self._plan.keep_checkpoints, proven=self._proven, on_bad=on_bad)

    def complete_last(self, state: TrainerState) -> None:
        """Finish what a kill kept the save of this state from, once its checkpoint counted: thin out, publish."""
        self._thin_out(state.step)
        behind: list[Path] = []
        for folder in self._places:
            by = published_by(folder, self._plan.weights_name)
            if by is None or by.step is None or by.step < state.step:
                behind.append(folder)
        if behind:
            self._publish(state, behind)

    def _course(self, state: TrainerState) -> dict[str, Any]:
        """Where the learning rate stands, for those who plan a fork without torch."""
        return asdict(self._identity.schedule) | {"horizon": state.horizon, "lr_scale": state.lr_scale}

    def _trainer(self, state: TrainerState) -> dict[str, Any]:
        return {
            "format": TRAINER_FORMAT,
            "state": state.to_dict(),
            "optimizer": self._optimizer.state_dict(),
            "scaler": self._scaler.state_dict(),
            "rng": capture_rng(),
            "rows_fingerprint": self._identity.rows_fingerprint,
            "tokenizer_hash": self._identity.tokenizer_hash,
            "surroundings": self._identity.surroundings,
        }

    def _expected_bytes(self) -> int:
        """About the size of a checkpoint: the weights and the optimiser's tensors."""
        state = self._optimizer.state_dict()["state"]
        moments = sum(value.nbytes for values in state.values() for value in values.values() if torch.is_tensor(value))
        return moments + sum(parameter.nbytes for parameter in self._model.parameters())

    @property
    def _places(self) -> list[Path]:
        """Where weights are published: the run's folder, and save_dir."""
        return [self._folder.weights, *([] if self._plan.save_dir is None else [self._plan.save_dir])]

    def _publish(self, state: TrainerState, folders: list[Path]) -> None:
        """Replace the newest weights in `folders`, in save_dir while that is this run's; the file beside them, written
        last, says of which step both are.
        """
        tensors = published_tensors(self._model)
        if overflown := names_not_finite(tensors):
            message = _(
                "The weights of this step are not published: {name} has values beyond what fp16 can hold. The "
                "checkpoint is saved."
            ).format(name=overflown[0])
            self._link.event(EventKind.WARNING, state.step, message=message)
            return
        metadata = describe(self._model.shape, step=state.step, tokenizer_hash=self._identity.tokenizer_hash)
        metadata["run"] = self._folder.id
        stem, save_dir = self._plan.weights_name, self._plan.save_dir
        for folder in folders:
            try:
                if folder is save_dir and not self._still_ours(folder, stem, state.step):
                    continue
                remove_unfinished(folder, [f"{stem}{suffix}" for suffix in (*WEIGHT_SUFFIXES, ".json")])
                publish_file(
                    folder / f"{stem}.safetensors",
                    lambda file: save_safetensors(tensors, cast(BinaryIO, file), metadata),
                )
                publish_file(folder / f"{stem}.pth", lambda file: save_pth(tensors, cast(BinaryIO, file)))
            except OSError as error:
                message = _(
                    "The weights could not be published in {folder}: {problem}. The checkpoint is saved."
                ).format(folder=folder, problem=error.strerror or error)
                if str(folder) not in self._refusing:
                    self._refusing.add(str(folder))
                    self._link.event(EventKind.WARNING, state.step, message=message)
                continue
            self._refusing.discard(str(folder))
            by = PublishedBy(
                run=self._folder.id,
                step=state.step,
                tokenizer_hash=self._identity.tokenizer_hash,
                written=now_utc_iso(),
            )
            note_published(folder, stem, by)

    def _still_ours(self, save_dir: Path, stem: str, step: int) -> bool:
        if may_publish(save_dir, stem, self._folder.id):
            return True
        if not self._lost_save_dir:
            self._lost_save_dir = True
            message = _(
                "{folder} now holds weights of another run, so this one publishes only in its own folder."
            ).format(folder=save_dir)
            self._link.event(EventKind.WARNING, step, message=message)
        return False
