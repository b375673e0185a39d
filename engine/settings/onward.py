"""How a training goes on from a checkpoint when its settings are no longer those it was saved under: a fork.

Pure decisions, made once when a fork is planned and once more by its worker, from the same numbers. Updates are counted
from the parent's beginning; so are `epochs` and `max_steps`, as long as the rows are the parent's.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Literal, NamedTuple

from engine.errors import UserError
from engine.language import _
from engine.settings.schedule import Horizon, Schedule
from engine.settings.settings import Settings

COURSE_SETTINGS = ("learning_rate", "schedule", "warmup_steps", "min_lr_ratio", "decay_ratio")
"""Settings that shape the course of the learning rate: given to a fork, they begin it anew."""

END_SETTINGS = ("epochs", "max_steps", "time_budget", "deadline", "batch_size", "accumulation_steps")
"""Settings that may move the last update."""

ROW_SETTINGS = ("data_path", "text_field", "max_seq_len", "pack", "special_tokens", "overlong", "validation")
"""Settings that make other rows of the text, or of another text."""

How = Literal["kept", "moved", "anew"]
"""The course of the learning rate: as it was, the same with another end, or a new one."""


class Course(NamedTuple):
    """The learning rate from here on."""

    schedule: Schedule
    horizon: Horizon
    how: How


def schedule_of(settings: Settings, start: int = 0) -> Schedule:
    """The schedule that settings mean, begun when `start` updates had been made."""
    return Schedule(
        settings.schedule,
        settings.learning_rate,
        warmup_steps=settings.warmup_steps,
        min_lr_ratio=settings.min_lr_ratio,
        decay_share=settings.decay_ratio,
        start=start,
    )


def settings_before(settings: Settings, given: Mapping[str, Any]) -> Settings:
    """The parent's settings, from a fork's and what it was given, each as [before, after]."""
    return settings.model_copy(
        update={name: getattr(Settings.model_validate({name: pair[0]}), name) for name, pair in given.items()}
    )


def updates_left(epoch: int, row: int, *, epochs: int, row_count: int, rows_per_update: int) -> int:
    """Updates from the cursor (`row` rows of epoch `epoch`, counted from 0, are consumed) to the end of the epochs."""
    if epoch >= epochs:
        return 0
    whole = -(-row_count // rows_per_update)
    return (epochs - epoch - 1) * whole + -(-max(0, row_count - row) // rows_per_update)


def bounded_end(step: int, left: int, max_steps: int) -> int:
    """The last update that the epochs (`left` updates after `step`) and max_steps (0: no bound) allow."""
    return min(step + left, max_steps) if max_steps else step + left


def bounded_by_time(settings: Settings) -> bool:
    """Whether time, too, may end the run: its horizon then ends where the time is expected to."""
    return settings.time_budget > 0 or settings.deadline != "none"


def course_of_fork(
    before: Schedule, horizon: Horizon, after: Schedule, step: int, end: int, given: Collection[str]
) -> Course:
    """The course of a fork's learning rate: `before` over `horizon` up to update `step`, which stays as it was.

    With a setting of COURSE_SETTINGS among the `given` ones the schedule `after` begins at `step` and ends at `end`;
    still in the warm-up of a schedule whose peak and warm-up are not touched, it takes that over. Otherwise only the
    end moves, without a jump. Raises UserError when the old schedule had ended, so that there is nothing to stretch.
    """
    asked = set(given)
    if asked & set(COURSE_SETTINGS):
        warming = before.is_warming_up(step) and not asked & {"learning_rate", "warmup_steps"}
        onward = replace(after, start=before.start if warming else step)
        return Course(onward, onward.plan(end), "anew")
    if end == horizon.end:
        return Course(before, horizon, "kept")
    if before.has_ended(horizon, step):
        raise UserError(
            _(
                "The {kind} schedule of the run had ended when {step} updates were made. Give the fork its own "
                "--learning_rate to begin another."
            ).format(kind=before.kind, step=step)
        )
    return Course(before, before.replan(horizon, step, end), "moved")
