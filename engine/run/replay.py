"""Replaying updates of a run in a scratch folder, to prove that they come out the same. The run itself is only read."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import UserError
from engine.language import _
from engine.places import cache_dir
from engine.run.attempts import begin_attempt
from engine.run.checkpoints import CheckpointError, CheckpointInfo, copy_checkpoint, scan
from engine.run.comparing import compare_saved
from engine.run.folder import RunFolder
from engine.run.history import MetricsHistory
from engine.run.jsonl_log import read_lines
from engine.run.process import this_process
from engine.run.replay_plan import ReplayPlan, surroundings_of
from engine.run.replay_script import write_script
from engine.run.schema import State, Status
from engine.run.start import LAUNCHER, WORKER, module_environment, python_module
from engine.run.status import read_status
from engine.run.surroundings import differences, unrepeatable
from engine.run.trainer_log import open_log
from engine.run.worker_death import oom_kills, outcome_of_death
from engine.run.worker_link import SUPERVISOR_VARIABLE
from engine.settings.run_toml import render_settings

COMPARED = ("loss", "grad_norm", "lr", "tokens", "skipped", "aux_loss", "loss_scale")
"""What of a log line is no matter of time."""

_LOOK_SECONDS = 0.1
_STALE_SECONDS = 24 * 3600.0

Progress = Callable[[str, int], None]
"""Hears what the replay is busy with (a word of `Phase`) and at which update."""


class CheckpointGoneError(UserError):
    """The run deleted the checkpoint that a replay was to begin from: plan again."""


@dataclass(frozen=True)
class LineDifference:
    """The first logged number that did not come out the same."""

    step: int
    name: str
    run: float
    replay: float


@dataclass(frozen=True)
class ReplayResult:
    """What a replay showed. `parts`: engine.worker.compare's, None when there was no checkpoint to compare with."""

    start: int
    until: int
    target: int | None
    lines: int
    """Logged lines compared."""
    line: LineDifference | None
    parts: dict[str, Any] | None
    surroundings: list[str] = field(default_factory=list)
    """What was other than in the run, a phrase each; then differences in the bits are to be expected."""

    @property
    def identical(self) -> bool:
        """Whether every bit compared is the same."""
        return self.line is None and all(part["different"] == 0 for part in (self.parts or {}).values())


def run_replay(plan: ReplayPlan, on_progress: Progress = lambda phase, step: None) -> ReplayResult:
    """Make the updates again and compare. Whatever happens nothing is left behind, and the run is not touched.

    Both checkpoints are taken aside first: a living run may delete them meanwhile. One to compare with that does not
    hold is left out. Raises UserError: the checkpoint is damaged, the text is another now, the disk refuses, the worker
    failed; CheckpointGoneError, one of them, when the run had deleted the checkpoint to begin from.
    """
    with _scratch(plan) as scratch:
        target = _take_aside(plan.target, scratch.path.parent)
        try:
            if plan.start is not None and plan.start.record is not None:
                copy_checkpoint(plan.start, scratch, attempt=plan.start.record.attempt)
            write_script(scratch, plan.script)
            record = begin_attempt(scratch, 1, 0, lambda done, total: None)
        except (CheckpointError, OSError) as error:
            gone = plan.start is not None and not plan.start.path.exists()
            kind = CheckpointGoneError if gone else UserError
            raise kind(_("The replay cannot be made: {problem}").format(problem=error)) from error
        _work(plan, scratch, record.attempt, on_progress)
        history = MetricsHistory()
        history.feed(read_lines(scratch.metrics))
        lines, line = compare_lines(plan.history, history, plan.step, plan.until)
        made = next((info for info in scan(scratch) if info.step == plan.script.save_at), None)
        parts: dict[str, Any] | None = None
        if target is not None and made is not None:
            (parts,) = compare_saved([(target.path, made.path)])
            if "problem" in parts:
                raise UserError(_("The replay cannot be compared: {problem}").format(problem=parts["problem"]))
        return ReplayResult(
            start=plan.step,
            until=plan.until,
            target=None if parts is None or target is None else target.step,
            lines=lines,
            line=line,
            parts=parts,
            surroundings=_other_surroundings(plan, scratch, made),
        )


