"""The playground without its screen: how to write, what was written, prompts typed before, and what is to be told."""

import math
import secrets
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from engine.language import _
from minimind_tui import words
from minimind_tui.core.playground_models import KnownSource, ModelChoice
from minimind_tui.core.run_index import RunEntry
from minimind_tui.generating import Begun, Died, Done, Failed, Heard, Piece
from minimind_tui.safe_text import printable

MOST_ANSWERS = 50
"""Answers a side keeps; older ones go."""
MOST_PROMPTS = 200
_MOST_TOKENS = 32768


@dataclass(frozen=True)
class WritingOptions:
    """How to write. `seed` None draws another one for every answer."""

    temperature: float = 0.8
    top_k: int = 0
    top_p: float = 0.9
    seed: int | None = None
    max_tokens: int = 128

    def text_of(self, name: str) -> str:
        """A value as it is typed; empty for a seed that is drawn."""
        value = getattr(self, name)
        return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)

    def with_text(self, name: str, text: str) -> "tuple[WritingOptions, str]":
        """These options with a value as it was typed, and what is wrong with it; then they are unchanged."""
        value, problem = _parse(name, text.strip())
        change: dict[str, Any] = {name: value}
        return (self, problem) if problem else (replace(self, **change), "")

    def draw_seed(self) -> int:
        """The seed asked for, or a new one."""
        return secrets.randbelow(2**31) if self.seed is None else self.seed


OPTION_NAMES = ("temperature", "top_k", "top_p", "seed", "max_tokens")


def option_label(name: str) -> str:
    """An option's name where there is little room."""
    return {
        "temperature": _("Temperature"),
        "top_k": _("Top-k"),
        "top_p": _("Top-p"),
        "seed": _("Seed"),
        "max_tokens": _("Tokens"),
    }[name]


def option_help(name: str) -> str:
    """What an option does."""
    return {
        "temperature": _("0 always takes the likeliest token; more is bolder"),
        "top_k": _("Only so many likeliest tokens; 0: all"),
        "top_p": _("Only the likeliest tokens that hold this share"),
        "seed": _("The same seed writes the same text; empty: another each time"),
        "max_tokens": _("Most tokens to write"),
    }[name]


def _parse(name: str, text: str) -> tuple[float | int | None, str]:
    whole = name in ("top_k", "seed", "max_tokens")
    if name == "seed" and not text:
        return None, ""
    least, most = {
        "temperature": (0.0, 100.0),
        "top_k": (0, 1_000_000),
        "top_p": (0.0, 1.0),
        "seed": (0, 2**63 - 1),
        "max_tokens": (1, _MOST_TOKENS),
    }[name]
    try:
        value = int(text) if whole else float(text)
    except ValueError:
        kind = _("a whole number") if whole else _("a number")
        return None, _("{name}: expected {kind}.").format(name=option_label(name), kind=kind)
    if not math.isfinite(value) or not least <= value <= most or (name == "top_p" and value == 0):
        if name == "top_p":
            return None, _("{name}: expected more than 0, at most 1.").format(name=option_label(name))
        return None, _("{name}: expected {least} to {most}.").format(name=option_label(name), least=least, most=most)
    return value, ""


class PromptHistory:
    """The prompts written so far, oldest first, and the way up and down among them."""

    def __init__(self) -> None:
        self._prompts: list[str] = []
        self._place = 0
        self._draft = ""

    def add(self, prompt: str) -> None:
        """Keep a prompt; one that is there already becomes the newest."""
        if prompt.strip():
            self._prompts = [*(other for other in self._prompts if other != prompt), prompt][-MOST_PROMPTS:]
        self._place = len(self._prompts)

    def older(self, typed: str) -> str | None:
        """The prompt before the one shown, `typed` being what is shown; None at the oldest."""
        if self._place == len(self._prompts):
            self._draft = typed
            if self._prompts and self._prompts[-1] == typed:  # shown already: one further up
                self._place -= 1
        if self._place == 0:
            return None
        self._place -= 1
        return self._prompts[self._place]

    def newer(self) -> str | None:
        """The prompt after the one shown, at last what was being typed; None when that is shown."""
        if self._place >= len(self._prompts):
            return None
        self._place += 1
        return self._draft if self._place == len(self._prompts) else self._prompts[self._place]


