"""One run in full, for those who list runs: where it comes from, its attempts and checkpoints, its loss as a line."""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.language import _
from engine.run.badge import Badge, badge_of
from engine.run.checkpoints import best, scan
from engine.run.schema import AttemptRecord, Lineage
from engine.run.view import RunView
from minimind_tui import words
from minimind_tui.core.run_index import RunEntry
from minimind_tui.safe_text import one_line
from minimind_tui.words import state_word

_CURVE_POINTS = 400
_READ_SECONDS = 0.25


@dataclass(frozen=True)
class AttemptLine:
    """An attempt in words. `exact` is None where there is nothing to judge: it began at the beginning."""

    number: int
    text: str
    exact: bool | None


@dataclass(frozen=True)
class CheckpointLine:
    """A checkpoint: what it weighs in bytes, its validation loss where it has one."""

    step: int
    size: int
    loss: float | None
    is_best: bool
    is_kept: bool
    """Whether a person asked to keep it."""
    badge: Badge
    """Whether an undisturbed run would have the same bits."""


@dataclass(frozen=True)
class RunDetail:
    """What is told of one run beside what the list tells."""

    key: str
    facts: tuple[tuple[str, str], ...]
    attempts: tuple[AttemptLine, ...]
    checkpoints: tuple[CheckpointLine, ...]
    broken_checkpoints: int
    """Folders among the checkpoints without a valid record."""
    curve: tuple[float, ...]
    """The loss, thinned; the last one is always among it."""
    children: tuple[str, ...]
    """The runs that were begun from it."""
    caught_up: bool
    """Whether the whole log was read, or cannot be."""


class DetailReader:
    """Reads the details of one run after the other. One thread at a time calls `read`."""

    def __init__(self) -> None:
        self._view: RunView | None = None

    def read(self, entry: RunEntry, entries: Sequence[RunEntry] = ()) -> RunDetail:
        """Everything told of a run, one of `entries`. Costs a few small files, and of its log what was added since the
        last time.
        """
        if self._view is None or self._view.folder != entry.folder:
            self._view = RunView(entry.folder)
        view = self._view
        view.poll(_READ_SECONDS)
        manifest = entry.manifest
        infos = scan(entry.folder)
        recorded = [info for info in infos if info.record is not None]
        lowest = best(recorded)
        losses = view.column("loss")
        return RunDetail(
            entry.id,
            tuple(_facts(entry)),
            tuple(AttemptLine(one.attempt, _course(one), _judged(one)) for one in manifest.attempts)
            if manifest
            else (),
            tuple(
                CheckpointLine(
                    info.step,
                    info.size,
                    info.record.validation_loss,
                    lowest is not None and info.step == lowest.step,
                    info.record.keep,
                    badge_of(info.record, manifest),
                )
                for info in recorded
                if info.record is not None
            ),
            len(infos) - len(recorded),
            # counted from the end, so that the last one stays
            tuple(losses[:: -(len(losses) // _CURVE_POINTS + 1)])[::-1],
            tuple(children_of(entry.id, entries)),
            view.caught_up or bool(view.problem),
        )


def attempt_words(attempt: AttemptRecord) -> str:
    """`attempt 2: from step 300, stopped at step 412, exact`."""
    return _("attempt {n}: {course}").format(n=attempt.attempt, course=_course(attempt))


def _course(attempt: AttemptRecord) -> str:
    text = _("from step {step}").format(step=attempt.start_step)
    if attempt.end_state is not None:
        text += ", " + _("{state} at step {step}").format(state=_state(attempt.end_state), step=attempt.end_step)
    exact = _judged(attempt)
    if exact is not None:
        reasons = "; ".join(attempt.why_inexact)
        text += ", " + (_("exact") if exact else _("not exact: {reasons}").format(reasons=reasons))
    return one_line(text)


def origin_words(lineage: Lineage) -> str:
    """Which run and step another one goes on from, and for a fork what it was given."""
    origin = lineage.run or lineage.path or "?"
    if lineage.kind != "fork":
        return one_line(origin)
    from engine.settings.on_resume import plain  # only forks need it

    given = ", ".join(
        _("{name}: {before} -> {after}").format(name=name, before=plain(pair[0]), after=plain(pair[1]))
        for name, pair in lineage.settings.items()
        if len(pair) == 2
    )
    text = _("fork of {run} at step {step}").format(run=origin, step=lineage.step)
    return one_line(f"{text} ({given})" if given else text)


def children_of(key: str, entries: Sequence[RunEntry]) -> list[str]:
    """The ids of the runs that were begun from this one."""
    return [
        entry.id
        for entry in entries
        if entry.manifest is not None and entry.manifest.lineage is not None and entry.manifest.lineage.run == key
    ]


def _judged(attempt: AttemptRecord) -> bool | None:
    return attempt.exact if attempt.from_checkpoint is not None else None


def _state(state: str) -> str:
    """The word of a state; one of a newer version is shown as it is."""
    try:
        return state_word(state)
    except ValueError:
        return state


def _facts(entry: RunEntry) -> list[tuple[str, str]]:
    manifest, status = entry.manifest, entry.seen.status
    facts: list[tuple[str, str | None]] = []
    if entry.annotations.title:
        facts.append((_("id"), entry.folder.id))
    if manifest is not None:
        facts += [
            (_("made"), manifest.created[:19].replace("T", " ") + "Z"),
            (_("from"), origin_words(manifest.lineage) if manifest.lineage else None),
            (_("model"), _model(manifest.weights_name, manifest.parameters)),
            (_("device"), " ".join(filter(None, (manifest.device, manifest.dtype))) or None),
            (_("host"), manifest.host),
            (_("data"), manifest.data_path.rpartition("/")[2] if manifest.data_path else None),
        ]
    if status is not None:
        total = _("of {total}").format(total=f"{status.total_steps:,}") if status.total_steps else ""
        facts.append((_("steps"), f"{status.step:,} {total}".rstrip()))
        if status.world_size > 1:
            facts.append((_("processes"), f"{status.world_size:,}"))
        if status.tokens is not None:
            facts.append((_("tokens"), words.count(status.tokens)))
        if status.elapsed is not None:
            facts.append((_("trained"), words.duration(status.elapsed)))
        if status.best_validation is not None:
            at = (
                ""
                if status.best_validation_step is None
                else " " + _("at step {step}").format(step=status.best_validation_step)
            )
            facts.append((_("best val"), words.loss(status.best_validation) + at))
    return [(name, one_line(value)) for name, value in facts if value]


def _model(name: str | None, parameters: int | None) -> str | None:
    size = "" if parameters is None else _("{n} parameters").format(n=words.count(parameters))
    return ", ".join(filter(None, (name, size))) or None
