"""SwanLab, online or offline as its own settings and environment variables say."""

import atexit
from collections.abc import Mapping
from typing import Any

from engine.train.trackers.base import RunInfo, identity

_STATES = {"finished": "success", "stopped": "aborted", "failed": "crashed"}


class SwanLabTracker:
    """Reports to one SwanLab experiment per run folder, which every attempt continues where the mode allows it.

    Files go to the run's folder, `trackers/swanlab`; SWANLAB_MODE=offline keeps everything there.
    """

    name = "swanlab"

    def __init__(self) -> None:
        self._swanlab: Any = None
        self._run: Any = None

    def start(self, info: RunInfo) -> None:
        """Begin the experiment, or continue it."""
        import swanlab

        self._swanlab = swanlab
        self._run = swanlab.init(
            project=info.project,
            experiment_name=info.run_id,
            logdir=str(info.tracker_folder / "swanlab"),
            config=dict(info.config),
            id=identity(info, self.name),
            resume="allow",
        )

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """One row of numbers."""
        self._swanlab.log(dict(metrics), step=step)

    def sample(self, text: str, step: int) -> None:
        """The text as it is."""
        self._swanlab.log({"sample": self._swanlab.Text(text)}, step=step)

    def finish(self, state: str) -> None:
        """Send what is left."""
        self._swanlab.finish(state=_STATES.get(state, "crashed"))

    def abandon(self) -> None:
        """Take back SwanLab's exit hook, which would end the report once more and wait for the service again."""
        hook = getattr(self._run, "_handle_atexit", None)
        if hook is not None:
            atexit.unregister(hook)
