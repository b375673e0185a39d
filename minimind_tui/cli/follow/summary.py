"""How a run ended: in words with what to do next, as a record for machines, and as an exit code."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.language import _
from engine.run.folder import RunFolder
from engine.run.history import MetricsHistory
from engine.run.jsonl_log import line_batches
from engine.run.observe import Observation, observe
from engine.run.schema import ENDED_STATES, Reason, State
from minimind_tui import words
from minimind_tui.charts.numbers import recent
from minimind_tui.cli import exit_codes
from minimind_tui.safe_text import one_line
from minimind_tui.words import state_word


@dataclass(frozen=True)
class Summary:
    """A run at its end, or where it is now."""

    folder: RunFolder
    seen: Observation
    first_loss: float | None
    last_loss: float | None
    validation: dict[str, Any] | None
    """The last validation's line."""
    weights: list[Path]

    @property
    def exit_code(self) -> int:
        """What `minimind` exits with when it followed this run to here."""
        if self.seen.state is State.FINISHED or self.seen.state not in (*ENDED_STATES, State.PAUSED):
            return exit_codes.OK
        if self.seen.state in (State.STOPPED, State.PAUSED):
            return exit_codes.STOPPED
        reason = self.seen.status.reason if self.seen.status else None
        return exit_codes.MISTAKE if reason == Reason.USER_ERROR else exit_codes.FAILED

    def record(self) -> dict[str, Any]:
        """The summary as JSON."""
        status = self.seen.status
        return {
            "id": self.folder.id,
            "state": str(self.seen.state),
            "reason": status.reason if status else None,
            "message": self.seen.message,
            "step": status.step if status else 0,
            "total_steps": status.total_steps if status else None,
            "tokens": status.tokens if status else None,
            "elapsed": status.elapsed if status else None,
            "first_loss": self.first_loss,
            "last_loss": self.last_loss,
            "validation": self.validation,
            "best_validation": status.best_validation if status else None,
            "weights": [str(path) for path in self.weights],
            "exit_code": self.exit_code,
        }

    def lines(self) -> list[str]:
        """The summary in words, one fact a line: how it ended, what came of it, what to do next."""
        return [self.ending(), *self.facts(), *self.next_commands()]

    def ending(self) -> str:
        """How it ended, in one line."""
        status = self.seen.status
        text = f"{self.folder.id}: {state_word(self.seen.state)}"
        if status is not None and status.total_steps:
            text += ", " + _("step {step} of {total}").format(step=status.step, total=status.total_steps)
        if status is not None and status.elapsed is not None:
            text += ", " + _("{time} of training").format(time=words.duration(status.elapsed))
        if status is not None and status.tokens:
            text += ", " + _("{tokens} tokens").format(tokens=words.count(status.tokens))
        return text

    def facts(self) -> Iterator[str]:
        """What came of it."""
        if self.seen.message and self.seen.state is not State.FINISHED:
            yield "  " + one_line(self.seen.message)
        if self.first_loss is not None:
            yield "  " + _("loss {first} -> {last}").format(
                first=words.loss(self.first_loss), last=words.loss(self.last_loss)
            )
        status = self.seen.status
        if self.validation is not None:
            yield "  " + _("validation loss {loss}, perplexity {perplexity}, best {best} at step {step}").format(
                loss=words.loss(self.validation.get("loss")),
                perplexity=_significant(self.validation.get("perplexity")),
                best=words.loss(status.best_validation if status else None),
                step=status.best_validation_step if status else "?",
            )
        if self.weights:
            kinds = " ".join(f"({path.suffix})" for path in self.weights[1:])
            yield "  " + _("weights: {path}").format(path=words.short_path(self.weights[0])) + f" {kinds}".rstrip()
        if self.seen.state in (State.FAILED, State.CRASHED):
            yield "  " + _("what it printed: {path}").format(path=words.short_path(self.folder.trainer_log))

    def next_commands(self) -> Iterator[str]:
        """What to type next."""
        run = self.folder.id
        if self.seen.is_live and self.seen.state is not State.PAUSED:
            yield _("It goes on. Watch: minimind attach {run}   Stop: minimind runs stop {run}").format(run=run)
            return
        if self.seen.state is not State.FINISHED and self.exit_code != exit_codes.MISTAKE:
            yield _("Go on:    minimind resume {run}").format(run=run)
        if self.weights:
            yield _("Try it:   minimind generate {run} --prompt TEXT").format(run=run)
        if self.first_loss is not None:
            yield _("Curves:   minimind plot {run}").format(run=run)


def summarise(folder: RunFolder, seen: Observation | None = None) -> Summary:
    """Read a run's folder from its beginning and say how it stands. Raises OSError when a log cannot be read."""
    history = MetricsHistory()
    for lines in line_batches(folder.metrics):
        history.feed(lines)
    losses = history.train.column("loss")
    weights = sorted(folder.weights.glob("*.safetensors")) + sorted(folder.weights.glob("*.pth"))
    return Summary(
        folder,
        seen or observe(folder),
        next((loss for loss in losses if math.isfinite(loss)), None),
        recent(losses),
        history.validation.last,
        weights,
    )


def _significant(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else "?"
