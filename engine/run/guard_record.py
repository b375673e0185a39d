"""guard.json: what the guard of a run decided. Together with a checkpoint it determines how the run goes on.

The worker writes it while it lives, and who holds the run's lock otherwise; it is replaced in one step, before anything
that follows from it happens.
"""

from collections.abc import Iterable

import orjson
from pydantic import Field, ValidationError

from engine.errors import UserError
from engine.language import _
from engine.run.atomic import write_atomic
from engine.run.clock import now_utc_iso
from engine.run.folder import RunFolder
from engine.run.schema import VERSION
from engine.run.tolerant import Tolerant

KEPT_AUTOPSIES = 20
KEPT_DOCUMENTS = 16
MOST_EXCLUDED = 10_000
FILE_BYTES = 16 << 20
"""Beyond this it is no such file."""


class NamedDocument(Tolerant):
    """A document of the training text."""

    file: str
    line: int = Field(ge=1)
    hash: str = Field(pattern=r"^[0-9a-f]{16}$")
    """The text's 64-bit hash (engine.data.encoding), by which it is recognised."""
    loss: float | None = None
    """Nats a target token when it was looked at; None where that was not finite, or nobody looked."""
    start: str = ""
    """Its first characters."""


class Autopsy(Tolerant):
    """What was found behind an update that stood out."""

    t: str = Field(default_factory=now_utc_iso)
    attempt: int
    step: int
    """The update."""
    found: str
    """`loss`, `gradient` or `weights`: what was not finite, or stood out."""
    rows: int
    """Rows of the update."""
    examined: int
    """How many of them were looked at in the time there was."""
    remark: str = ""
    """In words, where no document is to blame, or it is not known which."""
    documents: list[NamedDocument] = Field(default_factory=list)
    """Worst first."""


class Rollback(Tolerant):
    """A decision to go back, past the rows of an update, with another learning rate from there on."""

    t: str = Field(default_factory=now_utc_iso)
    attempt: int
    """0 for one that a fork took over from its parent."""
    step: int
    """The update that is passed over."""
    found: str
    epoch: int = Field(ge=0)
    row: int = Field(ge=0)
    """The first of its rows in the order of that epoch, counted from 0 like `epoch`."""
    rows: int = Field(ge=1)
    lr_factor: float = Field(gt=0, le=1)
    """On the learning rate, from the checkpoint on that was gone back to."""

    def overlaps(self, epoch: int, row: int, rows: int) -> bool:
        """Whether an update of these rows takes any that are passed over."""
        return epoch == self.epoch and row < self.row + self.rows and self.row < row + rows


class GuardRecord(Tolerant):
    """guard.json."""

    v: int = VERSION
    rollbacks: list[Rollback] = Field(default_factory=list)
    excluded: list[NamedDocument] = Field(default_factory=list)
    """Documents that carry no loss any more."""
    autopsies: list[Autopsy] = Field(default_factory=list)
    """The newest ones, oldest first."""

    def exclude(self, documents: Iterable[NamedDocument]) -> list[NamedDocument]:
        """Add to `excluded` what is not there yet; returns that. Raises UserError when they become too many."""
        known = {document.hash for document in self.excluded}
        fresh = list({document.hash: document for document in documents if document.hash not in known}.values())
        if len(self.excluded) + len(fresh) > MOST_EXCLUDED:
            raise UserError(
                _("A run can exclude {n} documents at most: take the others out of its text.").format(n=MOST_EXCLUDED)
            )
        self.excluded.extend(fresh)
        return fresh

    def passes_over(self, epoch: int, row: int, rows: int) -> bool:
        """Whether an update of these rows is passed over."""
        return any(rollback.overlaps(epoch, row, rows) for rollback in self.rollbacks)


def read_guard(folder: RunFolder) -> GuardRecord:
    """The guard's record of a run, an empty one where there is none. Raises UserError for a broken file: to go on
    without it would train on what was passed over.
    """
    try:
        if folder.guard.stat().st_size > FILE_BYTES:
            raise ValueError(_("it is too large"))
        return GuardRecord.model_validate(orjson.loads(folder.guard.read_bytes()))
    except FileNotFoundError:
        return GuardRecord()
    except (OSError, ValueError) as error:  # of which JSONDecodeError and ValidationError are some
        problem = str(error).splitlines()[0] if isinstance(error, ValidationError) else error
        raise UserError(
            _(
                "{path} cannot be read: {problem}. It says which rows and documents the run passes over. Mend it, or "
                "move it away to train without what it says."
            ).format(path=folder.guard, problem=problem)
        ) from error


def write_guard(folder: RunFolder, record: GuardRecord) -> None:
    """Replace guard.json in one step, durably. Raises OSError."""
    write_atomic(folder.guard, orjson.dumps(record.model_dump(mode="json"), option=orjson.OPT_INDENT_2))


def inherit_guard(parent: RunFolder, fork: RunFolder, *, same_order: bool) -> None:
    """Give a fork what its parent excludes, by the texts' hashes, and what it passes over where the order of the rows
    is the same. Raises UserError for a broken file, OSError.
    """
    record = read_guard(parent)
    rollbacks = [rollback.model_copy(update={"attempt": 0}) for rollback in record.rollbacks]
    taken = GuardRecord(excluded=record.excluded, rollbacks=rollbacks if same_order else [])
    if taken.excluded or taken.rollbacks:
        write_guard(fork, taken)
