"""What of a run can be replayed: from where, how far, compared with what, under which settings."""

from dataclasses import dataclass
from typing import Any

from engine.errors import UserError
from engine.language import _
from engine.run.checkpoints import CheckpointInfo, scan
from engine.run.folder import RunFolder
from engine.run.history import MetricsHistory
from engine.run.jsonl_log import Line, read_lines
from engine.run.replay_script import ReplayScript
from engine.run.schema import Manifest
from engine.settings.run_toml import parse_settings
from engine.settings.settings import Settings


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
    around = surroundings_of(target, start)
    return ReplayPlan(run, start, target, until, _as_it_was(settings, around), manifest, history, script)


def _choose(starts: list[int], logged: list[int], steps: int) -> int | None:
    for start in starts:
        if _between(dict.fromkeys(starts), start, steps):
            return start
    return next((start for start in starts if _between(dict.fromkeys(logged), start, steps)), None)


def _between(known: dict[int, Any], start: int | None, steps: int) -> list[int]:
    return [] if start is None else [one for one in known if start < one <= start + steps]


def surroundings_of(*infos: CheckpointInfo | None) -> dict[str, Any]:
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
