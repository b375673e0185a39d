"""Forking a run: a new run that goes on from a checkpoint of another, with settings of its own.

Everything that can be known without torch is known before anything is written. The fork's folder appears complete, its
copy of the checkpoint included, or not at all. Its worker makes the same decisions again from the checkpoint itself
(engine.train.forking).
"""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from engine.errors import UserError
from engine.language import _
from engine.places import named_path
from engine.places import runs_dir as usual_runs_dir
from engine.run.checkpoints import CheckpointError, CheckpointInfo, best, copy_checkpoint, scan
from engine.run.clock import seconds_since, utc_iso
from engine.run.course import current_course
from engine.run.create import create_run
from engine.run.folder import RunFolder, is_plain_name
from engine.run.guard_record import inherit_guard
from engine.run.launch import deadline_moment, is_same_data, weights_name
from engine.run.publishing import check_save_dir, claim_save_dir
from engine.run.schema import CheckpointRecord, Lineage, Manifest
from engine.run.taking_over import TakingOver
from engine.settings.declaration import declarations
from engine.settings.material import find_data
from engine.settings.on_resume import change_in_words, check_fork
from engine.settings.onward import (
    COURSE_SETTINGS,
    END_SETTINGS,
    ROW_SETTINGS,
    How,
    bounded_by_time,
    bounded_end,
    updates_left,
)
from engine.settings.resolve import build_settings
from engine.settings.run_toml import parse_settings, render_settings
from engine.settings.settings import Settings

Wanted = int | Literal["last", "best"] | None

_DECLARATIONS = declarations(Settings)
_MOST_ANCESTORS = 100


@dataclass(frozen=True)
class ForkPlan:
    """A fork that can be made."""

    parent: RunFolder
    checkpoint: CheckpointInfo
    settings: Settings
    """All of the fork's settings."""
    name: str
    """The last part of its id."""
    preset: str | None
    given: dict[str, tuple[Any, Any]]
    """What is other than in the parent, each setting as (before, after)."""
    keeps: list[str]
    """What is taken over from the checkpoint, in words."""
    loses: list[str]
    """What is not, and why."""
    why_inexact: list[str]
    """Why it does not go on bit for bit as its parent would have; empty when it does, on the same machine."""
    end: int | None
    """Its last update, the parent's counted, where that is known before the text is read."""
    data: str
    tokenizer: str
    deadline_at: str | None
    save_dir: Path | None
    notes: list[str] = field(default_factory=list)
    """What a person should know before it is made."""

    @property
    def step(self) -> int:
        """The updates behind it when it begins."""
        return self.checkpoint.step


def find_checkpoint(folder: RunFolder, wanted: Wanted = None) -> CheckpointInfo:
    """The checkpoint of a run that is meant: a step, `best` by validation loss, or `last` (None is the same).

    Unverified: hashes are looked at when it is used. Raises UserError, naming those there are, when there is none.
    """
    infos = [info for info in scan(folder) if info.record is not None]
    if not infos:
        raise UserError(_("Run {run} has no checkpoint to fork from yet.").format(run=folder.id))
    if wanted in (None, "last"):
        return infos[0]
    if wanted == "best":
        lowest = best(infos)
        if lowest is None:
            raise UserError(
                _("No checkpoint of run {run} was validated, so none is the best: give a step ({steps}).").format(
                    run=folder.id, steps=_steps(infos)
                )
            )
        return lowest
    found = next((info for info in infos if info.step == wanted), None)
    if found is None:
        raise UserError(
            _("Run {run} has no checkpoint at step {step}; there are: {steps}.").format(
                run=folder.id, step=wanted, steps=_steps(infos)
            )
        )
    return found


