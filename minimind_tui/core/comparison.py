"""Several runs side by side: their numbers, the settings in which they differ, and what makes them hard to compare."""

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.language import _
from engine.run.view import RunView
from engine.settings.declaration import GROUPS, declarations
from engine.settings.settings import Settings
from minimind_tui import words
from minimind_tui.core.experts import expert_look
from minimind_tui.core.run_filter import state_in_words
from minimind_tui.core.run_index import RunEntry
from minimind_tui.core.run_settings import read_run_settings
from minimind_tui.core.wizard.texts import value_text
from minimind_tui.safe_text import one_line

_DECLARATIONS = declarations(Settings)
_SAME_STEP_SHARE = 0.05
"""How much of a run before a step its loss there is averaged over: single losses say little."""


@dataclass(frozen=True)
class Row:
    """One line of a table: what it is, a text for each run, and the places of the best ones, if any are."""

    name: str
    values: tuple[str, ...]
    best: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Compared:
    """One of the runs that are compared. `settings` is None when its run.toml cannot be read."""

    entry: RunEntry
    view: RunView
    settings: Mapping[str, Any] | None

    @property
    def name(self) -> str:
        """What it is called."""
        return one_line(self.entry.title)


@dataclass(frozen=True)
class Comparison:
    """Runs side by side."""

    names: tuple[str, ...]
    numbers: tuple[Row, ...]
    differing: tuple[Row, ...]
    """Settings that are not the same in all, in the order of their declaration."""
    same: int
    """How many settings are."""
    notes: tuple[str, ...]
    """What to mind when reading the numbers."""


def read_compared(entry: RunEntry, view: RunView) -> Compared:
    """A run with its settings, read now."""
    return Compared(entry, view, read_run_settings(entry.folder.run_toml))


def compare(runs: Sequence[Compared]) -> Comparison:
    """Put runs side by side, from what their views have read so far."""
    rows, same = _settings(runs)
    return Comparison(tuple(run.name for run in runs), tuple(_numbers(runs)), tuple(rows), same, tuple(_notes(runs)))


def common_step(runs: Sequence[Compared]) -> int | None:
    """The last step that all of them have made; None when one has made none."""
    lasts = [run.view.train.steps[-1] if len(run.view.train) else 0 for run in runs]
    return min(lasts) or None if lasts else None


def loss_at(view: RunView, step: int) -> float | None:
    """The loss at a step: the mean over the twentieth of the run that leads up to it. None without a number there."""
    steps, losses = view.train.steps, view.train.column("loss")
    end = bisect_right(steps, step)
    start = bisect_right(steps, step - max(1, int(step * _SAME_STEP_SHARE)))
    known = [value for value in losses[start:end] if math.isfinite(value)]
    return sum(known) / len(known) if known else None


