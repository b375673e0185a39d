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
from engine.run.checkpoints import CheckpointError, CheckpointInfo, copy_checkpoint, scan, verify
from engine.run.comparing import compare_saved
from engine.run.folder import RunFolder
from engine.run.history import MetricsHistory
from engine.run.jsonl_log import Line, read_lines
from engine.run.process import this_process
from engine.run.replay_script import ReplayScript, write_script
from engine.run.schema import Manifest, State, Status
from engine.run.start import LAUNCHER, WORKER, module_environment, python_module
from engine.run.status import read_status
from engine.run.surroundings import differences, unrepeatable
from engine.run.trainer_log import open_log
from engine.run.worker_death import oom_kills, outcome_of_death
from engine.run.worker_link import SUPERVISOR_VARIABLE
from engine.settings.run_toml import parse_settings, render_settings
from engine.settings.settings import Settings

COMPARED = ("loss", "grad_norm", "lr", "tokens", "skipped", "aux_loss", "loss_scale")
"""What of a log line is no matter of time."""

_LOOK_SECONDS = 0.1
_STALE_SECONDS = 24 * 3600.0

Progress = Callable[[str, int], None]
"""Hears what the replay is busy with (a word of `Phase`) and at which update."""


@dataclass(frozen=True)
class ReplayPlan:
    """A replay that can be made."""

    run: RunFolder
    start: CheckpointInfo | None
    """The checkpoint it begins from; None at the run's beginning."""
    target: CheckpointInfo | None
    """The checkpoint it is compared with, of those on the way the last; None when there is none."""
    until: int
    settings: Settings
    manifest: Manifest
    history: MetricsHistory
    script: ReplayScript

    @property
    def step(self) -> int:
        """The update it begins after."""
        return 0 if self.start is None else self.start.step


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


def plan_replay(run: RunFolder, steps: int, step: int | None = None) -> ReplayPlan:
    """Choose what to replay: the `steps` updates after checkpoint `step` (0: the beginning).

    Without a step it is the newest checkpoint that a later one within `steps` can be compared with, else the newest
    that logged updates follow. Raises UserError: fewer than one step, no such checkpoint, nothing to compare with.
    """
    if steps < 1:
        raise UserError(_("--replay {steps}: expected the number of updates to replay, 1 or more.").format(steps=steps))
    manifest = run.read_manifest()
    settings, _preset = parse_settings(run.run_toml)
    history = MetricsHistory()
    history.feed(read_lines(run.metrics))
    infos = [info for info in scan(run) if info.record is not None]
    logged = list(history.train.steps)
    begins = manifest.lineage.step or 0 if manifest.lineage is not None and manifest.lineage.kind == "fork" else 0
    known = {info.step: info for info in infos}
    starts = [*known] if begins else [*known, 0]  # newest first
    if step is not None and step not in starts:
        raise UserError(
            _("Run {run} has no checkpoint at step {step}; there are: {steps}.").format(
                run=run.id, step=step, steps=", ".join(str(one) for one in sorted(starts))
            )
        )
    chosen = step if step is not None else _choose(starts, logged, steps)
    after = dict.fromkeys([*logged, *known])
    if chosen is None or not _between(after, chosen, steps):
        raise UserError(
            _("Run {run} has nothing after step {step} that a replay could be compared with yet.").format(
                run=run.id, step=chosen if chosen is not None else max(starts)
            )
        )
    until = min(chosen + steps, max(after))
    target = next((known[one] for one in sorted(known, reverse=True) if one in _between(known, chosen, steps)), None)
    start = known.get(chosen)
    ends, scales = _course(read_lines(run.events), manifest, chosen, until)
    script = ReplayScript(until=until, save_at=None if target is None else target.step, ends=ends, lr_scales=scales)
    around = _around(target, start)
    return ReplayPlan(run, start, target, until, _as_it_was(settings, around), manifest, history, script)


