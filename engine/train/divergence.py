"""A fault of numbers in words: what happened, when, what it was like before, which documents, and what to change."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from statistics import median

from engine.language import _
from engine.run.guard_record import NamedDocument
from engine.settings.settings import Settings
from engine.train.autopsy import Findings, Found
from engine.train.spikes import Spike, SpikeState

NAMED = 3
"""Documents in a sentence; all that were found are in guard.json."""


_ADAMW_LR = 1e-3
"""Above this AdamW needs good reasons."""


@dataclass(frozen=True)
class Fault:
    """An update's fault: its number, what was found, the update's learning rate, in which precision.

    spike: where it is finite and stands out. broken: tensors of weights or optimiser state that are not finite.
    """

    step: int
    found: Found
    lr: float
    dtype: str
    spike: Spike | None = None
    broken: tuple[str, ...] = ()

    def what(self) -> str:
        """What happened, a sentence."""
        if self.spike is None:
            told = {
                "loss": _("The loss of update {step} is not finite."),
                "gradient": _("The gradient of update {step} is not finite; its loss is."),
                "weights": _("After update {step} the weights or the optimizer's state are not finite ({names})."),
            }[self.found]
            names = ", ".join(self.broken[:NAMED]) + (", ..." if len(self.broken) > NAMED else "")
            return told.format(step=self.step, names=names)
        value, usual, z = self.spike.value, self.spike.usual, self.spike.z
        if self.spike.what == "gradient":
            told = _("The gradient's norm of update {step} is {value:.3g} where {usual:.3g} is usual (z = {z:.1f}).")
        elif z == float("inf"):
            told = _("The loss of update {step} is {value:.4g} where {usual:.4g} is usual.")
        else:
            told = _("The loss of update {step} is {value:.4g} where {usual:.4g} is usual (z = {z:.1f}).")
        return told.format(step=self.step, value=value, usual=usual, z=z)


def before(state: SpikeState) -> str:
    """What the loss was like before; empty when nothing is known."""
    if not state.losses:
        return ""
    return _("Before that the loss was {usual:.4g} (median of the last {n} updates, the lowest {low:.4g}).").format(
        usual=median(state.losses), n=len(state.losses), low=min(state.losses)
    )


def documents_in_words(findings: Findings) -> str:
    """The documents behind it, or why none is named."""
    if not findings.documents:
        return findings.remark
    told = "; ".join(map(_document, findings.documents[:NAMED]))
    if len(findings.documents) > NAMED:
        told += "; " + _("{n} more").format(n=len(findings.documents) - NAMED)
    text = _("The documents behind it: {documents}.").format(documents=told)
    if findings.examined < findings.rows:
        text += " " + _("{n} of its {rows} rows were looked at.").format(n=findings.examined, rows=findings.rows)
    return text


def advice(settings: Settings, fault: Fault, run: str, documents: Sequence[NamedDocument] = ()) -> str:
    """What to change, with numbers."""
    lower = fault.lr / 3
    if settings.optimizer == "adamw":
        lower = min(lower, _ADAMW_LR)
    lower = float(f"{lower:.1g}")
    changes = [
        _("a lower learning rate (--learning_rate {lower:g}; it was {lr:.3g} at that update)").format(
            lower=lower, lr=fault.lr
        )
    ]
    if fault.step <= 2 * max(settings.warmup_steps, 100):
        changes.append(
            _("a longer warm-up (--warmup_steps {n}; it is {now})").format(
                n=max(100, 2 * settings.warmup_steps), now=settings.warmup_steps
            )
        )
    if settings.grad_clip == 0 or settings.grad_clip > 1:
        changes.append(_("clipping (--grad_clip 1; it is {now:g})").format(now=settings.grad_clip))
    if fault.dtype == "fp16":
        changes.append(_("another precision (--dtype bf16, or fp32; it is fp16)"))
    text = _("What to change: {changes}; `minimind fork {run}` goes on from a checkpoint with that.").format(
        changes=", ".join(changes), run=run
    )
    if documents:
        told = _("`minimind runs exclude {run} --worst` leaves these documents out from then on.")
        text = told.format(run=run) + " " + text
    return text


def sentences(*parts: str) -> str:
    """Those that say something, one after the other."""
    return " ".join(part for part in parts if part)


def _document(document: NamedDocument) -> str:
    place = _("{file} line {line}").format(file=PurePath(document.file).name, line=document.line)
    loss = _("not finite") if document.loss is None else _("loss {loss:.2f}").format(loss=document.loss)
    return f'{place} ({loss}): "{document.start[:40]}"'
