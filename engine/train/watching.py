"""Looking at the model while it trains: validation and text samples. Neither moves the training's random state."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine.data.rows import RowTable
from engine.data.tokenizer import Tokenizer
from engine.language import _
from engine.model.generation import generate
from engine.run.clock import ActiveClock
from engine.run.schema import EventKind, Phase
from engine.run.worker_link import WorkerLink
from engine.train.micro_batch import MicroBatch
from engine.train.ranks import Command, Order
from engine.train.state import TrainerState
from engine.train.trackers import Trackers
from engine.train.update import Updater
from engine.train.validation import ValidationResult, overfitting, validate


@dataclass(frozen=True)
class SampleSettings:
    """How samples are drawn; the settings of the same names.

    begin: ids before the prompt, and eos_id: the id that ends a text; as the documents were trained on, so both are
    empty with `special_tokens = none`.
    """

    prompts: Sequence[str]
    tokens: int
    temperature: float
    top_k: int
    top_p: float
    seed: int
    begin: tuple[int, ...]
    eos_id: int | None


class Watcher:
    """Validates and samples. `rows` is None when nothing is held out."""

    def __init__(
        self,
        link: WorkerLink,
        trackers: Trackers,
        updater: Updater,
        rows: RowTable | None,
        micro_batch: MicroBatch,
        tokenizer: Tokenizer,
        samples: SampleSettings,
        clock: ActiveClock,
    ) -> None:
        self._link = link
        self._trackers = trackers
        self._updater = updater
        self._rows = rows
        self._micro_batch = micro_batch
        self._tokenizer = tokenizer
        self._samples = samples
        self._clock = clock
        self.last_seconds = {"validate": 0.0, "sample": 0.0}

    @property
    def can(self) -> dict[str, bool]:
        """What this run can do: `validate` when documents are held out, `sample` when there are prompts."""
        return {"validate": self._rows is not None, "sample": bool(self._samples.prompts)}

    def validate(self, state: TrainerState, epoch: int, should_stop: Callable[[], bool]) -> bool:
        """Measure the validation loss, log it, keep the best; False when it was stopped."""
        if self._rows is None:
            return True
        self._link.update(phase=Phase.VALIDATING)
        started = self._clock.here
        self._updater.ranks.tell(Command(Order.VALIDATE))
        result = self.measure(should_stop)
        if result is None:
            return False
        seconds = self.last_seconds["validate"] = self._clock.here - started
        best = math.isfinite(result.loss) and (state.best_loss is None or result.loss < state.best_loss)
        if best:
            state.best_loss, state.best_step = result.loss, state.step
        numbers: dict[str, Any] = {
            "loss": result.loss,
            "perplexity": result.perplexity,
            "bits_per_byte": result.bits_per_byte,
            "validation_tokens": result.tokens,
            "best": best,
        }
        self._link.validation(
            state.step, epoch=epoch, tokens=state.tokens, elapsed=state.elapsed, seconds=round(seconds, 3), **numbers
        )
        self._link.event(EventKind.VALIDATION, state.step, **numbers)
        self._trackers.log({f"validation_{name}": value for name, value in numbers.items()}, state.step)
        self._watch_overfitting(state, result.loss)
        self._link.update(phase=Phase.TRAINING, best_validation=state.best_loss, best_validation_step=state.best_step)
        return True

    def measure(self, should_stop: Callable[[], bool] = lambda: False) -> ValidationResult | None:
        """The loss of what is held out, over all ranks; None when it was stopped. Every rank calls it."""
        assert self._rows is not None
        return validate(
            self._updater.model,
            self._updater.network,
            self._rows,
            self._updater.autocast,
            self._micro_batch.validation_rows,
            should_stop,
            lambda done, total: self._link.note(phase_done=done, phase_total=total),
            self._updater.ranks,
        )

    def _watch_overfitting(self, state: TrainerState, loss: float) -> None:
        training = state.since_validation.loss
        state.since_validation = type(state.since_validation)()
        if training is None:
            return
        state.history = [*state.history[-7:], [loss, training]]
        if overfitting(state.history):
            message = _(
                "The validation loss rises ({before:.3f} to {after:.3f}) while the training loss falls: the model "
                "learns the training text by heart. More text, fewer epochs or more weight decay would help."
            ).format(before=state.history[-3][0], after=loss)
            self._link.event(EventKind.WARNING, state.step, message=message)

    def sample(self, state: TrainerState, should_stop: Callable[[], bool]) -> bool:
        """Continue every prompt of the settings and write the texts as events; False when it was stopped."""
        for prompt in self._samples.prompts:
            if should_stop():
                return False
            self._write_sample(state, replace(self._samples, prompts=(prompt,)))
        return True

    def sample_on_request(self, state: TrainerState, arguments: Mapping[str, Any]) -> None:
        """Continue the request's prompt, or those of the settings, as its arguments say."""
        asked = {name: value for name, value in arguments.items() if value is not None}
        how = replace(
            self._samples,
            prompts=(asked.pop("prompt"),) if "prompt" in asked else self._samples.prompts or ("",),
            tokens=asked.pop("max_new_tokens", self._samples.tokens),
            **asked,
        )
        for prompt in how.prompts:
            self._write_sample(state, replace(how, prompts=(prompt,)))

    def _write_sample(self, state: TrainerState, how: SampleSettings) -> None:
        (prompt,) = how.prompts
        self._link.update(phase=Phase.SAMPLING)
        started = self._clock.here
        model = self._updater.model
        model.eval()
        try:
            tokens = generate(
                model,
                [*how.begin, *self._tokenizer.encode(prompt)] or [self._tokenizer.pad_id],
                max_tokens=how.tokens,
                eos_id=how.eos_id,
                temperature=how.temperature,
                top_k=how.top_k,
                top_p=how.top_p,
                seed=how.seed,
            )
            text = self._tokenizer.decode(list(tokens))
        finally:
            model.train()
        self._link.event(EventKind.SAMPLE, state.step, prompt=prompt, text=text)
        self._trackers.sample(prompt + text, state.step)
        self.last_seconds["sample"] = (self._clock.here - started) * len(self._samples.prompts)
        self._link.update(phase=Phase.TRAINING)