class AnswerState(StrEnum):
    """Where an answer is."""

    WAITING = "waiting"
    WRITING = "writing"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


_OPEN = frozenset({AnswerState.WAITING, AnswerState.WRITING})


@dataclass
class Answer:
    """One prompt and what a model made of it."""

    number: int
    prompt: str
    seed: int
    choice: ModelChoice | None = None
    state: AnswerState = AnswerState.WAITING
    text: str = ""
    tokens: int = 0
    tokens_per_s: float | None = None
    log_probability: float | None = None
    ended: str = ""
    message: str = ""
    step: int | None = None
    began: float | None = None
    """When its model began to write, on the clock that `hear` is given."""

    @property
    def is_open(self) -> bool:
        """Whether more is to come."""
        return self.state in _OPEN

    @property
    def perplexity(self) -> float | None:
        """exp of the mean negative log-probability of what was written; None where there is none."""
        return None if self.log_probability is None else math.exp(min(-self.log_probability, 700.0))

    def summary(self) -> str:
        """What it took, in words; what is wrong where it failed."""
        if self.state is AnswerState.WAITING:
            return _("Loading the model ...")
        if self.state is AnswerState.FAILED:
            return self.message
        if self.state is AnswerState.DONE and not self.tokens:
            return _("The model ended the text at once.")
        parts = [_("{n} tokens").format(n=self.tokens)]
        if self.tokens_per_s is not None:
            parts.append(_("{n}/s").format(n=words.count(round(self.tokens_per_s))))
        if self.state is AnswerState.WRITING:
            return " · ".join(parts)
        if self.perplexity is not None:
            parts.append(_("perplexity {n}").format(n=f"{self.perplexity:.3g}"))
        parts.append(_("seed {n}").format(n=self.seed))
        if self.step is not None:
            parts.append(_("step {step}").format(step=self.step))
        if self.state is AnswerState.STOPPED:
            parts.append(_("stopped"))
        elif self.ended == "length":
            parts.append(_("cut at the limit"))
        return " · ".join(parts)


