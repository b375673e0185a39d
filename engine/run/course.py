"""The course of the learning rate as a checkpoint's record tells it, for those who decide without torch."""

from engine.run.schema import CheckpointRecord
from engine.settings.schedule import Horizon, Schedule


def current_course(record: CheckpointRecord) -> tuple[Schedule, Horizon, float] | None:
    """The schedule, the horizon and the factor on the learning rate that a checkpoint was saved under.

    None where its record does not say, or says what makes no sense.
    """
    course = record.course
    if course is None:
        return None
    try:
        schedule = Schedule(
            course.kind,  # type: ignore[arg-type]
            course.learning_rate,
            warmup_steps=course.warmup_steps,
            min_lr_ratio=course.min_lr_ratio,
            decay_share=course.decay_share,
            start=course.start,
        )
        return schedule, Horizon.from_list(course.horizon), course.lr_scale
    except (ValueError, TypeError):
        return None