def compare_lines(
    run: MetricsHistory, replay: MetricsHistory, start: int, until: int
) -> tuple[int, LineDifference | None]:
    """How many logged lines of two histories were compared from `start` on to `until`, and the first difference.

    A loss is a mean since the line before: it is compared only where both began at the same update.
    """
    ours, theirs = run.train, replay.train
    place = {step: number for number, step in enumerate(theirs.steps)}
    before_ours, before_theirs = start, start
    compared = 0
    names = [name for name in COMPARED if name in ours.names and name in theirs.names]
    columns = {name: (ours.column(name), theirs.column(name)) for name in names}
    for number, step in enumerate(ours.steps):
        if not start < step <= until:
            continue
        other = place.get(step)
        if other is None:
            before_ours = step
            continue
        before_theirs = theirs.steps[other - 1] if other else start
        compared += 1
        for name, (one, another) in columns.items():
            if name in ("loss", "aux_loss") and before_ours != before_theirs:
                continue
            here, there = one[number], another[other]
            if here != there and not (here != here and there != there):
                return compared, LineDifference(step, name, here, there)
        before_ours = step
    return compared, None


def _take_aside(target: CheckpointInfo | None, place: Path) -> CheckpointInfo | None:
    """The checkpoint to compare with, safe from deletion; None when there is none that holds."""
    if target is None or target.record is None:
        return None
    folder = RunFolder(place / "compared")
    try:
        folder.path.mkdir()
        return copy_checkpoint(target, folder, attempt=target.record.attempt)
    except (CheckpointError, OSError):
        return None


@contextlib.contextmanager
def _scratch(plan: ReplayPlan) -> Iterator[RunFolder]:
    """A run folder of its own for a while, in the cache, under the run's id. Raises UserError when none can be made."""
    place = cache_dir() / "replays"
    manifest = plan.manifest.model_copy(update={"attempts": [], "save_dir": None, "deadline_at": None})
    try:
        place.mkdir(parents=True, exist_ok=True)
        _sweep(place)
        above = Path(tempfile.mkdtemp(prefix="replay-", dir=place))
    except OSError as error:
        raise UserError(
            _("Cannot make a scratch folder in {folder}: {problem}.").format(folder=place, problem=error.strerror)
        ) from error
    try:
        folder = RunFolder(above / plan.run.id)
        try:
            folder.checkpoints.mkdir(parents=True)
            folder.run_toml.write_text(render_settings(plan.settings), encoding="utf-8")
            folder.write_manifest(manifest)
            with contextlib.suppress(FileNotFoundError):  # what it passes over and excludes is part of the course
                shutil.copyfile(plan.run.guard, folder.guard)
        except OSError as error:
            raise UserError(_("The replay cannot be made: {problem}").format(problem=error)) from error
        yield folder
    finally:
        shutil.rmtree(above, ignore_errors=True)


def _sweep(place: Path) -> None:
    """Remove what replays left whose process was killed, after a day."""
    for path in place.glob("replay-*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(path, ignore_errors=True)


def _work(plan: ReplayPlan, scratch: RunFolder, attempt: int, on_progress: Progress) -> None:
    """Run the run's own worker in the scratch folder to the end. Raises UserError when it does not get there."""
    module = LAUNCHER if plan.settings.processes > 1 else WORKER
    killed_before = oom_kills()
    log = open_log(scratch.trainer_log)
    try:
        process = subprocess.Popen(
            [*python_module(module), str(scratch.path), "--attempt", str(attempt)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # should this process be killed, the worker ends as one that lost its supervisor
            env=module_environment() | {SUPERVISOR_VARIABLE: this_process().model_dump_json()},
            process_group=0,
        )
    except OSError as error:
        raise UserError(_("The worker could not be started: {problem}").format(problem=error)) from error
    finally:
        os.close(log)
    try:
        while process.poll() is None:
            status = _status(scratch)
            if status is not None:
                on_progress(status.phase or "", status.step)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_LOOK_SECONDS)
    finally:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    status = _status(scratch)
    outcome = None if status is None else status.outcome
    if outcome is None:
        outcome = outcome_of_death(scratch, process.returncode, killed_before, 0)
    if status is None or outcome.state == State.FAILED or status.step < plan.until:
        raise UserError(_("The replay did not get to its end: {problem}").format(problem=outcome.message))


def _status(scratch: RunFolder) -> Status | None:
    with contextlib.suppress(OSError):
        return read_status(scratch.status)
    return None


def _other_surroundings(plan: ReplayPlan, scratch: RunFolder, made: CheckpointInfo | None) -> list[str]:
    """What the replay was made with other than the run was, from the records of both."""
    now = surroundings_of(made)
    found: list[str] = []
    for info in (plan.start, plan.target):
        saved = surroundings_of(info)
        if saved and now:
            found += differences(saved, now)
    record = next(iter(scratch.read_manifest().attempts), None)
    if record is not None and not (plan.start and plan.start.record and plan.start.record.attempt == 0):
        found += record.why_inexact  # a fork's first attempt names what it was given, in the run as here
    return list(dict.fromkeys([*found, *unrepeatable(now)]))