def run_replay(plan: ReplayPlan, on_progress: Progress = lambda phase, step: None) -> ReplayResult:
    """Make the updates again and compare. Whatever happens nothing is left behind, and the run is not touched.

    Raises UserError: the checkpoint is damaged, the text is another now, the disk refuses, the worker failed.
    """
    with _scratch(plan) as scratch:
        try:
            if plan.start is not None and plan.start.record is not None:
                copy_checkpoint(plan.start, scratch, attempt=plan.start.record.attempt)
            write_script(scratch, plan.script)
            record = begin_attempt(scratch, 1, 0, lambda done, total: None)
        except (CheckpointError, OSError) as error:
            raise UserError(_("The replay cannot be made: {problem}").format(problem=error)) from error
        _work(plan, scratch, record.attempt, on_progress)
        history = MetricsHistory()
        history.feed(read_lines(scratch.metrics))
        lines, line = compare_lines(plan.history, history, plan.step, plan.until)
        made = next((info for info in scan(scratch) if info.step == plan.script.save_at), None)
        parts: dict[str, Any] | None = None
        target = plan.target
        if target is not None and made is not None and not verify(target):
            (parts,) = compare_saved([(target.path, made.path)])
            if "problem" in parts:
                raise UserError(_("The replay cannot be compared: {problem}").format(problem=parts["problem"]))
        else:
            target = None
        return ReplayResult(
            start=plan.step,
            until=plan.until,
            target=None if target is None else target.step,
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


def _choose(starts: list[int], logged: list[int], steps: int) -> int | None:
    for start in starts:
        if _between(dict.fromkeys(starts), start, steps):
            return start
    return next((start for start in starts if _between(dict.fromkeys(logged), start, steps)), None)


def _between(known: dict[int, Any], start: int | None, steps: int) -> list[int]:
    return [] if start is None else [one for one in known if start < one <= start + steps]


def _around(*infos: CheckpointInfo | None) -> dict[str, Any]:
    """The surroundings of the first of the checkpoints that tells of any."""
    return next((one.record.surroundings for one in infos if one and one.record and one.record.surroundings), {})


def _as_it_was(settings: Settings, around: dict[str, Any]) -> Settings:
    """The run's settings with what may have changed since as it was at a checkpoint, and without any effect outside."""
    changes: dict[str, Any] = {
        "save_interval": 0,
        "save_minutes": 0.0,
        "save_dir": "none",
        "use_tensorboard": False,
        "use_wandb": False,
        "use_swanlab": False,
        "keep_checkpoints": 2,
    }
    if around.get("device") == "cpu":
        changes |= {"device": "cpu", "num_threads": around.get("threads", settings.num_threads)}
    for name in ("dtype", "recompute", "deterministic"):
        if name in around:
            changes[name] = around[name]
    size = around.get("world_size", settings.processes)
    asked = around.get("batch_size_asked", settings.batch_size)
    if size != settings.processes or asked != settings.batch_size or settings.nnodes > 1:
        changes |= {"nproc": size, "nnodes": 1}
        if isinstance(asked, int) and settings.rows_per_update % (asked * size) == 0:
            changes |= {"batch_size": asked, "accumulation_steps": settings.rows_per_update // (asked * size)}
    return settings.model_copy(update=changes)


def _course(events: list[Line], manifest: Manifest, start: int, until: int) -> tuple[dict[int, int], dict[int, float]]:
    """What changed the learning rate's course after `start` and up to `until`, without what later attempts undid."""
    begun = [(one.attempt, one.start_step) for one in manifest.attempts]
    ends: dict[int, int] = {}
    scales: dict[int, float] = {}
    for event in events:
        step, attempt = event.get("step"), event.get("attempt")
        if type(step) is not int or type(attempt) is not int or not start < step <= until:
            continue
        if any(later > attempt and began < step for later, began in begun):
            continue
        if event.get("kind") == "planned" and type(event.get("total_steps")) is int:
            ends[step] = event["total_steps"]
        elif event.get("kind") == "lr_scale" and isinstance(event.get("after"), int | float):
            scales[step] = float(event["after"])
    return ends, scales


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
    now = _around(made)
    found: list[str] = []
    for info in (plan.start, plan.target):
        saved = _around(info)
        if saved and now:
            found += differences(saved, now)
    record = next(iter(scratch.read_manifest().attempts), None)
    if record is not None and not (plan.start and plan.start.record and plan.start.record.attempt == 0):
        found += record.why_inexact  # a fork's first attempt names what it was given, in the run as here
    return list(dict.fromkeys([*found, *unrepeatable(now)]))