def usual_speed(view: RunView) -> float | None:
    """The median of the tokens a second that were logged: a pause or a slow start moves it little."""
    known = sorted(value for value in view.train.column("tokens_per_s") if math.isfinite(value))
    return known[len(known) // 2] if known else None


def _numbers(runs: Sequence[Compared]) -> list[Row]:
    rows = [Row(_("state"), tuple(_state(run) for run in runs))]
    rows.append(Row(_("steps"), tuple(_steps(run) for run in runs)))
    rows.append(_row(_("tokens"), [_status(run, "tokens") for run in runs], words.count))
    rows.append(_row(_("trained"), [_status(run, "elapsed") for run in runs], words.duration))
    step = common_step(runs)
    if step is not None and len(runs) > 1:
        name = _("loss at step {step}").format(step=f"{step:,}")
        rows.append(_row(name, [loss_at(run.view, step) for run in runs], words.loss, min))
    ends = [loss_at(run.view, run.view.train.steps[-1]) if len(run.view.train) else None for run in runs]
    rows.append(_row(_("loss at the end"), ends, words.loss, min))
    best = [_status(run, "best_validation") for run in runs]
    rows.append(_row(_("best validation"), best, words.loss, min))
    rows.append(_row(_("bits per byte"), [_lowest(run.view, "bits_per_byte") for run in runs], _three, min))
    rows.append(_row(_("tokens/s, median"), [usual_speed(run.view) for run in runs], words.count, max))
    processes = [_status(run, "world_size") for run in runs]
    if any((count or 1) > 1 for count in processes):
        rows.append(_row(_("processes"), processes, words.count))
    looks = [expert_look(run.view.train.lists) for run in runs]
    if any(look is not None for look in looks):
        even = [None if look is None else look.entropy for look in looks]
        starving = [None if look is None else float(len(look.starving)) for look in looks]
        rows.append(_row(_("entropy of the experts"), even, _two, max))
        rows.append(_row(_("starving experts"), starving, words.count, min))
    sizes = [_manifest(run, "parameters") for run in runs]
    if len(set(sizes)) > 1:
        rows.append(_row(_("parameters"), sizes, words.count))
    return [row for row in rows if any(row.values)]


def _row(
    name: str,
    values: Sequence[float | None],
    tell: Callable[[float], str],
    better: Callable[[list[float]], float] | None = None,
) -> Row:
    texts = tuple("" if value is None else tell(value) for value in values)
    known = [value for value in values if value is not None]
    if better is None or len(known) < 2 or len(set(texts)) == 1:
        return Row(name, texts)
    first = tell(better(known))
    return Row(name, texts, frozenset(place for place, text in enumerate(texts) if text == first))


def _settings(runs: Sequence[Compared]) -> tuple[list[Row], int]:
    rows: list[Row] = []
    same = 0
    for group in GROUPS:
        for name, declaration in _DECLARATIONS.items():
            if declaration.group != group:
                continue
            default = Settings.model_fields[name].default
            texts = tuple(
                "?" if run.settings is None else one_line(value_text(run.settings.get(name, default))) for run in runs
            )
            if len(set(texts)) == 1:
                same += 1
            else:
                rows.append(Row(name, texts))
    if all(run.settings is None for run in runs):
        same = 0
    return rows, same


def _notes(runs: Sequence[Compared]) -> list[str]:
    notes: list[str] = []
    unread = [run.name for run in runs if run.settings is None]
    if unread:
        notes.append(_("The settings of {runs} cannot be read.").format(runs=", ".join(unread)))
    if _differs(runs, "tokenizer_hash"):
        notes.append(_("They use different tokenizers: compare bits per byte, not losses."))
    elif _differs(runs, "data_fingerprint"):
        notes.append(_("They are trained on different text: their losses do not compare directly."))
    if _differs(runs, "device") or _differs(runs, "dtype"):
        places = dict.fromkeys(
            " ".join(filter(None, (_manifest_text(run, "device"), _manifest_text(run, "dtype")))) for run in runs
        )
        notes.append(_("They run on different devices: {devices}.").format(devices=", ".join(filter(None, places))))
    return notes


def _differs(runs: Sequence[Compared], name: str) -> bool:
    return len({text for run in runs if (text := _manifest_text(run, name))}) > 1


def _manifest_text(run: Compared, name: str) -> str:
    return str((getattr(run.entry.manifest, name) if run.entry.manifest else None) or "")


def _manifest(run: Compared, name: str) -> float | None:
    return getattr(run.entry.manifest, name) if run.entry.manifest else None


def _status(run: Compared, name: str) -> float | None:
    return getattr(run.entry.seen.status, name) if run.entry.seen.status else None


def _state(run: Compared) -> str:
    return state_in_words("broken" if run.entry.manifest is None else str(run.entry.seen.state))


def _steps(run: Compared) -> str:
    status = run.entry.seen.status
    if status is None:
        return ""
    return f"{status.step:,}/{status.total_steps:,}" if status.total_steps else f"{status.step:,}"


def _lowest(view: RunView, name: str) -> float | None:
    return min((value for value in view.validation.column(name) if math.isfinite(value)), default=None)


def _three(value: float) -> str:
    return f"{value:.3f}"


def _two(value: float) -> str:
    return f"{value:.2f}"
