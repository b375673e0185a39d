"""Which model writes in the playground: a run's weights or a file's, what there is to choose, and where it computes."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from engine.errors import UserError
from engine.estimate.device_probe import DeviceFacts
from engine.language import _
from engine.places import named_path, workspace
from engine.run.checkpoints import best, scan
from engine.run.folder import RunFolder
from engine.run.requested import WEIGHT_SUFFIXES, run_weights
from engine.run.schema import State
from engine.settings.presets import read_toml
from minimind_tui.core.run_index import RunEntry
from minimind_tui.core.run_words import look_of
from minimind_tui.weight_sources import Source, file_source, run_source

_USUAL_SAVE_DIR = "out"
_MOST_FILES = 40
_HOLDING = frozenset({State.STARTING, State.RUNNING, State.STOPPING, State.STALLED})


@dataclass(frozen=True)
class ModelChoice:
    """A run's weights, or a file of weights.

    `checkpoint` is None (the newest published, which a training replaces), `best` or a step. `heads` and `tokenizer`
    are for files that do not tell theirs.
    """

    folder: RunFolder | None = None
    checkpoint: str | None = None
    file: Path | None = None
    heads: int | None = None
    tokenizer: str | None = None

    @property
    def name(self) -> str:
        """The run's id or the file's name."""
        if self.folder is not None:
            return self.folder.id
        return self.file.name if self.file is not None else ""

    @property
    def which(self) -> str:
        """Which of a run's weights, in words; empty for a file."""
        if self.folder is None:
            return ""
        if self.checkpoint is None:
            return _("newest")
        return _("best") if self.checkpoint == "best" else _("step {step}").format(step=self.checkpoint)

    @property
    def is_fixed(self) -> bool:
        """Whether it means the same weights for ever."""
        return self.folder is None or self.checkpoint not in (None, "best")

    def source(self) -> Source:
        """The weights it means now; takes a moment for a checkpoint, whose hash is checked. Raises UserError."""
        if self.folder is not None:
            return run_source(self.folder, self.checkpoint, self.tokenizer)
        if self.file is None:
            raise UserError(_("No model is chosen."))
        return file_source(self.file, self.tokenizer)


@dataclass(frozen=True)
class KnownSource:
    """A source found before, with the stamp its weights had."""

    choice: ModelChoice
    source: Source
    stamp: tuple[int, ...] | None


def find_again(choice: ModelChoice, known: KnownSource | None, *, in_memory: bool) -> KnownSource:
    """The source of a choice, without another look at the hash of what was found before and has not changed.

    Weights deleted since stay usable while a process holds them `in_memory`. Raises UserError.
    """
    if known is not None and known.choice == choice and choice.is_fixed:
        stamp = _stamp(known.source.weights)
        if stamp == known.stamp or (stamp is None and in_memory):
            return known
    source = choice.source()
    return KnownSource(choice, source, _stamp(source.weights))


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - one call, three numbers
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def first_choice(entries: Iterable[RunEntry]) -> ModelChoice | None:
    """What to begin with: the newest run that has weights."""
    for entry in entries:
        if has_weights(entry.folder):
            return ModelChoice(entry.folder)
    return None


def has_weights(folder: RunFolder) -> bool:
    """Whether a run has published weights yet."""
    try:
        run_weights(folder)
    except UserError:
        return False
    return True


@dataclass(frozen=True)
class Offer:
    """One row to choose from; `choice` is None for a run that has nothing to choose yet."""

    choice: ModelChoice | None
    group: str
    """The run's id, or a path."""
    which: str
    called: str = ""
    """What the run is called, where a person has named it."""
    step: int | None = None
    validation_loss: float | None = None
    state: str = ""
    """The run's state, sign and word."""

    @property
    def text(self) -> str:
        """All that the row says, for filtering."""
        return f"{self.called} {self.group} {self.which} {self.step or ''} {self.state}".casefold()


