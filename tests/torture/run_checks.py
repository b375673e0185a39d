"""What must hold of a run's folder after a fault, and at the end. Reads the files as runs/README.md describes them.

Apart from `observe` and the engine's own reader of metrics, which are held against it, nothing of the engine is used to
read what the engine wrote: hashes, lines, records and weights are read here by other means.
"""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from engine.run.folder import RunFolder
from engine.run.history import MetricsHistory
from engine.run.jsonl_log import read_lines
from engine.run.lock import is_held
from engine.run.observe import observe
from engine.run.schema import ENDED_STATES, State

TIMES = frozenset({"elapsed", "seconds", "data_wait"})
"""What differs between two runs of the same updates."""


@dataclass
class Logged:
    """metrics.jsonl once rewound: step and loss of each line. torn: lines that are no JSON object."""

    train: list[tuple[int, float]] = field(default_factory=list)
    validation: list[tuple[int, float]] = field(default_factory=list)
    torn: int = 0
    repeated: list[int] = field(default_factory=list)
    """For each attempt after the first: updates logged before it that it makes again."""


def read_metrics(path: Path) -> Logged:
    """The rule of runs/README.md, "Reading across attempts", written down once more."""
    logged = Logged()
    lines: list[dict[str, Any]] = []
    for raw in path.read_bytes().split(b"\n")[:-1] if path.exists() else []:
        try:
            lines.append(json.loads(raw))
        except ValueError:
            logged.torn += raw != b""
    kept: list[dict[str, Any]] = []
    newest, reached, start = 0, 0, -1
    for line in lines:
        attempt, step = line["attempt"], line["step"]
        if attempt < newest:
            continue  # late
        if line["kind"] == "attempt":
            start = line["start_step"]
            kept = [one for one in kept if one["attempt"] >= attempt or one["step"] <= start]
            if newest:
                logged.repeated.append(max(0, reached - start))
            newest, reached = attempt, start
            continue
        if attempt > newest:  # its header is lost
            kept = [one for one in kept if one["attempt"] >= attempt or one["step"] < step]
            newest = attempt
        if line["kind"] == "validation" and step == start:  # the checkpoint owed it
            kept = [one for one in kept if (one["kind"], one["step"]) != ("validation", start)]
        kept.append(line)
        if line["kind"] == "train":
            reached = max(reached, step)
    for kind in ("train", "validation"):
        getattr(logged, kind).extend((one["step"], one["loss"]) for one in kept if one["kind"] == kind)
    return logged


def checkpoint_problems(run: RunFolder) -> list[str]:
    """Every checkpoint that counts by its name is whole: a kill takes no byte of one that was renamed."""
    problems = []
    for folder in sorted(run.checkpoints.glob("step-*")):
        if ".bad-" in folder.name:
            problems.append(f"{folder.name}: a kill cannot damage a checkpoint, and one was set aside")
            continue
        try:
            record = json.loads((folder / "checkpoint.json").read_bytes())
            if set(record["files"]) != {"model.safetensors", "trainer.pth"}:
                problems.append(f"{folder.name} lists {sorted(record['files'])}")
            for name, listed in record["files"].items():
                data = (folder / name).read_bytes()
                if len(data) != listed["size"] or hashlib.sha256(data).hexdigest() != listed["sha256"]:
                    problems.append(f"{folder.name}/{name} is not what its record says")
        except (OSError, ValueError, KeyError) as error:
            problems.append(f"{folder.name} counts by its name, and is not whole: {error!r}")
    return problems


def weight_problems(folder: Path) -> list[str]:
    """Published weights that are there are whole: both forms load, and the file that names their run is JSON."""
    problems = []
    for path in sorted(folder.glob("pretrain_*")):
        try:
            if path.suffix == ".json":
                json.loads(path.read_bytes())["run"]
            elif path.suffix == ".pth":
                torch.load(path, map_location="cpu", weights_only=True)
            else:
                load_file(path)
        except FileNotFoundError:
            continue
        except Exception as error:  # whatever it is, it is no whole file
            problems.append(f"{path} is not whole: {error!r}")
    return problems


def record_problems(run: RunFolder) -> list[str]:
    """The files that are replaced in one step are JSON at any moment."""
    problems = []
    for path in (run.manifest, run.status):
        try:
            json.loads(path.read_bytes())
        except FileNotFoundError:
            continue
        except ValueError as error:
            problems.append(f"{path.name} is not whole: {error}")
    return problems


def debris_problems(run: RunFolder) -> list[str]:
    """After a fault, when no process of the run lives any more, whatever it left lying about."""
    problems = checkpoint_problems(run) + record_problems(run)
    problems += [problem for folder in published_in(run) for problem in weight_problems(folder)]
    seen = observe(run)
    if seen.state not in ENDED_STATES | {State.CREATED}:
        problems.append(f"no process lives, and the run counts as {seen.state}: {seen.message}")
    if is_held(run.lock):
        problems.append("no process lives, and the lock is held")
    return problems