@dataclass
class Side:
    """One of the playground's sides: a model and what it wrote."""

    choice: ModelChoice | None = None
    answers: list[Answer] = field(default_factory=list)
    known: KnownSource | None = None
    device: str = ""
    """Where the model computed last; empty before the first answer."""
    loaded_step: int | None = None
    heads_assumed: int | None = None
    file_is_gone: bool = False
    loading: ModelChoice | None = None
    """The choice that was last loaded before anybody asked."""
    trouble: str = ""
    """Why its process ended by itself, until another has begun."""

    @property
    def open_answer(self) -> Answer | None:
        """The answer being written."""
        return next((answer for answer in reversed(self.answers) if answer.is_open), None)

    @property
    def last_text(self) -> str:
        """The newest answer's text, its prompt included; empty when there is none."""
        return next((answer.prompt + answer.text for answer in reversed(self.answers) if answer.text), "")

    def choose(self, choice: ModelChoice) -> None:
        """Take another model; what was written stays."""
        if choice != self.choice:
            self.known = None
            self.unload()
        self.choice = choice

    def unload(self) -> None:
        """No model is in memory any more."""
        self.device, self.loaded_step, self.loading = "", None, None
        self.heads_assumed, self.file_is_gone = None, False

    def ask(self, number: int, prompt: str, seed: int) -> Answer:
        """A new answer, still empty."""
        answer = Answer(number, printable(prompt), seed, self.choice)
        self.answers = [*self.answers, answer][-MOST_ANSWERS:]
        return answer

    def stop(self) -> int | None:
        """End the open answer as it is; returns its number."""
        answer = self.open_answer
        if answer is None:
            return None
        answer.state = AnswerState.STOPPED
        return answer.number

    def hear(self, heard: Heard, now: float) -> None:
        """Take what the process says; of a stopped answer only the numbers. `now`: seconds of a monotonic clock."""
        if isinstance(heard, Died):
            self._lose(heard)
            return
        if isinstance(heard, Begun):
            self.device, self.loaded_step, self.trouble = heard.device, heard.step, ""
            self.heads_assumed, self.file_is_gone = heard.heads_assumed, heard.file_is_gone
        answer = next((one for one in reversed(self.answers) if one.number == heard.number), None)
        if answer is None:
            return
        if isinstance(heard, Begun):
            answer.step, answer.began = heard.step, now
            if answer.is_open:
                answer.state = AnswerState.WRITING
        elif isinstance(heard, Piece) and answer.is_open:
            answer.state = AnswerState.WRITING
            answer.text += printable(heard.text)
            answer.tokens = heard.tokens
            if answer.began is not None and now > answer.began:
                answer.tokens_per_s = heard.tokens / (now - answer.began)
        elif isinstance(heard, Done):
            if answer.is_open:
                answer.state = AnswerState.STOPPED if heard.ended == "cancelled" else AnswerState.DONE
                answer.ended = heard.ended
            answer.tokens, answer.tokens_per_s = heard.tokens, heard.tokens_per_s
            answer.log_probability = heard.log_probability
        elif isinstance(heard, Failed) and answer.is_open:
            answer.state, answer.message = AnswerState.FAILED, heard.message

    def _lose(self, died: Died) -> None:
        self.unload()
        lost = [answer for answer in self.answers if answer.is_open and answer.number in died.numbers]
        for answer in lost:
            answer.state, answer.message = AnswerState.FAILED, died.message
        self.trouble = "" if lost else died.message

    def newer_step(self, entry: RunEntry | None) -> int | None:
        """The step of a checkpoint newer than the model in memory, or than the one chosen; None when there is none."""
        if entry is None or self.choice is None or entry.seen.status is None or self.choice.checkpoint == "best":
            return None
        newest = entry.seen.status.last_checkpoint
        ours = int(self.choice.checkpoint) if self.choice.checkpoint is not None else self.loaded_step
        if newest is None or ours is None or newest <= ours:
            return None
        return newest if entry.seen.is_live or self.choice.checkpoint is None else None

    def notice(self, entry: RunEntry | None, *, take_newest: str) -> str:
        """What is to be told about the model in one or two sentences; `take_newest` is the key that takes the newest.

        `entry` is the run it comes from, as it is now; None when there is no such run.
        """
        parts = [self.trouble + " " + _("The next prompt starts another.")] if self.trouble else []
        if self.file_is_gone:
            parts.append(_("Its weights were deleted; the model in memory still writes."))
        step = self.newer_step(entry)
        if step is not None and self.choice is not None and self.choice.checkpoint is None:
            parts.append(_("Step {step} is there; the next prompt takes it.").format(step=step))
        elif step is not None:
            parts.append(_("Step {step} is there; {key} takes it.").format(step=step, key=take_newest))
        if self.heads_assumed is not None:
            parts.append(_("The file does not tell its attention heads; {n} are assumed.").format(n=self.heads_assumed))
        return " ".join(parts)


@dataclass
class PlaygroundState:
    """All that the playground keeps while other screens are looked at."""

    left: Side = field(default_factory=Side)
    right: Side | None = None
    options: WritingOptions = WritingOptions()
    history: PromptHistory = field(default_factory=PromptHistory)
    draft: str = ""
    """The prompt as it is being typed."""

    @property
    def sides(self) -> list[Side]:
        """The sides that are there, left first."""
        return [self.left] if self.right is None else [self.left, self.right]

    @property
    def is_writing(self) -> bool:
        """Whether any side waits or writes."""
        return any(side.open_answer is not None for side in self.sides)

    @property
    def last_text(self) -> str:
        """What is to be copied: the newest answer, of both sides where there are two."""
        return "\n\n".join(text for side in self.sides if (text := side.last_text))