def plan_fork(
    folder: RunFolder,
    step: Wanted = None,
    values: Mapping[str, Any] | None = None,
    *,
    name: str | None = None,
    places: Mapping[str, str] | None = None,
    force: bool = False,
) -> ForkPlan:
    """Check that a fork of `folder` at `step` with the changed `values` can be made; nothing is written.

    `values` are only the settings asked for: a learning_rate among them begins the schedule anew even where it is the
    parent's. The run may be in training. `force` lets the fork replace another run's weights in save_dir. Raises
    UserError: no such checkpoint, a wrong value, a setting that no fork can change, nothing left to train, a schedule
    that has come to nothing, a deadline that is over.
    """
    manifest = folder.read_manifest()
    info = find_checkpoint(folder, step)
    record = info.record
    assert record is not None
    before, preset = parse_settings(folder.run_toml)
    asked = dict(values or {})
    if "data_path" in asked and is_same_data(folder, str(asked["data_path"])):
        del asked["data_path"]
    after = build_settings(before.model_dump(), asked, places=places)
    given = check_fork(before, after).changed
    if "learning_rate" in asked:
        given["learning_rate"] = (before.learning_rate, after.learning_rate)
    untrained = record.attempt == 0 and manifest.lineage is not None and manifest.lineage.kind == "fork"
    if untrained and manifest.lineage is not None:
        # the parent is a fork that has not trained yet: its own changes are still to be applied, and ours with them
        given = _composed(manifest.lineage.settings, given, after)
    after, given = _with_course(record, after, given)
    taking, end = _taking_over(record, after, given)
    if manifest.data_path is None or manifest.tokenizer_path is None:
        raise UserError(_("{path} does not say which text and tokenizer to use.").format(path=folder.manifest))
    found = find_data(after.data_path) if "data_path" in asked else None
    save_dir = None if after.save_dir == "none" else named_path(after.save_dir).absolute()
    notes = [found.note] if found is not None and found.note else []
    if save_dir is not None:
        check_save_dir(save_dir, weights_name(after), ancestors=_ancestors(folder), start=None, force=force)
        notes.append(
            _("{path} will hold this fork's weights from now on.").format(path=save_dir / f"{weights_name(after)}.pth")
        )
    lost = taking.lost()
    changes = [
        change_in_words(one, *pair)
        for one, pair in given.items()
        if pair[0] != pair[1] and _DECLARATIONS[one].on_resume != "free"
    ]
    return ForkPlan(
        parent=folder,
        checkpoint=info,
        settings=after,
        name=name or _fork_name(manifest.name),
        preset=preset,
        given=given,
        keeps=taking.kept(),
        loses=lost,
        why_inexact=[*changes, *lost],
        end=end,
        data=str(found.path) if found is not None else manifest.data_path,
        tokenizer=manifest.tokenizer_path,
        deadline_at=_deadline(after, manifest, asked="deadline" in asked),
        save_dir=save_dir,
        notes=notes,
    )


def make_fork(plan: ForkPlan, runs_dir: Path | None = None, on_bytes: Callable[[int], None] | None = None) -> RunFolder:
    """The folder of a planned fork, with its copy of the checkpoint, whose hashes are verified. Starts nothing.

    `on_bytes` hears of the bytes verified; `plan.checkpoint.size` is all of them. The place in save_dir is the fork's
    from now on. Raises UserError: the checkpoint is damaged or gone, or the disk refuses; then nothing is left behind.
    """
    settings = plan.settings
    lineage = Lineage(
        kind="fork",
        run=plan.parent.id,
        path=str(plan.checkpoint.path),
        step=plan.checkpoint.step,
        settings={name: [_plain(value) for value in pair] for name, pair in plan.given.items()},
    )
    known = {
        "preset": plan.preset,
        "weights_name": weights_name(settings),
        "data_path": plan.data,
        "tokenizer_path": plan.tokenizer,
        "seed": settings.seed,
        "save_dir": str(plan.save_dir) if plan.save_dir else None,
        "deadline_at": plan.deadline_at,
        "lineage": lineage,
    }
    manifest = Manifest.model_validate({name: value for name, value in known.items() if value is not None})
    changes: dict[str, Any] = {"keep": False}
    if set(plan.given) & {*ROW_SETTINGS, "validation_tokens"}:
        changes["validation_loss"] = None  # measured on other text: it must not compete with the fork's own

    def copy(folder: RunFolder) -> None:
        copy_checkpoint(plan.checkpoint, folder, on_bytes, **changes)
        inherit_guard(plan.parent, folder, same_order=not set(plan.given) & {*ROW_SETTINGS, "seed"})

    try:
        folder = create_run(
            runs_dir or usual_runs_dir(), plan.name, render_settings(settings, plan.preset), manifest, fill=copy
        )
    except (CheckpointError, OSError) as error:
        raise UserError(str(error)) from error
    if plan.save_dir is not None:
        try:
            claim_save_dir(plan.save_dir, weights_name(settings), folder.id)
        except UserError:
            shutil.rmtree(folder.path, ignore_errors=True)  # nobody can have started it yet
            raise
    return folder


