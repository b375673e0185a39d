"""The catalogue of a run's checkpoints: written complete or not at all, verified by hash, kept by a rule. No torch.

A checkpoint is a folder `step-00000100` with its files and, written last, checkpoint.json with their sizes and hashes.
Neither safetensors nor torch notices a flipped byte; only the hashes do. "Latest" is nowhere written down: it is
the newest folder whose hashes hold.
"""

import contextlib
import errno
import functools
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from engine.errors import UserError
from engine.language import _
from engine.run.atomic import HashingFile, fsync_file, fsync_folder, hash_file, retry_fleeting, write_atomic
from engine.run.folder import RunFolder
from engine.run.schema import FORMAT, CheckpointRecord, FilePrint
from engine.small_file import read_small

RECORD = "checkpoint.json"
_NAME = re.compile(r"step-(\d{8,})")
_STAGING = ".staging-"
_REPLACED = ".replaced-"
DELETING = ".deleting-"
"""What the name of a checkpoint begins with while it is deleted."""


class CheckpointError(Exception):
    """A checkpoint could not be saved, in words. All earlier ones are untouched.

    `problem` is the same for failures that differ in their numbers alone: what the disk said, or `full`.
    """

    def __init__(self, message: str, problem: str = "") -> None:
        super().__init__(message)
        self.problem = problem or message


@dataclass(frozen=True)
class CheckpointInfo:
    """A checkpoint as its record tells; whether the files agree, `verify` says."""

    path: Path
    step: int
    record: CheckpointRecord | None
    """None when checkpoint.json is missing or broken."""

    @property
    def name(self) -> str:
        """The folder's name, `step-00000100`."""
        return self.path.name

    @property
    def size(self) -> int:
        """Bytes of its files by the record."""
        return 0 if self.record is None else sum(file.size for file in self.record.files.values())


def checkpoint_name(step: int) -> str:
    """The folder's name of the checkpoint at `step`."""
    return f"step-{step:08d}"


