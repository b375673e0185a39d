"""A checkpoint's badge: whether an undisturbed run from the beginning would have the same bits, else since when not."""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.language import _
from engine.run.schema import AttemptRecord, CheckpointRecord, Manifest
from engine.run.surroundings import unrepeatable


@dataclass(frozen=True)
class Badge:
    """exact: True, False, or None where what is left of the run cannot tell."""

    exact: bool | None
    reasons: tuple[str, ...] = ()
    """Why it is not, or cannot be told, in words."""
    since: int | None = None
    """The attempt that first went on otherwise; None when no single attempt is to blame."""
    from_step: int = 0
    """Where what is judged begins: 0, or the step a fork was made at."""

    def short(self) -> str:
        """In a word or two."""
        if self.exact is None:
            return _("not known whether exact")
        if self.exact:
            return _("exact")
        return _("inexact") if self.since is None else _("inexact since attempt {n}").format(n=self.since)

    def words(self) -> str:
        """In full."""
        if self.exact and self.from_step:
            return _("exact since it was forked at step {step}").format(step=self.from_step)
        if not self.reasons:
            return self.short()
        return _("{badge}: {reasons}").format(badge=self.short(), reasons="; ".join(self.reasons))


def badge_of(record: CheckpointRecord, manifest: Manifest | None) -> Badge:
    """The badge of the checkpoint with this record, from the attempts that led to it and what it says of itself.

    A fork is judged from where it was made: what it was given there makes it another run than its parent.
    """
    lineage = None if manifest is None else manifest.lineage
    begins = lineage.step or 0 if lineage is not None and lineage.kind == "fork" else 0
    if record.attempt == 0:
        return Badge(None, (_("it was taken over from {run}").format(run=lineage.run if lineage else "?"),))
    own = _own_reasons(record)
    attempts = () if manifest is None else manifest.attempts
    path = path_to(record, attempts)
    if not path:
        return Badge(False, own) if own else Badge(None, (_("the manifest does not tell of its attempt"),))
    for attempt in path:
        if attempt.from_checkpoint is not None and attempt.exact is False:
            return Badge(False, (*attempt.why_inexact, *own), attempt.attempt, begins)
    if own:
        return Badge(False, own, None, begins)
    for attempt in path:
        if attempt.from_checkpoint is not None and attempt.exact is None:
            unknown = _("attempt {n} does not say whether it went on exactly").format(n=attempt.attempt)
            return Badge(None, (unknown,), None, begins)
    if path[0].start_step > begins:
        return Badge(None, (_("the manifest lacks the attempts before step {step}").format(step=path[0].start_step),))
    return Badge(True, (), None, begins)


def path_to(record: CheckpointRecord, attempts: Sequence[AttemptRecord]) -> list[AttemptRecord]:
    """The attempts whose updates are in a checkpoint, oldest first; empty when its own is not among `attempts`.

    An attempt that began at step s goes on from what the last one before it that began earlier than s had saved: every
    checkpoint beyond that one's own beginning was void when it began.
    """
    path: list[AttemptRecord] = []
    for attempt in sorted(attempts, key=lambda one: one.attempt, reverse=True):
        if (path and attempt.start_step < path[-1].start_step) or (not path and attempt.attempt == record.attempt):
            path.append(attempt)
    return path[::-1]


def _own_reasons(record: CheckpointRecord) -> tuple[str, ...]:
    """What the checkpoint says of its surroundings that no run could repeat."""
    around = record.surroundings
    reasons = unrepeatable(around)
    asked, rows = around.get("batch_size_asked"), around.get("batch_size")
    if isinstance(asked, int) and isinstance(rows, int) and rows < asked:
        reasons.append(_("memory ran out, and {rows} rows were computed at a time").format(rows=rows))
    return tuple(reasons)
