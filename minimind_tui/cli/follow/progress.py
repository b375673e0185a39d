"""Where a run is, gathered from its status and its log lines, ready to be shown in any form."""

from dataclasses import dataclass

from engine.language import _
from engine.run.clock import seconds_since
from engine.run.phase_words import phase_word
from engine.run.schema import Phase, State, Status
from minimind_tui import words
from minimind_tui.cli.follow.feed import News

_SMOOTHING = 0.9  # of the shown loss: about the last ten log lines


@dataclass(frozen=True)
class Progress:
    """One moment of a run. `share` is 0 to 1 of the whole run, or of the phase while it does not train yet."""

    activity: str
    """What it is busy with, in words."""
    share: float | None
    training: bool
    step: int
    facts: tuple[str, ...]
    """Short facts, the most important first: what does not fit is left off from the end."""


class ProgressTracker:
    """Follows one run's numbers; the loss it shows is smoothed, because single updates jump."""

    def __init__(self) -> None:
        self._sum = 0.0
        self._weight = 0.0

    @property
    def loss(self) -> float | None:
        """The smoothed training loss of the lines seen; None before the first."""
        return self._sum / self._weight if self._weight else None

    def update(self, news: News) -> Progress:
        """Take in what is new and say where the run is now."""
        for line in news.metrics:
            value = line.get("loss")
            if line.get("kind") == "train" and isinstance(value, float | int):
                self._sum = _SMOOTHING * self._sum + (1 - _SMOOTHING) * value
                self._weight = _SMOOTHING * self._weight + (1 - _SMOOTHING)
        status = news.seen.status
        if status is None:
            return Progress(words.state_word(news.seen.state), None, False, 0, ())
        training = status.total_steps is not None and status.step > 0
        busy = status.phase not in (None, Phase.TRAINING) and bool(status.phase_total)
        if busy and not training and status.phase_total:
            share: float | None = min(1.0, (status.phase_done or 0.0) / status.phase_total)
        else:
            share = min(1.0, status.step / status.total_steps) if status.total_steps else None
        return Progress(activity(news), share, training, status.step, tuple(self._facts(status)))

    def _facts(self, status: Status) -> list[str]:
        facts = []
        if status.total_steps:
            facts.append(_("step {step}/{total}").format(step=status.step, total=status.total_steps))
        if (waited := seconds_since(status.next_attempt_at)) is not None:
            facts.append(_("starts again in {time}").format(time=words.duration(max(0.0, -waited))))
        loss = self.loss if self.loss is not None else status.loss
        if loss is not None:
            facts.append(_("loss {loss}").format(loss=words.loss(loss)))
        if status.eta_s is not None and status.state is State.RUNNING:
            facts.append(_("left {time}").format(time=words.duration(status.eta_s)))
        if status.skipped:
            facts.append(_("{n} updates skipped").format(n=status.skipped))
        if status.tokens_per_s is not None:
            facts.append(_("{speed} tokens/s").format(speed=words.count(status.tokens_per_s)))
        if status.lr is not None:
            facts.append(_("lr {lr}").format(lr=words.rate(status.lr)))
        if status.epoch is not None and status.epochs is not None:
            facts.append(_("epoch {epoch}/{epochs}").format(epoch=status.epoch, epochs=status.epochs))
        if status.best_validation is not None:
            facts.append(_("best validation {loss}").format(loss=words.loss(status.best_validation)))
        if status.micro_batches and status.micro_batches > 1 and status.micro_batch is not None:
            facts.append(_("micro-batch {done}/{total}").format(done=status.micro_batch, total=status.micro_batches))
        return facts


def activity(news: News) -> str:
    """What a run is busy with, in a word or two."""
    seen = news.seen
    if seen.state is State.RUNNING and seen.status is not None and seen.status.phase:
        return phase_word(seen.status.phase)
    if seen.state is State.STARTING and seen.status is not None and seen.status.phase:
        return phase_word(seen.status.phase)
    return words.state_word(seen.state)
