"""The numbers of a run, in words: what is known now, smoothed where a single interval says little."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from engine.language import _
from engine.run.observe import Observation
from engine.run.schema import ENDED_STATES, Manifest, State, Status
from engine.run.view import RunView
from minimind_tui import words
from minimind_tui.charts.numbers import recent
from minimind_tui.core.dashboard.progress import clock_time, seconds_left
from minimind_tui.core.experts import ExpertLook
from minimind_tui.core.ranks import RankLook, is_uneven
from minimind_tui.safe_text import one_line

Tone = Literal["", "warning", "error"]

_UNKNOWN = "–"


@dataclass(frozen=True)
class Number:
    """One line of the numbers. `rank` tells what goes first where there is little room: the highest."""

    label: str
    value: str
    detail: str = ""
    rank: int = 0
    tone: Tone = ""


def numbers_of(
    view: RunView,
    manifest: Manifest | None,
    now: datetime,
    *,
    experts: ExpertLook | None = None,
    ranks: RankLook | None = None,
) -> list[list[Number]]:
    """The numbers in groups. `now` is local and aware. What is unknown is a dash; what does not apply is left out."""
    seen = view.observation
    status = seen.status
    speed = _speed(view, seen, manifest) + _ranks(ranks)
    groups = [_quality(view, status), _training(view, status) + _experts(view, experts), speed, _time(seen, now)]
    return [group for group in groups if group]


def fit_numbers(groups: Sequence[Sequence[Number]], rows: int) -> list[list[Number]]:
    """The groups cut to `rows` numbers: the highest ranks are left out first, of one rank the last."""
    every = [number for group in groups for number in group]
    order = sorted(range(len(every)), key=lambda index: (every[index].rank, index))
    kept = {id(every[index]) for index in order[: max(0, rows)]}
    cut = [[number for number in group if id(number) in kept] for group in groups]
    return [group for group in cut if group]


def last_finite(column: Sequence[float]) -> float | None:
    """The newest number of a column; None without any among its last thousand."""
    return next((value for value in reversed(column[-1000:]) if math.isfinite(value)), None)


def perplexity(loss: float | None) -> float | None:
    """exp(loss), None where that is beyond any use."""
    return math.exp(loss) if loss is not None and loss < 700 else None


def share(value: float | None) -> str:
    """A share as `28%`, below a tenth with one decimal."""
    if value is None:
        return _UNKNOWN
    return f"{value:.0%}" if value >= 0.1 else f"{value:.1%}"


def _quality(view: RunView, status: Status | None) -> list[Number]:
    train, validation = view.train, view.validation
    smoothed = recent(view.column("loss"))
    newest = last_finite(view.column("loss"))
    group = [
        Number(
            _("Loss"),
            _three(smoothed),
            _("last {loss}").format(loss=_three(newest)) if len(train) > 1 and newest is not None else "",
        )
    ]
    best, at = _best(view, status)
    group.append(Number(_("Best valid."), _three(best), _at(at)))
    seen_at = validation.steps[-1] if len(validation) else None
    told = last_finite(validation.column("perplexity")) if seen_at is not None else None
    if told is not None:
        group.append(Number(_("Perplexity"), _short(told), _("valid.")))
    else:
        group.append(Number(_("Perplexity"), _short(perplexity(smoothed)), _("train.") if smoothed else ""))
    bits = last_finite(validation.column("bits_per_byte")) if seen_at is not None else None
    group.append(Number(_("Bits/byte"), _three(bits)))
    return group


def _training(view: RunView, status: Status | None) -> list[Number]:
    rate = last_finite(view.column("lr"))
    if rate is None and status is not None:
        rate = status.lr
    scale = status.lr_scale if status is not None else None
    group = [
        Number(
            _("LR"),
            words.rate(rate) if rate is not None else _UNKNOWN,
            f"× {scale:g}" if scale is not None and scale != 1.0 else "",
        ),
        Number(_("Grad norm"), _short(recent(view.column("grad_norm"))), rank=1),
    ]
    skipped = (status.skipped if status is not None else None) or last_finite(view.column("skipped"))
    if skipped:
        group.append(Number(_("Skipped"), f"{skipped:.0f}", _("updates, not finite"), tone="warning"))
    loss_scale = last_finite(view.column("loss_scale"))
    if loss_scale is not None:
        group.append(Number(_("Loss scale"), f"{loss_scale:g}", _("of fp16"), rank=5))
    return group


def _experts(view: RunView, look: ExpertLook | None) -> list[Number]:
    group: list[Number] = []
    auxiliary = recent(view.column("aux_loss"))
    if auxiliary is not None:
        group.append(Number(_("Aux. loss"), _short(auxiliary), rank=2))
    if look is not None and look.starving:
        group.append(Number(_("Experts"), _("{n} starving").format(n=len(look.starving)), "[6]", tone="warning"))
    elif look is not None:
        even = "–" if look.entropy is None else f"{look.entropy:.2f}"
        busiest = _("busiest {factor}").format(factor=f"{look.busiest:.2g}×")
        group.append(Number(_("Experts"), _("entropy {value}").format(value=even), busiest, rank=2))
    return group


def _ranks(look: RankLook | None) -> list[Number]:
    """The slowest of several processes; nothing while they keep pace."""
    if look is None or not is_uneven(look):
        return []
    return [Number(_("Slow rank"), str(look.slowest), f"+{look.behind:.0%} [7]", rank=1, tone="warning")]


def _speed(view: RunView, seen: Observation, manifest: Manifest | None) -> list[Number]:
    status = seen.status
    group: list[Number] = []
    tokens = status.tokens if status is not None else None
    total = status.total_tokens if status is not None else None
    group.append(
        Number(
            _("Tokens"),
            words.count(tokens) if tokens is not None else _UNKNOWN,
            _("of {total}").format(total=words.count(total)) if total else "",
        )
    )
    ended = seen.state in ENDED_STATES or seen.state is State.PAUSED
    if ended and tokens and status is not None and status.elapsed:
        group.append(Number(_("Tokens/s"), words.count(tokens / status.elapsed), _("on average")))
    else:
        speed = recent(view.column("tokens_per_s"))
        group.append(Number(_("Tokens/s"), words.count(round(speed)) if speed is not None else _UNKNOWN))
    mfu = recent(view.column("mfu"))  # above 1 only where a run's peak was measured on a busy machine: no share
    group.append(Number(_("MFU"), share(mfu if mfu is not None and mfu <= 1 else None), rank=2))
    memory = last_finite(view.column("memory"))
    group.append(Number(_("Memory"), words.size(memory) if memory is not None else _UNKNOWN, rank=1))
    group.append(Number(_("Data wait"), share(recent(view.column("data_wait"))), rank=4))
    device = one_line(manifest.device) if manifest is not None and manifest.device else _UNKNOWN
    dtype = one_line(manifest.dtype) if manifest is not None and manifest.dtype else ""
    if status is not None and status.world_size > 1:
        dtype += " " + _("{n} processes").format(n=status.world_size)
    group.append(Number(_("Device"), device, dtype.strip(), rank=3))
    if manifest is not None and manifest.parameters:
        group.append(Number(_("Parameters"), words.count(manifest.parameters), rank=6))
    return group


def _time(seen: Observation, now: datetime) -> list[Number]:
    status = seen.status
    if status is None:
        return []
    group: list[Number] = []
    if status.epoch is not None and status.epochs != 1:
        of = _("of {total}").format(total=status.epochs) if status.epochs else ""
        group.append(Number(_("Epoch"), str(status.epoch), of, rank=7))
    if status.micro_batches is not None and status.micro_batches > 1 and seen.is_live:
        of = _("of {total}").format(total=status.micro_batches)
        if status.micro_batch_rows is not None:
            of = _("of {total}, {rows} rows each").format(total=status.micro_batches, rows=status.micro_batch_rows)
        group.append(Number(_("Micro-batch"), str(status.micro_batch or 0), of, rank=6))
    group.append(Number(_("Elapsed"), words.duration(status.elapsed), rank=8))
    left = seconds_left(seen)
    if left is not None:
        group.append(Number(_("Time left"), words.duration(left), rank=8))
        group.append(Number(_("Ends at"), clock_time(left, now), rank=8))
    if status.last_checkpoint is not None:
        group.append(Number(_("Checkpoint"), _("step {step}").format(step=status.last_checkpoint), rank=5))
    if status.attempt > 1:
        group.append(Number(_("Attempt"), str(status.attempt), rank=9))
    return group


def _best(view: RunView, status: Status | None) -> tuple[float | None, int | None]:
    if status is not None and status.best_validation is not None:
        return status.best_validation, status.best_validation_step
    losses, steps = view.validation.column("loss"), view.validation.steps
    found = [(loss, step) for loss, step in zip(losses, steps, strict=True) if math.isfinite(loss)]
    return min(found) if found else (None, None)


def _at(step: int | None) -> str:
    return "" if step is None else _("at {step}").format(step=step)


def _three(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:.3f}"


def _short(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return _UNKNOWN
    return words.count(value) if abs(value) >= 1000 else f"{value:.3g}"