def offers(entries: Iterable[RunEntry]) -> list[Offer]:
    """Every model of the workspace, run by run: newest, best, each checkpoint; then files. Reads the disk."""
    found: list[Offer] = []
    for entry in entries:
        found += _offers_of_run(entry)
    return found + [_of_file(path) for path in _files_here()]


def matching(all_offers: Iterable[Offer], text: str) -> list[Offer]:
    """The offers whose rows contain every word of `text`; first those that contain it as it is, or its step."""
    words = text.casefold().split()
    found = [offer for offer in all_offers if all(word in offer.text for word in words)]
    return sorted(found, key=lambda offer: " ".join(words) not in offer.text and str(offer.step) not in words)


def _offers_of_run(entry: RunEntry) -> list[Offer]:
    folder, state, called = entry.folder, look_of(entry.seen.state).text, entry.annotations.title
    infos = [info for info in scan(folder) if info.record is not None]
    if not infos and not has_weights(folder):
        return [Offer(None, folder.id, _("no weights yet"), called, state=state)]

    def of_checkpoint(checkpoint: str | None, step: int | None, loss: float | None) -> Offer:
        choice = ModelChoice(folder, checkpoint)
        return Offer(choice, folder.id, choice.which, called, step, loss, state)

    rows: list[Offer] = []
    if has_weights(folder):
        status = entry.seen.status
        step = status.last_checkpoint if status is not None else None
        rows.append(of_checkpoint(None, step, None))
    winner = best(infos)
    if winner is not None and winner.record is not None:
        rows.append(of_checkpoint("best", winner.step, winner.record.validation_loss))
    rows += [
        of_checkpoint(str(info.step), info.step, info.record.validation_loss)
        for info in infos
        if info.record is not None
    ]
    return rows


def looks_like_a_path(text: str) -> bool:
    """Whether somebody types a path rather than a part of a run's name."""
    return text.startswith(("~", ".")) or "/" in text or text.endswith(WEIGHT_SUFFIXES)


def path_offers(text: str) -> list[Offer]:
    """Files of weights, and folders on the way to them, that begin as `text` does."""
    try:
        typed = named_path(text)
    except UserError:
        return []
    parent, beginning = (typed, "") if text.endswith("/") or text in ("~", ".") else (typed.parent, typed.name)
    try:
        entries = sorted(parent.iterdir())
    except OSError:
        return []
    rows: list[Offer] = []
    for path in entries:
        if not path.name.startswith(beginning) or (path.name.startswith(".") and not beginning.startswith(".")):
            continue
        if path.is_dir():
            rows.append(Offer(None, str(path) + "/", ""))
        elif path.suffix in WEIGHT_SUFFIXES:
            rows.append(_of_file(path))
        if len(rows) == _MOST_FILES:
            break
    return rows


def _of_file(path: Path) -> Offer:
    return Offer(ModelChoice(file=path), str(path), _("file"))


def _files_here() -> list[Path]:
    """Files of weights in the workspace and in MiniMind's `out`, as one would type them there."""
    found: list[Path] = []
    for folder in (workspace(), workspace() / _USUAL_SAVE_DIR):
        for suffix in WEIGHT_SUFFIXES:
            found += sorted(folder.glob(f"*{suffix}"))
    return [path.relative_to(workspace()) for path in found[:_MOST_FILES]]


def accelerator_holder(live: Iterable[RunEntry], facts: DeviceFacts | None) -> RunEntry | None:
    """The run of this machine that trains on its accelerator, if there is one: generation then keeps off it.

    Without `facts` an accelerator is taken to be there.
    """
    if facts is not None and facts.device == "cpu":
        return None
    for entry in live:
        status = entry.seen.status
        elsewhere = facts is not None and status is not None and status.host not in (None, facts.host)
        if entry.seen.state in _HOLDING and not elsewhere and _asked_device(entry.folder) != "cpu":
            return entry
    return None


def _asked_device(folder: RunFolder) -> str:
    try:
        tables = read_toml(folder.run_toml)
    except UserError:
        return "auto"
    asked = [table["device"] for table in tables.values() if isinstance(table, dict) and "device" in table]
    return str(asked[0]).strip().lower() if asked else "auto"
