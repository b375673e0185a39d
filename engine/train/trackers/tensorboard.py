"""TensorBoard: event files in the run's own folder, `trackers/tensorboard`."""

from collections.abc import Mapping
from typing import Any

from engine.train.trackers.base import RunInfo


class TensorBoardTracker:
    """Writes what `tensorboard --logdir runs` shows. Steps an earlier attempt logged beyond its resume are purged."""

    name = "tensorboard"

    def __init__(self) -> None:
        self._writer: Any = None

    def start(self, info: RunInfo) -> None:
        """Open an event file for this attempt."""
        from torch.utils.tensorboard import SummaryWriter

        purge_step = info.start_step + 1 if info.start_step else None
        self._writer = SummaryWriter(str(info.tracker_folder / "tensorboard"), purge_step=purge_step, flush_secs=30)
        lines = (f"- **{key}**: `{value}`" for key, value in info.config.items())
        self._writer.add_text("settings", "\n".join(lines), info.start_step)

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """One scalar a metric."""
        for key, value in metrics.items():
            self._writer.add_scalar(key, value, step)

    def sample(self, text: str, step: int) -> None:
        """The text as it is, in a code block so that markdown leaves it alone."""
        indented = "\n".join("    " + line for line in text.splitlines())
        self._writer.add_text("sample", indented, step)

    def finish(self, state: str) -> None:
        """Write the run's final state and close the file."""
        self._writer.add_text("state", state)
        self._writer.close()

    def abandon(self) -> None:
        """Nothing waits for event files."""
