"""What a tracker is, what it learns about the run, and the identity it keeps across attempts."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class RunInfo:
    """The run as trackers know it.

    `folder` is the run's; a tracker keeps its files in `folder/trackers`. `start_step` is the number of updates that
    were made when this attempt began, so that what an earlier attempt reported beyond it can be replaced.
    """

    run_id: str
    folder: Path
    config: Mapping[str, object]
    project: str = "MiniMind-Pretrain"
    start_step: int = 0

    @property
    def tracker_folder(self) -> Path:
        """Where trackers keep their files; made when asked for."""
        folder = self.folder / "trackers"
        folder.mkdir(parents=True, exist_ok=True)
        return folder


class Tracker(Protocol):
    """One service that a run is reported to.

    `start`, `log`, `sample` and `finish` are called from one thread, in that order, never at the same time. Each may
    block and may raise: `Trackers` bounds what that costs. The constructor does neither.
    """

    name: str

    def start(self, info: RunInfo) -> None:
        """Begin, or go on with, the report of this run."""

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Report numbers as of `step` updates."""

    def sample(self, text: str, step: int) -> None:
        """Report a text the model wrote after `step` updates."""

    def finish(self, state: str) -> None:
        """End the report; `state` is the run's final one: finished, stopped or failed."""

    def abandon(self) -> None:
        """Called from another thread when `finish` was not back in time: keep the process from waiting for it."""


def identity(info: RunInfo, service: str) -> str:
    """The id of this run at `service`: made once, kept in the run's folder, so that every attempt continues it."""
    path = info.tracker_folder / f"{service}.id"
    try:
        with path.open("x", encoding="ascii") as file:
            file.write(secrets.token_hex(8))
    except FileExistsError:
        pass
    return path.read_text(encoding="ascii").strip()
