"""Where a run, or an attempt of it, begins: its horizon, and what its guard has decided for it."""

from dataclasses import replace

from engine.data.excluded_rows import without_documents
from engine.errors import UserError
from engine.language import _
from engine.run.guard_record import GuardRecord
from engine.run.schema import EventKind, Lineage
from engine.run.taking_over import TakingOver
from engine.run.worker_link import WorkerLink
from engine.settings.onward import bounded_by_time, bounded_end, schedule_of, updates_left
from engine.settings.schedule import Horizon
from engine.settings.settings import Settings
from engine.train.forking import end_reason, take_over
from engine.train.loading import Restored
from engine.train.material import Material
from engine.train.state import TrainerState


def without_excluded(material: Material, record: GuardRecord, link: WorkerLink) -> Material:
    """`material` without the loss of the documents that the run excludes; says so, and how many the text has."""
    if not record.excluded:
        return material
    training, found = without_documents(material.training, {int(one.hash, 16) for one in record.excluded})
    if training.target_tokens == 0:
        raise UserError(
            _("All documents of this run are excluded. {path} lists them: take some out.").format(
                path=link.folder.guard
            )
        )
    message = _("{found} documents of the text are excluded as asked: {tokens} tokens are not trained on.").format(
        found=found, tokens=material.training.target_tokens - training.target_tokens
    )
    link.event(EventKind.WARNING, link.start_step, message=message)
    return replace(material, training=training)


def apply_rollbacks(state: TrainerState, record: GuardRecord) -> None:
    """Give a state the learning rate's factors of the rollbacks that were decided after it was saved."""
    for rollback in record.rollbacks[state.rollbacks :]:
        state.lr_scale *= rollback.lr_factor
    state.rollbacks = len(record.rollbacks)


def most_updates(settings: Settings, state: TrainerState, material: Material) -> int:
    """The last update that epochs and max_steps allow, from where `state` stands."""
    left = updates_left(
        state.epoch,
        state.row,
        epochs=settings.epochs,
        row_count=material.training.row_count,
        rows_per_update=settings.rows_per_update,
    )
    return bounded_end(state.step, left, settings.max_steps)


def begin(
    state: TrainerState, fork: Lineage | None, restored: Restored | None, settings: Settings, material: Material
) -> TakingOver | None:
    """Give a new run its horizon, a fork its own state, and a resumed run another end where that may move."""
    if fork is not None and restored is not None:
        return take_over(
            state,
            fork,
            settings,
            same_rows=restored.same_rows,
            row_count=material.training.row_count,
            target_tokens=material.training.target_tokens,
        )
    most = most_updates(settings, state, material)
    if restored is None:
        state.horizon, state.end_reason = schedule_of(settings).plan(most).to_list(), end_reason(settings, most)
        return None
    horizon = Horizon.from_list(state.horizon)
    if most == horizon.end or bounded_by_time(settings):
        return None
    schedule = schedule_of(settings, state.schedule_start)
    if most <= state.step or not schedule.extends_in_place(horizon, state.step):
        raise UserError(
            _(
                "The settings of this run end it at update {wanted}, its schedule at {end}, and {step} updates are "
                "made: a schedule that has begun to decay cannot be moved within the run. Fork it (minimind fork), or "
                "put epochs and max_steps back."
            ).format(wanted=most, end=horizon.end, step=state.step)
        )
    state.horizon = schedule.replan(horizon, state.step, most).to_list()
    state.end_reason = end_reason(settings, most)
    return None