def _with_course(
    record: CheckpointRecord, after: Settings, given: dict[str, tuple[Any, Any]]
) -> tuple[Settings, dict[str, tuple[Any, Any]]]:
    """The fork's settings with the peak and warm-up of a schedule that begins anew without having been given one:
    it starts at the learning rate of the last update made, and what is warm does not warm up again.
    """
    asked = set(given)
    course = current_course(record)
    shaped = bool(asked & set(COURSE_SETTINGS))
    derived: dict[str, Any] = {}
    if not shaped:
        if course is None or course[1].progress(record.step) < 1.0:
            return after, given
        if not asked & {*END_SETTINGS, *ROW_SETTINGS}:
            raise UserError(_nothing_left(record.step))
        if course[0].kind == "constant":
            return after, given
    if "learning_rate" not in asked:
        if course is None:
            raise UserError(
                _(
                    "Checkpoint step {step} does not say how its learning rate stood, and the fork's schedule begins "
                    "anew: give the fork its own --learning_rate."
                ).format(step=record.step)
            )
        schedule, horizon, scale = course
        if shaped and schedule.is_warming_up(record.step) and "warmup_steps" not in asked:
            return after, given
        derived["learning_rate"] = schedule.rate_to_go_on(horizon, record.step) * scale
    if "warmup_steps" not in asked and after.warmup_steps:
        derived["warmup_steps"] = 0
    pairs = {name: (given.get(name, (getattr(after, name),))[0], value) for name, value in derived.items()}
    return after.model_copy(update=derived), given | pairs


def _taking_over(
    record: CheckpointRecord, after: Settings, given: dict[str, tuple[Any, Any]]
) -> tuple[TakingOver, int | None]:
    """What is kept and what not, and the last update where it is known. Raises UserError when none is left to make."""
    same_rows = not set(given) & set(ROW_SETTINGS)
    if 0 < after.max_steps <= record.step:
        raise UserError(
            _(
                "max_steps = {most} counts all updates, and {step} are made at this checkpoint: nothing is left to "
                "train. Give --max_steps more than that, or 0 for no bound."
            ).format(most=after.max_steps, step=record.step)
        )
    end: int | None = None
    epoch, row = record.epoch, record.row
    if same_rows and epoch is not None and row is not None and record.row_count:
        place = (epoch + 1, 0) if "seed" in given and row else (epoch, row)
        left = updates_left(
            *place, epochs=after.epochs, row_count=record.row_count, rows_per_update=after.rows_per_update
        )
        end = bounded_end(record.step, left, after.max_steps)
        if end <= record.step:
            raise UserError(_nothing_left(record.step))
    course = current_course(record)
    how: How | None = None
    if set(given) & set(COURSE_SETTINGS):
        how = "anew"
    elif course is not None:
        timed = bounded_by_time(after)
        stays = same_rows and (not set(given) & set(END_SETTINGS) if timed else end == course[1].end)
        how = "kept" if stays else "moved"
    taking = TakingOver(
        given=given,
        step=record.step,
        tokens=record.tokens,
        epoch=epoch,
        row=row,
        row_count=record.row_count,
        same_rows=same_rows,
        had_best=after.validation,
        lr_scale=1.0 if course is None else course[2],
        how=how,
        rate=after.learning_rate,
        warms=after.warmup_steps > 0,
        end=None if bounded_by_time(after) else end,
    )
    return taking, end


def _composed(
    earlier: Mapping[str, list[Any]], given: Mapping[str, tuple[Any, Any]], after: Settings
) -> dict[str, tuple[Any, Any]]:
    """What two forks in a row were given, as one; what the second takes back is not among it."""
    befores = {name: pair[0] for name, pair in given.items()} | {name: pair[0] for name, pair in earlier.items()}
    pairs = {name: (before, _plain(getattr(after, name))) for name, before in befores.items()}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1] or name == "learning_rate"}


def _deadline(after: Settings, manifest: Manifest, *, asked: bool) -> str | None:
    """The moment the fork's deadline means: its own, or the parent's. Raises UserError when it is over."""
    if after.deadline == "none":
        return None
    if asked or manifest.deadline_at is None:
        return utc_iso(deadline_moment(after.deadline).timestamp())
    if (seconds_since(manifest.deadline_at) or 0.0) >= 0.0:
        raise UserError(
            _(
                "The run was to end by {moment}, which is over, and so was its fork. Give the fork its own --deadline, "
                "or --deadline none."
            ).format(moment=manifest.deadline_at)
        )
    return manifest.deadline_at


def _ancestors(folder: RunFolder) -> frozenset[str]:
    """The run and those it comes from, as far as their folders still tell."""
    found: list[str] = []
    while folder.id not in found and len(found) < _MOST_ANCESTORS:
        found.append(folder.id)
        try:
            lineage = folder.read_manifest().lineage
        except UserError:
            break
        if lineage is None or lineage.run is None or not is_plain_name(lineage.run):
            break
        folder = RunFolder(folder.path.parent / lineage.run)
    return frozenset(found)


def _fork_name(parent: str) -> str:
    return parent if parent.endswith("-fork") else f"{parent}-fork"


def _nothing_left(step: int) -> str:
    return _(
        "The checkpoint at step {step} is the end of its run: nothing is left to train. Give the fork more --epochs, "
        "or other bounds, or take an earlier checkpoint."
    ).format(step=step)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _steps(infos: list[CheckpointInfo]) -> str:
    return ", ".join(str(info.step) for info in reversed(infos))
