"""From settings to a run's folder, and from an interrupted run to its continuation. Every check that needs no torch is
made before anything is written, so that a mistake leaves no empty run behind.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.errors import UserError
from engine.language import _
from engine.places import named_path
from engine.places import runs_dir as usual_runs_dir
from engine.run.atomic import write_atomic
from engine.run.checkpoints import newest, refuse_newer, scan
from engine.run.clock import seconds_since, utc_iso
from engine.run.course import current_course
from engine.run.create import create_run
from engine.run.find import list_runs
from engine.run.folder import RunFolder, is_plain_name
from engine.run.meeting import announced_endpoint
from engine.run.observe import observe
from engine.run.publishing import check_save_dir, claim_save_dir
from engine.run.requested import Weights, find_weights
from engine.run.schema import Lineage, Manifest, State
from engine.settings.material import find_data, find_tokenizer
from engine.settings.moments import deadline_at
from engine.settings.network import shape_from_settings
from engine.settings.on_resume import LENGTH, ResumeChange, check_resume, keep_rows
from engine.settings.onward import bounded_by_time, bounded_end, updates_left
from engine.settings.resolve import build_settings
from engine.settings.run_toml import parse_settings, render_settings
from engine.settings.settings import Settings

_SHIPPED_VOCABULARY = 6400


@dataclass(frozen=True)
class RunPlan:
    """A run that can be made: what was asked, and the files it means."""

    settings: Settings
    name: str
    """The last part of the run's id."""
    preset: str | None
    data: Path
    tokenizer: Path
    start_weights: Weights | None
    """The weights to begin from; None begins afresh."""
    deadline: datetime | None
    save_dir: Path | None
    """Where its weights are published beside its own folder."""
    notes: list[str] = field(default_factory=list)
    """What a person should know before it starts."""

    @property
    def weights_name(self) -> str:
        """MiniMind's name for the weights it will make, `pretrain_512`."""
        return weights_name(self.settings)


@dataclass(frozen=True)
class ResumePlan:
    """A run that can go on."""

    folder: RunFolder
    settings: Settings
    """With the changes."""
    preset: str | None
    change: ResumeChange
    paused: bool
    """Its supervisor waits for `continue`: none need be started."""
    finished: bool = False
    """It was finished, and goes on to a later end: start it `again`."""


def weights_name(settings: Settings) -> str:
    """MiniMind's name for the weights of such a run: `pretrain_512`, `pretrain_512_moe`."""
    return f"{settings.save_weight}_{settings.hidden_size}" + ("_moe" if settings.use_moe else "")


def stem_of(manifest: Manifest, usual: str) -> str:
    """The name that a run's manifest gives its weights, else the usual one. Raises UserError when it is no plain name:
    anybody may have written the manifest, and the weights are to land where they are expected.
    """
    name = manifest.weights_name or usual
    if not is_plain_name(name):
        raise UserError(
            _("manifest.json: weights_name is {name}, which is no name of a file. Take it out to resume.").format(
                name=name
            )
        )
    return name


def plan_run(
    settings: Settings,
    *,
    preset: str | None = None,
    name: str | None = None,
    runs_dir: Path | None = None,
    force: bool = False,
) -> RunPlan:
    """Check everything that can be checked without torch, and find the files the settings name. Writes nothing.

    `force` lets it replace another run's weights in save_dir. Raises UserError: no data, no tokenizer, no such weights,
    a shape that makes no network, processes without a device or a place to meet, a deadline that is over, a save_dir
    that holds other weights.
    """
    shape_from_settings(settings, _SHIPPED_VOCABULARY)  # its numbers must fit each other, whatever the vocabulary
    _refuse_one_device(settings)
    if settings.nnodes > 1:
        announced_endpoint(settings.nnodes)
    found = find_data(settings.data_path)
    tokenizer = find_tokenizer(settings.tokenizer)
    start = find_weights(settings, runs_dir or usual_runs_dir())
    deadline = None if settings.deadline == "none" else deadline_moment(settings.deadline)
    save_dir = None if settings.save_dir == "none" else named_path(settings.save_dir).absolute()
    if save_dir is not None:
        check_save_dir(
            save_dir,
            weights_name(settings),
            ancestors=frozenset({start.run} if start and start.run else ()),
            start=start.path if start else None,
            force=force,
        )
    return RunPlan(
        settings=settings,
        name=name or preset or settings.save_weight,
        preset=preset,
        data=found.path,
        tokenizer=tokenizer.resolve(),
        start_weights=start,
        deadline=deadline,
        save_dir=save_dir,
        notes=[found.note] if found.note else [],
    )


