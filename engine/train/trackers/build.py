"""The trackers that a run's settings ask for."""

import importlib.util
import sys
from collections.abc import Callable, Iterable
from typing import Literal

from engine.language import _
from engine.train.trackers.base import RunInfo, Tracker
from engine.train.trackers.composite import Trackers
from engine.train.trackers.swanlab import SwanLabTracker
from engine.train.trackers.tensorboard import TensorBoardTracker
from engine.train.trackers.wandb import WandbTracker

TrackerName = Literal["tensorboard", "wandb", "swanlab"]

_TRACKERS: dict[TrackerName, Callable[[], Tracker]] = {
    "tensorboard": TensorBoardTracker,
    "wandb": WandbTracker,
    "swanlab": SwanLabTracker,
}
TRACKER_NAMES: tuple[TrackerName, ...] = tuple(_TRACKERS)


def build_trackers(
    names: Iterable[TrackerName], info: RunInfo, on_problem: Callable[[str, str], None], *, rank: int = 0
) -> Trackers:
    """Start the trackers called `names`, each named like the package it needs.

    `on_problem(name, sentence)` hears once of each tracker that fails, from the thread that calls `Trackers`. A package
    that is not installed is such a problem; the run goes on without it. Ranks other than 0 report nothing.
    """
    wanted = list(names) if rank == 0 else []
    present = [name for name in wanted if _installed(name)]
    for name in wanted:
        if name not in present:
            on_problem(
                name,
                _(
                    "The package {name} is not installed, so nothing is reported to it; training goes on. To install "
                    "it: pip install 'minimind-tui[{name}]'"
                ).format(name=name),
            )
    return Trackers([_TRACKERS[name]() for name in present], info, on_problem)


def _installed(package: str) -> bool:
    """Whether `package` can be imported, without importing it."""
    return package in sys.modules or importlib.util.find_spec(package) is not None