def final_problems(run: RunFolder, reference: RunFolder, interval: int) -> list[str]:
    """The run is at its end as `reference` is, which nothing disturbed: same bits, same log, nothing left over."""
    problems = debris_problems(run)
    seen, wanted = json.loads(run.status.read_bytes()), json.loads(reference.status.read_bytes())
    for name in ("state", "reason", "step", "tokens", "loss", "best_validation", "last_checkpoint", "skipped"):
        if seen.get(name) != wanted.get(name):
            problems.append(f"status.json: {name} is {seen.get(name)}, not {wanted.get(name)}")
    if "worker" in seen or "outcome" in seen:
        problems.append("status.json names a worker or an outcome after the end")
    problems += _state_problems(run, reference) + _published_problems(run, reference)
    problems += _log_problems(run, reference, interval) + _left_over(run)
    attempts = json.loads(run.manifest.read_bytes())["attempts"]
    if [one["attempt"] for one in attempts] != list(range(1, len(attempts) + 1)):
        problems.append(f"attempts are numbered {[one['attempt'] for one in attempts]}")
    if attempts[-1]["end_state"] != "finished":
        problems.append(f"the last attempt ended as {attempts[-1]['end_state']}")
    if inexact := [one["why_inexact"] for one in attempts if one["exact"] is False]:
        problems.append(f"an attempt counts as inexact: {inexact}")
    return problems


def published_in(run: RunFolder) -> list[Path]:
    """The folders a run publishes its weights in."""
    save_dir = json.loads(run.manifest.read_bytes()).get("save_dir")
    return [run.weights] + ([Path(save_dir)] if save_dir else [])


def _state_problems(run: RunFolder, reference: RunFolder) -> list[str]:
    ours, theirs = (sorted(one.checkpoints.glob("step-*"))[-1] for one in (run, reference))
    if ours.name != theirs.name:
        return [f"the last checkpoint is {ours.name}, not {theirs.name}"]
    weights = (load_file(at / "model.safetensors") for at in (ours, theirs))
    problems = [f"weights: {one}" for one in _differences(*weights)]
    states = [torch.load(at / "trainer.pth", weights_only=True) for at in (ours, theirs)]
    return problems + [f"trainer's state: {one}" for one in _differences(*states)]


def _published_problems(run: RunFolder, reference: RunFolder) -> list[str]:
    problems = []
    (theirs,) = reference.weights.glob("*.pth")
    wanted = torch.load(theirs, weights_only=True)
    step = json.loads(reference.status.read_bytes())["step"]
    for folder in published_in(run):
        at = folder / theirs.name
        if not all(at.with_suffix(end).exists() for end in (".pth", ".safetensors", ".json")):
            problems.append(f"not all of the weights are published in {folder}")
            continue
        for found in (torch.load(at, weights_only=True), load_file(at.with_suffix(".safetensors"))):
            problems += [f"published in {folder}: {one}" for one in _differences(found, wanted)]
        said = json.loads(at.with_suffix(".json").read_bytes())
        if (said.get("run"), said.get("step")) != (run.id, step):
            problems.append(f"{folder} says its weights are of {said}")
    return problems


def _log_problems(run: RunFolder, reference: RunFolder, interval: int) -> list[str]:
    ours, theirs = read_metrics(run.metrics), read_metrics(reference.metrics)
    problems = []
    history = MetricsHistory()
    history.feed(read_lines(run.metrics))
    for kind in ("train", "validation"):
        mine, wanted = getattr(ours, kind), getattr(theirs, kind)
        if mine != wanted:
            problems.append(f"{kind} lines, once rewound: {mine} instead of {wanted}")
        series = getattr(history, kind)
        if list(zip(series.steps, series.column("loss"), strict=True)) != mine:
            problems.append(f"the engine reads other {kind} lines than the rule gives")
    if any(steps > interval for steps in ours.repeated):
        problems.append(f"updates made again: {ours.repeated}, more than {interval} between two checkpoints")
    return problems


def _left_over(run: RunFolder) -> list[str]:
    """Names that begin with a dot are unfinished or on their way out: at the end there is none."""
    found = [path for folder in (run.path, *published_in(run)) for path in folder.rglob(".*")]
    return [f"left over: {path}" for path in sorted(set(found))]


def _differences(ours: Any, theirs: Any, at: str = "") -> list[str]:
    if isinstance(theirs, torch.Tensor):
        same = isinstance(ours, torch.Tensor) and ours.dtype == theirs.dtype and torch.equal(ours, theirs)
        return [] if same else [f"{at} differs"]
    if isinstance(theirs, dict):
        if not isinstance(ours, dict) or ours.keys() != theirs.keys():
            return [f"{at} has other keys"]
        told = [_differences(ours[key], theirs[key], f"{at}/{key}") for key in theirs if key not in TIMES]
        return [one for some in told for one in some]
    if isinstance(theirs, list | tuple):
        if len(ours) != len(theirs):
            return [f"{at} has another length"]
        told = [_differences(*pair, f"{at}/{n}") for n, pair in enumerate(zip(ours, theirs, strict=True))]
        return [one for some in told for one in some]
    return [] if ours == theirs else [f"{at}: {ours} instead of {theirs}"]