def _refuse_one_device(settings: Settings) -> None:
    """Raise UserError when several processes are to share one device."""
    if settings.nproc in (1, "auto"):
        return
    if ":" in settings.device or settings.device == "mps":
        raise UserError(
            _(
                "nproc = {nproc} with device = {device}: each process needs a device of its own. Take device = cuda "
                "(CUDA_VISIBLE_DEVICES chooses among GPUs) or cpu."
            ).format(nproc=settings.nproc, device=settings.device)
        )


def make_run(plan: RunPlan, runs_dir: Path | None = None) -> RunFolder:
    """The folder of a planned run: run.toml as it was asked, manifest.json with the files it meant. Starts nothing.

    The place in save_dir is the run's from now on. Raises UserError when either folder cannot be written.
    """
    known = {
        "preset": plan.preset,
        "weights_name": plan.weights_name,
        "data_path": str(plan.data),
        "tokenizer_path": str(plan.tokenizer),
        "seed": plan.settings.seed,
        "save_dir": str(plan.save_dir) if plan.save_dir else None,
        "deadline_at": utc_iso(plan.deadline.timestamp()) if plan.deadline else None,
        "lineage": _lineage(plan.start_weights),
    }
    manifest = Manifest.model_validate({name: value for name, value in known.items() if value is not None})
    folder = create_run(runs_dir or usual_runs_dir(), plan.name, render_settings(plan.settings, plan.preset), manifest)
    if plan.save_dir is not None:
        try:
            claim_save_dir(plan.save_dir, plan.weights_name, folder.id)
        except UserError:
            shutil.rmtree(folder.path, ignore_errors=True)  # nobody can have started it yet
            raise
    return folder


def newest_unfinished(wanted: str, runs_dir: Path | None = None) -> RunFolder:
    """The newest run of the weights name `wanted` (`pretrain_512`) that can go on.

    Raises UserError when there is none, saying whether the newest of that name is finished or still runs.
    """
    place = runs_dir or usual_runs_dir()
    first: UserError | None = None
    for folder in list_runs(place):
        try:
            if folder.read_manifest().weights_name != wanted:
                continue
            refuse_unresumable(folder)
        except UserError as error:
            first = first or error
            continue
        return folder
    if first is not None:
        raise first
    raise UserError(
        _("There is no run of {name} in {folder} to resume. Without --from_resume a new one starts.").format(
            name=wanted, folder=place
        )
    )


def refuse_unresumable(folder: RunFolder, *, longer: bool = False) -> None:
    """Return if the run can go on (a paused one can, a finished one if it is made `longer`). Raises UserError."""
    seen = observe(folder)
    if seen.is_live and seen.state is not State.PAUSED:
        raise UserError(_("Run {run} is running already. Watch it: minimind attach {run}").format(run=folder.id))
    if seen.state is State.FINISHED and not longer:
        steps = seen.status.step if seen.status else 0
        raise UserError(
            _(
                "Run {run} is finished: all its {steps} steps are made, nothing is left to resume. "
                "To train it further, fork it with more epochs: minimind fork {run} --epochs N"
            ).format(run=folder.id, steps=steps)
        )
    deadline = folder.read_manifest().deadline_at
    left = None if deadline is None else seconds_since(deadline)
    if deadline is not None and left is None:
        raise UserError(
            _("{path}: deadline_at is {text}, which is no moment. Mend it, or take it out, to resume.").format(
                path=folder.manifest, text=deadline
            )
        )
    if left is not None and left >= 0:
        raise UserError(
            _(
                "Run {run} was to end by {moment}, which is over: nothing is left to resume. "
                "To train it further, fork it: minimind fork {run} --deadline none"
            ).format(run=folder.id, moment=deadline)
        )


