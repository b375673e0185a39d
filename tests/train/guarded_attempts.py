"""What tests of the guard share: a run's events, and its attempts as the supervisor would begin them."""

from engine.run.jsonl_log import read_lines
from engine.run.schema import Reason


def events(run, *kinds):
    return [line for line in read_lines(run.events) if line.get("kind") in kinds]


def train_through(workshop, run, most=8):
    """Attempts until one does not ask for another, as the supervisor would begin them."""
    for _attempt in range(most):
        trainer = workshop.train(run)
        if trainer.link.status.reason not in (Reason.ROLLBACK, Reason.EXCLUSION):
            return trainer
    raise AssertionError("it never ended")
