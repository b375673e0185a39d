"""Everything of a run that can be proven to be whole, looked at one after the other. Nothing is changed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from engine.errors import UserError
from engine.language import _
from engine.run.badge import Badge, badge_of
from engine.run.checkpoints import CheckpointInfo, below, scan, verify
from engine.run.comparing import compare_saved
from engine.run.folder import RunFolder
from engine.run.log_check import LogCheck, check_events, check_metrics
from engine.run.publishing import WEIGHT_SUFFIXES, published_by
from engine.run.schema import Manifest
from engine.settings.run_toml import parse_settings

Verdict = Literal["ok", "damaged", "note"]
"""note: something to know that is no damage."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at, what was found in words, and the same as plain values."""

    what: str
    """manifest, settings, checkpoint, weights, metrics or events."""
    name: str
    verdict: Verdict
    words: str
    facts: dict[str, Any] = field(default_factory=dict)


def verify_run(
    folder: RunFolder, step: int | None = None, on_bytes: Callable[[int], None] | None = None
) -> Iterator[Finding]:
    """Look at a run's manifest, settings, checkpoints (or the one at `step` alone), published weights and logs.

    `on_bytes` hears of each chunk that is hashed. Raises UserError when the folder is no run's, or has no checkpoint at
    `step`. What is damaged is a finding, never an error.
    """
    if not folder.path.is_dir():
        raise UserError(_("There is no run's folder {path}.").format(path=folder.path))
    infos = scan(folder)
    if step is not None and step not in {info.step for info in infos}:
        raise UserError(
            _("Run {run} has no checkpoint at step {step}; there are: {steps}.").format(
                run=folder.id, step=step, steps=", ".join(str(info.step) for info in reversed(infos)) or "-"
            )
        )
    manifest, found = _look_at_manifest(folder)
    yield found
    interval, found = _look_at_settings(folder)
    yield found
    whole: dict[int, CheckpointInfo] = {}
    for info in infos:
        if step is None or info.step == step:
            found = _look_at_checkpoint(info, manifest, on_bytes)
            if found.verdict == "ok":
                whole[info.step] = info
            yield found
    if not infos:
        yield Finding("checkpoint", "", "note", _("there is none yet"))
    aside = sorted(path.name for path in below(folder) if ".bad-" in path.name)
    for name in aside:
        yield Finding("checkpoint", name, "note", _("it turned out damaged, was set aside and is not used"))
    if step is None:
        yield from _look_at_weights(folder, manifest, infos, whole)
    yield _look_at_metrics(folder, manifest, infos, interval)
    yield _look_at_events(folder)


def _look_at_manifest(folder: RunFolder) -> tuple[Manifest | None, Finding]:
    try:
        manifest = folder.read_manifest()
    except UserError as error:
        return None, Finding("manifest", folder.manifest.name, "damaged", str(error))
    numbers = [one.attempt for one in manifest.attempts]
    problem = ""
    if numbers != sorted(set(numbers)):
        problem = _("its attempts are not in order: {numbers}").format(numbers=", ".join(map(str, numbers)))
    elif wrong := [
        one.attempt for one in manifest.attempts if (one.start_step > 0) != (one.from_checkpoint is not None)
    ]:
        problem = _("attempt {n} does not say which checkpoint it began from").format(n=wrong[0])
    if problem:
        return manifest, Finding("manifest", folder.manifest.name, "damaged", problem)
    words = _("format {format}, {n} attempts").format(format=manifest.format, n=len(numbers))
    if manifest.id and manifest.id != folder.id:
        words += ", " + _("written as {id}: the folder was renamed or copied").format(id=manifest.id)
    return manifest, Finding("manifest", folder.manifest.name, "ok", words, {"attempts": len(numbers)})


def _look_at_settings(folder: RunFolder) -> tuple[int, Finding]:
    """The run's log interval as its settings say, and what is to be said of them."""
    try:
        settings, preset = parse_settings(folder.run_toml)
    except UserError as error:
        return 1, Finding("settings", folder.run_toml.name, "damaged", str(error))
    words = _("based on {preset}").format(preset=preset) if preset else _("readable")
    return settings.log_interval, Finding("settings", folder.run_toml.name, "ok", words)


def _look_at_checkpoint(
    info: CheckpointInfo, manifest: Manifest | None, on_bytes: Callable[[int], None] | None
) -> Finding:
    problem = verify(info, on_bytes, run=None if manifest is None else manifest.id)
    facts: dict[str, Any] = {"step": info.step, "bytes": info.size, "path": str(info.path)}
    if problem and not info.path.exists():
        return Finding("checkpoint", info.name, "note", _("the run deleted it meanwhile"), facts)
    if problem or info.record is None:
        return Finding("checkpoint", info.name, "damaged", problem, facts | {"problem": problem})
    badge = badge_of(info.record, manifest)
    facts |= {"exact": badge.exact, "why_inexact": list(badge.reasons), "inexact_since": badge.since}
    return Finding("checkpoint", info.name, "ok", _whole_words(info, badge), facts)


