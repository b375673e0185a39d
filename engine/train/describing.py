"""What a run became, written into its manifest: on what it computes, whether it goes on exactly, what a fork kept."""

import platform
from typing import Any

import numpy as np
import torch

from engine.language import _
from engine.model.transformer import LanguageModel
from engine.run.schema import Lineage
from engine.run.taking_over import TakingOver
from engine.run.worker_link import WorkerLink
from engine.settings.on_resume import change_in_words, trains_otherwise
from engine.train.computing import Computing
from engine.train.exactness import why_inexact
from engine.train.loading import Restored
from engine.train.material import Material
from engine.train.ranks import Ranks


def describe(
    link: WorkerLink,
    material: Material,
    model: LanguageModel,
    computing: Computing,
    ranks: Ranks,
    around: dict[str, Any],
    restored: Restored | None,
    fork: Lineage | None,
    taking: TakingOver | None,
) -> None:
    """Write what the run became into its manifest, whether it goes on exactly, and what a fork took over."""
    versions = {"python": platform.python_version(), "torch": str(torch.__version__), "numpy": np.__version__}
    reasons = [*why_inexact(restored.surroundings, around), *restored.notes] if restored else []
    message: str | None = None
    if fork is not None and taking is not None:
        changed = [
            change_in_words(name, *pair)
            for name, pair in taking.given.items()
            if trains_otherwise(name) and pair[0] != pair[1]
        ]
        reasons = [*changed, *taking.lost(), *reasons]
        message = _fork_message(fork, taking, reasons)
    link.describe_run(
        device=computing.info.name,
        dtype=computing.precision.dtype,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        data_fingerprint=material.training.fingerprint,
        text=material.text,
        tokenizer_hash=material.tokenizer.sha256,
        versions=versions,
    )
    link.describe_attempt(
        message=message,
        device=computing.info.name,
        dtype=computing.precision.dtype,
        world_size=ranks.size,
        versions=versions,
        exact=not reasons if restored else None,
        why_inexact=reasons,
        kept=taking.kept() if taking else [],
    )


def _fork_message(fork: Lineage, taking: TakingOver, reasons: list[str]) -> str:
    text = _("Forked from {run} at step {step}. Taken over: {kept}.").format(
        run=fork.run, step=fork.step, kept="; ".join(taking.kept())
    )
    if not reasons:
        return text + " " + _("It goes on bit for bit as the run would have.")
    return text + " " + _("It goes on otherwise: {reasons}.").format(reasons="; ".join(reasons))
