"""Starting and resuming runs from the face: everything is checked before a folder is made."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from engine.data.file_check import check_file
from engine.errors import UserError
from engine.estimate.device_probe import probe_device
from engine.estimate.memory import runtime_bytes
from engine.language import _
from engine.places import cache_dir, named_path
from engine.run.folder import RunFolder
from engine.run.fork import ForkPlan, Wanted, plan_fork
from engine.run.launch import ResumePlan, RunPlan, plan_resume, plan_run
from engine.run.restart_limit import DEFAULT_RESTARTS
from engine.run.start import WORKER, start_run
from engine.settings.presets import DEFAULT_PRESET, load_preset
from engine.settings.resolve import build_settings
from engine.settings.run_toml import parse_settings, read_values
from engine.settings.settings import Settings

WORKER_VARIABLE = "MINIMIND_WORKER"
"""Names another module to run as the worker; for tests, which have no torch to spare."""


def start_detached(folder: RunFolder, *, max_restarts: int = DEFAULT_RESTARTS, again: bool = False) -> None:
    """Start a made run's supervisor, or go on with an ended run (`again` a finished one). Raises UserError."""
    start_run(folder, worker=os.environ.get(WORKER_VARIABLE) or WORKER, max_restarts=max_restarts, again=again)


def asked_settings(
    preset: str | None, config: Path | None, values: Mapping[str, Any], places: Mapping[str, str]
) -> tuple[Settings, str | None]:
    """The settings of a preset or a run.toml with `values` over them, and the preset's name.

    With neither, the default preset. With both, the file lies over the preset. Raises UserError.
    """
    layers: list[Mapping[str, Any]] = []
    written: dict[str, str] = {}
    based_on = preset
    if preset is not None or config is None:
        chosen = load_preset(preset or DEFAULT_PRESET)
        based_on = chosen.name
        layers.append(chosen.values)
        written |= chosen.places()
    if config is not None:
        if not named_path(str(config), home=False).is_file():
            raise UserError(_("There is no file {path} (--config).").format(path=config))
        in_file, file_preset = read_values(config)
        based_on = based_on or file_preset
        layers.append(in_file)
        written |= dict.fromkeys(in_file, str(config))
    return build_settings(*layers, values, places={**written, **places}), based_on


def checked_plan(settings: Settings, preset: str | None, name: str | None, *, force: bool) -> RunPlan:
    """A run that can be made, its data file looked into and `nproc = auto` decided. Raises UserError."""
    settings = decided(settings)
    refuse_crowd(settings)
    plan = plan_run(settings, preset=preset, name=name, force=force)
    check_file(plan.data, settings.text_field)
    return plan


def decided(settings: Settings) -> Settings:
    """The settings with `nproc = auto` made a number: one process a GPU, one on a cpu. Raises UserError."""
    if settings.nproc != "auto":
        return settings
    gpus = 0
    if settings.device in ("auto", "cuda"):
        facts = probe_device(cache_dir())
        gpus = len(facts.gpus) if facts.device.startswith("cuda") else 0
    return settings.model_copy(update={"nproc": max(1, gpus)})


def refuse_crowd(settings: Settings) -> None:
    """Raise UserError for more processes than the machine's memory holds before any of them has a model: started, they
    would take the whole machine with them.
    """
    each, there = runtime_bytes("cpu"), psutil.virtual_memory().total
    if settings.nproc != "auto" and settings.nproc * each > there:
        raise UserError(
            _(
                "nproc = {nproc} (--nproc): each process takes about {each} MB before it has a model, and this machine "
                "has {there} MB of memory. {most} is the most it holds; one a GPU, or one on a cpu, is usual."
            ).format(nproc=settings.nproc, each=f"{each / 1e6:,.0f}", there=f"{there / 1e6:,.0f}", most=there // each)
        )


def planned_resume(folder: RunFolder, values: Mapping[str, Any], places: Mapping[str, str] | None = None) -> ResumePlan:
    """A run that can go on (engine.run.launch.plan_resume), `nproc = auto` decided. Raises UserError."""
    given = dict(values)
    if given.get("nproc") == "auto":
        device = given.get("device", parse_settings(folder.run_toml)[0].device)
        given["nproc"] = decided(Settings(nproc="auto", device=device)).nproc
    plan = plan_resume(folder, given, places)
    refuse_crowd(plan.settings)
    return plan


def checked_fork(
    folder: RunFolder,
    step: Wanted,
    values: Mapping[str, Any],
    *,
    name: str | None = None,
    places: Mapping[str, str] | None = None,
    force: bool = False,
) -> ForkPlan:
    """A fork that can be made (engine.run.fork.plan_fork), its data file looked into where it is another one.

    Raises UserError.
    """
    plan = plan_fork(folder, step, values, name=name, places=places, force=force)
    refuse_crowd(plan.settings)
    if {"data_path", "text_field"} & set(plan.given):
        check_file(Path(plan.data), plan.settings.text_field)
    return plan