def _whole_words(info: CheckpointInfo, badge: Badge) -> str:
    count = len(info.record.files) if info.record is not None else 0
    return _("{n} files as they were written, {badge}").format(n=count, badge=badge.words())


def _look_at_weights(
    folder: RunFolder, manifest: Manifest | None, infos: list[CheckpointInfo], whole: dict[int, CheckpointInfo]
) -> Iterator[Finding]:
    stem = manifest.weights_name if manifest is not None else None
    if stem is None:
        return
    places = [folder.weights]
    if manifest is not None and manifest.save_dir is not None:
        places.append(Path(manifest.save_dir))
    for place in places:
        paths = [path for suffix in WEIGHT_SUFFIXES if (path := place / f"{stem}{suffix}").is_file()]
        by = published_by(place, stem)
        if place != folder.weights and (by is None or by.run != folder.id):
            continue  # another run's by now
        if not paths:
            if infos and place == folder.weights:
                yield Finding("weights", str(place), "note", _("nothing is published there"))
            continue
        yield from _look_at_published(paths, None if by is None else by.step, whole)


def _look_at_published(paths: list[Path], step: int | None, whole: dict[int, CheckpointInfo]) -> Iterator[Finding]:
    facts: dict[str, Any] = {"step": step}
    words = ""
    if step is None:
        words = _("nothing says which step they are of")
    elif step not in whole:
        words = _("of step {step}, whose checkpoint is not there whole to compare them with").format(step=step)
    if words or step is None:
        for path in paths:
            yield Finding("weights", path.name, "note", words, facts | {"path": str(path)})
        return
    for path, found in zip(paths, compare_saved([(path, whole[step].path) for path in paths]), strict=True):
        there = facts | {"path": str(path)}
        if "problem" in found:
            verdict: Verdict = "note" if found.get("failed") else "damaged"
            yield Finding("weights", path.name, verdict, str(found["problem"]), there)
            continue
        part = found["weights"]
        if part["different"] and (newer := _of_newer(path, step, whole)):
            yield Finding("weights", path.name, "note", newer, there)
        elif part["different"]:
            words = _("{n} of {count} tensors are not those of step {step}, the first is {name}").format(
                n=part["different"], count=part["count"], step=step, name=part["first"]["name"]
            )
            yield Finding("weights", path.name, "damaged", words, there | part)
        else:
            words = _("those of step {step}, all {count} tensors").format(step=step, count=part["count"])
            yield Finding("weights", path.name, "ok", words, there)


def _of_newer(path: Path, step: int, whole: dict[int, CheckpointInfo]) -> str:
    """What to say of weights that are newer than the file beside them tells; empty where that is no explanation."""
    newest = max(whole)
    now = published_by(path.parent, path.stem)
    if newest == step and now is not None and now.step == step:
        return ""
    (found,) = compare_saved([(path, whole[newest].path)])
    if now is None or now.step != step or ("weights" in found and not found["weights"]["different"]):
        return _("newer than step {step}, which the file beside them names: they were just being replaced").format(
            step=step
        )
    return ""


def _look_at_metrics(
    folder: RunFolder, manifest: Manifest | None, infos: list[CheckpointInfo], interval: int
) -> Finding:
    lineage = None if manifest is None else manifest.lineage
    start = lineage.step or 0 if lineage is not None and lineage.kind == "fork" else 0
    reach = max((info.step for info in infos if info.record is not None), default=start)
    try:
        check = check_metrics(folder, start=start, must_reach=reach, log_interval=interval)
    except OSError as error:
        return Finding("metrics", folder.metrics.name, "damaged", error.strerror or str(error))
    facts = _facts_of(check)
    if check.gap is not None:
        words = _("updates are missing: after step {before} comes step {after}").format(
            before=check.gap[0], after=check.gap[1]
        )
        return Finding("metrics", folder.metrics.name, "damaged", words, facts)
    if not check.lines:
        return Finding("metrics", folder.metrics.name, "note", _("nothing is logged yet"), facts)
    words = _("steps {first} to {last} without a gap").format(first=check.first, last=check.last)
    return Finding("metrics", folder.metrics.name, "ok", words + _torn_words(check), facts)


def _look_at_events(folder: RunFolder) -> Finding:
    try:
        check = check_events(folder)
    except OSError as error:
        return Finding("events", folder.events.name, "damaged", error.strerror or str(error))
    if not check.lines:
        return Finding("events", folder.events.name, "note", _("nothing is logged yet"))
    words = _("{n} events").format(n=check.lines)
    return Finding("events", folder.events.name, "ok", words + _torn_words(check), _facts_of(check))


def _torn_words(check: LogCheck) -> str:
    return ", " + _("{n} torn lines are left out").format(n=check.torn) if check.torn else ""


def _facts_of(check: LogCheck) -> dict[str, Any]:
    return {
        "lines": check.lines,
        "first": check.first,
        "last": check.last,
        "torn": check.torn,
        "gap": None if check.gap is None else list(check.gap),
    }
