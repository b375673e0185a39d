"""The first attempt of a fork: its parent's state, with what the fork was given applied to it.

A pure function of the copied checkpoint and the fork's settings: a fork that is interrupted before its first own save
begins the same way again. Afterwards its own checkpoints hold everything, and it is resumed like any run.
"""

from engine.errors import UserError
from engine.language import _
from engine.run.checkpoints import CheckpointInfo
from engine.run.schema import Lineage, Manifest, Reason
from engine.run.taking_over import TakingOver
from engine.settings.on_resume import trains_otherwise
from engine.settings.onward import (
    END_SETTINGS,
    bounded_by_time,
    bounded_end,
    course_of_fork,
    schedule_of,
    settings_before,
    updates_left,
)
from engine.settings.schedule import Horizon
from engine.settings.settings import Settings
from engine.train.interval import IntervalSums
from engine.train.spikes import SpikeState
from engine.train.state import TrainerState


def fork_of(manifest: Manifest, checkpoint: CheckpointInfo | None) -> Lineage | None:
    """Where a fork comes from that has not saved anything of its own yet; None for any other run.

    Raises UserError when it is a fork and none of its checkpoints holds: nothing is left to go on from.
    """
    lineage = manifest.lineage
    if lineage is None or lineage.kind != "fork":
        return None
    if checkpoint is None:
        raise UserError(
            _(
                "This run is a fork of {run} at step {step}, and its checkpoint is damaged or gone: nothing is left to "
                "go on from. Fork {run} again."
            ).format(run=lineage.run, step=lineage.step)
        )
    return lineage if checkpoint.record is not None and checkpoint.record.attempt == 0 else None


def take_over(
    state: TrainerState, lineage: Lineage, settings: Settings, *, same_rows: bool, row_count: int, target_tokens: int
) -> TakingOver:
    """Make the parent's `state` the fork's first one, in place; what was kept and what not.

    `same_rows`: the parent trained on these rows, of which there are `row_count` with `target_tokens` in an epoch.
    Raises UserError when the fork has nothing to train.
    """
    given = {name: (pair[0], pair[1]) for name, pair in lineage.settings.items()}
    before = schedule_of(settings_before(settings, given), state.schedule_start)
    horizon = Horizon.from_list(state.horizon)
    cursor, scale, had_best = (state.epoch, state.row), state.lr_scale, state.best_loss is not None
    if not same_rows:
        state.epoch = state.row = 0
        state.tokens_before = state.tokens
    elif "seed" in given and state.row:
        state.epoch, state.row = state.epoch + 1, 0
        state.tokens_before = state.tokens - state.epoch * target_tokens
    if "time_budget" in given:
        state.time_before = state.elapsed

    left = updates_left(
        state.epoch, state.row, epochs=settings.epochs, row_count=row_count, rows_per_update=settings.rows_per_update
    )
    most = end = bounded_end(state.step, left, settings.max_steps)
    if most <= state.step:
        raise UserError(
            _(
                "Nothing is left to train for this fork: it begins at update {step}, where its epochs or max_steps "
                "end. Fork again with more."
            ).format(step=state.step)
        )
    timed = bounded_by_time(settings)
    if timed and same_rows and not set(given) & set(END_SETTINGS) and state.step < horizon.end:
        end = horizon.end  # where the parent expected its time to end
    else:
        state.end_reason = end_reason(settings, most)
    course = course_of_fork(before, horizon, schedule_of(settings), state.step, end, given)
    state.horizon, state.schedule_start = course.horizon.to_list(), course.schedule.start
    if course.how == "anew":
        state.lr_scale = 1.0
    taking = TakingOver(
        given=given,
        step=state.step,
        tokens=state.tokens,
        epoch=cursor[0],
        row=cursor[1],
        row_count=row_count,
        same_rows=same_rows,
        had_best=had_best,
        lr_scale=scale,
        how=course.how,
        rate=settings.learning_rate,
        warms=course.schedule.is_warming_up(state.step),
        end=None if timed else end,
    )
    if not taking.keeps_best:
        state.best_loss = state.best_step = None
        state.history, state.since_validation = [], IntervalSums()
    if any(trains_otherwise(name) for name in given):
        state.skipped_in_a_row = 0  # a cure for what diverged gets its full patience
        state.spikes = SpikeState()
    return taking


def end_reason(settings: Settings, most: int) -> str:
    """Why a run whose epochs and max_steps allow `most` updates ends there."""
    return (Reason.MAX_STEPS if 0 < settings.max_steps == most else Reason.COMPLETE).value