class Staging:
    """A checkpoint being written, aside in the same folder; nothing counts until `commit`.

    Use it as a context manager: without a commit everything written is removed, and an error of the disk becomes a
    CheckpointError in words, also when a serialiser hid it behind an exception of its own.
    """

    def __init__(self, folder: RunFolder, step: int, expected_bytes: int | None = None) -> None:
        self.folder = folder
        self.step = step
        self.path = folder.checkpoints / f"{_STAGING}{checkpoint_name(step)}-{os.getpid()}-{os.urandom(4).hex()}"
        self.committed: CheckpointInfo | None = None
        self._expected = expected_bytes
        self._open: dict[str, HashingFile] = {}
        self._prints: dict[str, FilePrint] = {}

    def __enter__(self) -> "Staging":
        try:
            self.folder.checkpoints.mkdir(exist_ok=True)
            free = shutil.disk_usage(self.folder.checkpoints).free
            if self._expected is not None and free < self._expected:
                raise self._failure(OSError(errno.ENOSPC, _("the disk is too full")))
            self.path.mkdir()
        except OSError as error:
            raise self._failure(error) from error
        return self

    def open(self, name: str) -> HashingFile:
        """A new file of the checkpoint, hashed as it is written; `commit` closes it. Raises OSError."""
        file = HashingFile(self.path / _file_name(name))
        self._open[name] = file
        return file

    def add(self, name: str, write: Callable[[Path], None], on_bytes: Callable[[int], None] | None = None) -> FilePrint:
        """A file whose serialiser wants a path: it is written, then synced and hashed; `on_bytes` hears of each chunk's
        size then. Raises OSError.
        """
        path = self.path / _file_name(name)
        write(path)
        fsync_file(path)
        self._prints[name] = hash_file(path, on_bytes)
        return self._prints[name]

    def commit(self, *, attempt: int, **fields: Any) -> CheckpointInfo:
        """Write checkpoint.json, sync and rename: from here on the checkpoint counts.

        `fields` are those of CheckpointRecord, and any others. One that is there already for this step is replaced.
        Raises OSError (the context manager turns it into CheckpointError), ValidationError.
        """
        for name, file in self._open.items():
            if not file.closed:
                file.close()
            self._prints[name] = file.print
        record = CheckpointRecord.model_validate(
            {**fields, "attempt": attempt, "step": self.step, "files": self._prints}
        )
        data = orjson.dumps(record.model_dump(mode="json"), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        write_atomic(self.path / RECORD, data)
        target = self.folder.checkpoints / checkpoint_name(self.step)
        # a name of its own: what an earlier save left may refuse to go (files that a network file system keeps)
        replaced = self.folder.checkpoints / f"{_REPLACED}{target.name}~{os.urandom(4).hex()}"
        if target.exists():
            target.rename(replaced)
        self.path.rename(target)
        fsync_folder(self.folder.checkpoints)
        shutil.rmtree(replaced, ignore_errors=True)
        self.committed = CheckpointInfo(target, self.step, record)
        return self.committed

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _traceback: object) -> None:
        if self.committed is not None:
            return
        disk = error if isinstance(error, OSError) else None
        for file in self._open.values():
            disk = disk or file.error
            file.abandon()
        failure = self._failure(disk) if disk is not None else None
        shutil.rmtree(self.path, ignore_errors=True)
        _restore_replaced(self.folder)
        if failure is not None:
            raise failure from error

    def _failure(self, error: OSError) -> CheckpointError:
        problem = error.strerror or str(error)
        written = sum(file.size for file in self._open.values()) + sum(file.size for file in self._prints.values())
        needed = max(written, self._expected or 0)
        try:
            free: int | None = shutil.disk_usage(self.folder.path).free
        except OSError:
            free = None
        words = _(
            "The checkpoint at step {step} could not be saved: {problem}. It needs {needed} or more, {free} are free "
            "on the disk of {path}. Earlier checkpoints are untouched."
        ).format(
            step=self.step,
            problem=problem[:1].lower() + problem[1:],
            needed=_size_words(needed),
            free="?" if free is None else _size_words(free),
            path=self.folder.path,
        )
        return CheckpointError(words, "full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else problem)


def begin_checkpoint(folder: RunFolder, step: int, expected_bytes: int | None = None) -> Staging:
    """Begin the checkpoint at `step`: `with begin_checkpoint(...) as staging: ...; staging.commit(...)`.

    With `expected_bytes` a disk that has fewer free is noticed before anything is written. The `with` raises
    CheckpointError when the disk refuses.
    """
    return Staging(folder, step, expected_bytes)


def scan(folder: RunFolder) -> list[CheckpointInfo]:
    """All checkpoints, newest first, also those without a valid record; not the set-aside and the unfinished."""
    found: list[CheckpointInfo] = []
    with contextlib.suppress(FileNotFoundError), os.scandir(folder.checkpoints) as entries:
        for entry in entries:
            match = _NAME.fullmatch(entry.name)
            if match and entry.is_dir():
                path = Path(entry.path)
                found.append(CheckpointInfo(path, int(match[1]), _read_record(path)))
    return sorted(found, key=lambda info: info.step, reverse=True)


def newest(folder: RunFolder) -> CheckpointInfo | None:
    """The newest checkpoint with a record, unverified: for showing, not for loading."""
    return next((info for info in scan(folder) if info.record is not None), None)


def best(infos: Iterable[CheckpointInfo]) -> CheckpointInfo | None:
    """The one of the lowest validation loss; the newer of equals; None when none was validated."""
    judged = [
        (info.record.validation_loss, -info.step, info)
        for info in infos
        if info.record is not None and info.record.validation_loss is not None
    ]
    return min(judged, key=lambda entry: entry[:2])[2] if judged else None


def verify(info: CheckpointInfo, on_bytes: Callable[[int], None] | None = None, *, run: str | None = None) -> str:
    """Hash all files of a checkpoint against its record: what is wrong in words, empty when all holds.

    `on_bytes` hears of each chunk's size, for progress. `run` is the id that the manifest beside it has: a checkpoint
    that another run saved is none of this one's, however whole it is.
    """
    record = info.record
    if record is None:
        return _("{file} is missing or broken").format(file=RECORD)
    if record.format > FORMAT:
        return _("its format {theirs} is newer than {ours}").format(theirs=record.format, ours=FORMAT)
    if record.step != info.step or not record.files:
        return _("{file} does not belong to it").format(file=RECORD)
    if run and record.run not in (None, run):
        return _("run {run} saved it").format(run=record.run)
    for name, expected in record.files.items():
        try:
            path = info.path / _file_name(name)
            size = retry_fleeting(path.stat).st_size
            if size != expected.size:
                return _("{file} has {n} bytes instead of {expected}").format(file=name, n=size, expected=expected.size)
            if retry_fleeting(functools.partial(hash_file, path, on_bytes)).sha256 != expected.sha256:
                return _("{file} is damaged: its hash differs").format(file=name)
        except (OSError, ValueError) as error:
            return _("{file} cannot be read: {problem}").format(
                file=name, problem=getattr(error, "strerror", None) or error
            )
    return ""


def newest_valid(
    folder: RunFolder,
    on_bad: Callable[[CheckpointInfo, str, Path], None],
    on_bytes: Callable[[int], None] | None = None,
) -> CheckpointInfo | None:
    """The newest checkpoint whose hashes hold. Only the lock's owner calls this.

    A bad one met on the way is renamed to `step-00000100.bad-1`, kept, and told to `on_bad` with what is wrong and
    where it lies now. None when there is no valid one. Raises OSError when a bad one cannot be renamed, UserError for
    one of a newer format: it is whole, only not to be read by this version.
    """
    run = None
    with contextlib.suppress(UserError):
        run = folder.read_manifest().id
    for info in scan(folder):
        refuse_newer(info, folder)
        problem = verify(info, on_bytes, run=run)
        if not problem:
            return info
        on_bad(info, problem, set_aside(info.path))
    return None


def refuse_newer(info: CheckpointInfo, folder: RunFolder) -> None:
    """Return unless the checkpoint is of a format newer than this version reads. Raises UserError."""
    try:
        theirs = orjson.loads(read_small(info.path / RECORD)).get("format")
    except (OSError, orjson.JSONDecodeError, AttributeError):
        return
    if isinstance(theirs, int) and theirs > FORMAT:
        raise UserError(
            _(
                "Checkpoint {name} of run {run} has format {theirs}; this version reads up to {ours}. Update "
                "minimind-tui to go on; nothing was changed."
            ).format(name=info.name, run=folder.id, theirs=theirs, ours=FORMAT)
        )


def clean_up(folder: RunFolder) -> list[str]:
    """Finish what a crash left: remove unfinished and half deleted checkpoints, put a replaced one back.

    Only the lock's owner calls this, while no worker lives. Returns the names removed.
    """
    _restore_replaced(folder)
    removed: list[str] = []
    for path in below(folder):
        if path.name.startswith((_STAGING, DELETING, _REPLACED)):
            shutil.rmtree(path, ignore_errors=True)
            removed.append(path.name)
    return removed


def copy_checkpoint(
    info: CheckpointInfo, target: RunFolder, on_bytes: Callable[[int], None] | None = None, **changes: Any
) -> CheckpointInfo:
    """Take a checkpoint over into another run (a fork), verified; `changes` are fields of its record.

    Its files are linked where both runs lie on one file system that has hard links (nobody ever writes into a
    checkpoint's file again), else copied. `on_bytes` hears of each chunk's size as it is verified. Raises
    CheckpointError when it is damaged, vanishes meanwhile, or the disk refuses.
    """
    record = info.record
    if record is None:
        raise CheckpointError(_("{path}: {problem}.").format(path=info.path, problem=verify(info)))
    with begin_checkpoint(target, info.step, expected_bytes=None if _can_link(info, target) else info.size) as staging:
        for name, expected in record.files.items():
            source = info.path / _file_name(name)
            if not source.exists():
                raise CheckpointError(
                    _("{path} is gone: the run has deleted it meanwhile. Take another one.").format(path=info.path)
                )
            if staging.add(name, functools.partial(_link_or_copy, source), on_bytes) != expected:
                problem = verify(info) or _("{file} was damaged while it was copied").format(file=name)
                raise CheckpointError(_("{path}: {problem}.").format(path=source, problem=problem))
        fields = record.model_dump(exclude={"files", "attempt", "step", "t"}) | {"attempt": 0, "run": None} | changes
        return staging.commit(**fields)
    raise AssertionError("unreachable")


def _can_link(info: CheckpointInfo, target: RunFolder) -> bool:
    try:
        return info.path.stat().st_dev == target.path.stat().st_dev
    except OSError:
        return False


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:  # no such links here, too many of them, or another file system
        shutil.copyfile(source, target)


def _read_record(path: Path) -> CheckpointRecord | None:
    try:
        return CheckpointRecord.model_validate(orjson.loads(retry_fleeting(lambda: read_small(path / RECORD))))
    except (OSError, orjson.JSONDecodeError, ValidationError):
        return None


def _size_words(size: int) -> str:
    return _("{n} bytes").format(n=size) if size < 100_000 else _("{n} MB").format(n=f"{size / 1e6:,.1f}")


def _file_name(name: str) -> str:
    """`name` if it stays within the checkpoint's folder. Raises ValueError."""
    if not name or name in (".", "..", RECORD) or "/" in name or "\0" in name:
        raise ValueError(f"{name!r} is no file of a checkpoint")
    return name


def set_aside(path: Path) -> Path:
    """Rename a checkpoint's folder so that it never counts again; where it lies now. Raises OSError."""
    number = 1
    while (aside := path.with_name(f"{path.name}.bad-{number}")).exists():
        number += 1
    path.rename(aside)
    return aside


def _restore_replaced(folder: RunFolder) -> None:
    for path in below(folder):
        original = path.with_name(path.name.removeprefix(_REPLACED).partition("~")[0])
        if path.name.startswith(_REPLACED) and not original.exists():
            with contextlib.suppress(OSError):
                path.rename(original)


def below(folder: RunFolder) -> Iterator[Path]:
    """All that lies among a run's checkpoints; nothing where that cannot be looked at."""
    with contextlib.suppress(OSError):
        yield from list(folder.checkpoints.iterdir())
