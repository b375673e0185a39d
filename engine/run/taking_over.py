"""What a fork takes over from its parent's checkpoint and what not, in words: the same when planned and when made."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.language import _
from engine.settings.onward import ROW_SETTINGS, How


@dataclass(frozen=True)
class TakingOver:
    """The facts behind the words. None where a plan cannot know them yet.

    given: the settings the fork was given, each as (before, after). epoch and row: the cursor of the checkpoint. how:
    the course of the learning rate; rate: the peak it begins anew with, warms: after a warm-up; end: its last update.
    """

    given: Mapping[str, tuple[Any, Any]]
    step: int
    tokens: int | None
    epoch: int | None
    row: int | None
    row_count: int | None
    same_rows: bool
    had_best: bool
    lr_scale: float
    how: How | None
    rate: float
    warms: bool
    end: int | None

    @property
    def keeps_optimizer(self) -> bool:
        """Whether the optimiser's state fits: it does unless its type changed."""
        return "optimizer" not in self.given

    @property
    def keeps_cursor(self) -> bool:
        """Whether the place in the data is kept: the rows and their order are the parent's."""
        return self.same_rows and "seed" not in self.given

    @property
    def keeps_best(self) -> bool:
        """Whether validation losses before and after the fork compare."""
        return self.same_rows and "validation_tokens" not in self.given

    def kept(self) -> list[str]:
        """What is taken over."""
        told = _("the weights of step {step}").format(step=self.step)
        if self.tokens is not None:
            told = _("the weights of step {step}, {tokens} tokens behind them").format(
                step=self.step, tokens=f"{self.tokens:,}"
            )
        words = [told]
        if self.keeps_optimizer:
            words.append(_("the optimizer's state"))
        if self.keeps_cursor:
            words.append(self._place())
        if self.how == "kept":
            words.append(_("the course of the learning rate"))
        return words

    def lost(self) -> list[str]:
        """What is not, and why."""
        words = []
        if not self.keeps_optimizer:
            before, after = self.given["optimizer"]
            words.append(_("the optimizer's state: {before} became {after}").format(before=before, after=after))
        if not self.same_rows:
            names = ", ".join(name for name in ROW_SETTINGS if name in self.given) or _("the text was changed")
            words.append(
                _(
                    "the place in the data: the rows are others ({why}), and their epochs count from the beginning"
                ).format(why=names)
            )
        elif not self.keeps_cursor:
            words.append(_("the place in the data: with another seed a new epoch begins in an order of its own"))
        if self.how == "anew":
            told = (
                _("the course of the learning rate: it begins anew and warms up to {rate:.2e}")
                if self.warms
                else _("the course of the learning rate: it begins anew at {rate:.2e}")
            )
            words.append(told.format(rate=self.rate))
            if self.lr_scale != 1.0:
                words.append(_("the factor {scale:g} on the learning rate").format(scale=self.lr_scale))
        elif self.how == "moved" and self.end is not None:
            words.append(_("the end of the learning rate's course: it is now update {end}").format(end=self.end))
        elif self.how == "moved":
            words.append(_("the end of the learning rate's course: it is planned anew"))
        if self.had_best and not self.keeps_best:
            words.append(_("the best validation loss so far: it was measured on other text"))
        return words

    def _place(self) -> str:
        if self.epoch is None or self.row is None or not self.row_count:
            return _("the place in the data")
        return _("the place in the data: {row} of {rows} rows of epoch {epoch}").format(
            row=self.row, rows=self.row_count, epoch=self.epoch + 1
        )