def plan_resume(
    folder: RunFolder, values: Mapping[str, Any] | None = None, places: Mapping[str, str] | None = None
) -> ResumePlan:
    """Check that a run can go on with the changed `values`; nothing is written.

    More epochs (or another max_steps) are taken where the schedule can be moved without changing any update made:
    constant, or wsd before its decay. Then a finished run goes on, too. Raises UserError when it runs or is finished,
    for a wrong value, and for a setting that a run keeps.
    """
    for info in scan(folder)[:1]:
        refuse_newer(info, folder)
    lengthens = any(name in (values or {}) for name in LENGTH) and _may_lengthen(folder)
    refuse_unresumable(folder, longer=lengthens)
    before, preset = parse_settings(folder.run_toml)
    asked = dict(values or {})
    if "data_path" in asked and is_same_data(folder, str(asked["data_path"])):
        del asked["data_path"]  # spelt otherwise, but the file it was trained on
    after = keep_rows(before, build_settings(before.model_dump(), asked, places=places), asked)
    change = check_resume(before, after, may_lengthen=lengthens and not bounded_by_time(before))
    state = observe(folder).state
    if state is State.FINISHED or set(change.changed) & set(LENGTH):
        _refuse_nothing_left(folder, after)
    return ResumePlan(folder, after, preset, change, state is State.PAUSED, state is State.FINISHED)


def apply_changes(plan: ResumePlan) -> None:
    """Write the changed settings into run.toml, so that the next attempt takes them; a new save_dir becomes the run's.

    Raises UserError, then nothing is changed.
    """
    if not plan.change.changed:
        return
    folder, settings = plan.folder, plan.settings
    if "save_dir" in plan.change.changed and settings.save_dir != "none":
        save_dir = named_path(settings.save_dir).absolute()
        stem = weights_name(settings)
        check_save_dir(save_dir, stem, ancestors=frozenset({folder.id}), start=None, force=False)
        claim_save_dir(save_dir, stem, folder.id)
        folder.change_manifest(lambda manifest: setattr(manifest, "save_dir", str(save_dir)))
    try:
        write_atomic(folder.run_toml, render_settings(settings, plan.preset).encode())
    except OSError as error:
        raise UserError(
            _("Cannot write {path}: {problem}.").format(path=folder.run_toml, problem=error.strerror)
        ) from error


def choose_cache(folder: RunFolder) -> None:
    """Let the run go on with the token cache of its text, should the file be another one or gone. Raises UserError."""

    def choose(manifest: Manifest) -> None:
        if manifest.text is not None:
            manifest.text.use_cache = True

    text = folder.read_manifest().text
    if text is None:
        raise UserError(
            _("Run {run} has not begun to train: there is no cache of its text to go on with.").format(run=folder.id)
        )
    if not text.use_cache:
        try:
            folder.change_manifest(choose)
        except OSError as error:
            raise UserError(
                _("Cannot write {path}: {problem}.").format(path=folder.manifest, problem=error.strerror)
            ) from error


def deadline_moment(deadline: str) -> datetime:
    """The moment, in UTC, that a deadline means when it is asked for now. Raises UserError when it is over."""
    now = datetime.now(UTC)
    moment = deadline_at(deadline, now)
    if moment <= now:
        raise UserError(
            _("deadline = {deadline} is over: it is {now} now.").format(
                deadline=deadline, now=now.astimezone().isoformat(timespec="minutes")
            )
        )
    return moment


def _may_lengthen(folder: RunFolder) -> bool:
    """Whether the newest checkpoint stands where its schedule's end may still be moved."""
    info = newest(folder)
    course = None if info is None or info.record is None else current_course(info.record)
    return info is not None and course is not None and course[0].extends_in_place(course[1], info.step)


def _refuse_nothing_left(folder: RunFolder, settings: Settings) -> None:
    """Raise UserError when the newest checkpoint stands at, or beyond, the end that `settings` ask for."""
    info = newest(folder)
    record = None if info is None else info.record
    if record is None or record.epoch is None or record.row is None or not record.row_count:
        return
    left = updates_left(
        record.epoch,
        record.row,
        epochs=settings.epochs,
        row_count=record.row_count,
        rows_per_update=settings.rows_per_update,
    )
    if bounded_end(record.step, left, settings.max_steps) <= record.step:
        raise UserError(
            _(
                "Run {run} has made all {step} updates that epochs = {epochs} and max_steps = {most} allow: nothing "
                "is left to resume. Give it more."
            ).format(run=folder.id, step=record.step, epochs=settings.epochs, most=settings.max_steps)
        )


def is_same_data(folder: RunFolder, asked: str) -> bool:
    """Whether `asked`, spelt otherwise perhaps, is the file that the run was trained on."""
    try:
        return str(find_data(asked).path) == folder.read_manifest().data_path
    except UserError:
        return False


def _lineage(start: Weights | None) -> Lineage | None:
    if start is None:
        return None
    return Lineage(kind="weights", run=start.run, path=str(start.path), step=start.step)
