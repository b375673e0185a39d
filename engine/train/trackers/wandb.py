"""Weights & Biases, online or offline as its own environment variables say."""

import html
import threading
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from typing import Any

from engine.train.trackers.base import RunInfo, identity

_INIT_SECONDS = 90.0
_FINISH_SECONDS = 15.0
_TEARDOWN_SECONDS = 2.0


class WandbTracker:
    """Reports to one Weights & Biases run per run folder, which every attempt continues.

    The x axis is our own `step`, so that an attempt resumed from an earlier step is not refused as going backwards.
    Files go to the run's folder, `trackers/wandb`; WANDB_MODE=offline keeps everything there.
    """

    name = "wandb"

    def __init__(self) -> None:
        self._run: Any = None

    def start(self, info: RunInfo) -> None:
        """Begin the run at the service, or continue it."""
        import wandb

        wished: dict[str, object] = {
            "console": "off",  # our own log is in trainer.log
            "silent": True,
            "init_timeout": _INIT_SECONDS,
            "finish_timeout": _FINISH_SECONDS,
        }
        known = getattr(wandb.Settings, "model_fields", wished)
        self._run = wandb.init(
            project=info.project,
            name=info.run_id,
            id=identity(info, self.name),
            resume="allow",
            dir=str(info.tracker_folder),
            config=dict(info.config),
            settings=wandb.Settings(**{key: value for key, value in wished.items() if key in known}),
        )
        self._run.define_metric("step")
        self._run.define_metric("*", step_metric="step")

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """One row of the run's history."""
        self._run.log({**metrics, "step": step})

    def sample(self, text: str, step: int) -> None:
        """The text as it is, in a panel of its own."""
        import wandb

        self._run.log({"sample": wandb.Html(f"<pre>{html.escape(text)}</pre>"), "step": step})

    def finish(self, state: str) -> None:
        """Send what is left; a failed run is marked as such."""
        self._run.summary["state"] = state
        self._run.finish(exit_code=1 if state == "failed" else 0)

    def abandon(self) -> None:
        """Kill the service process that wandb started from here.

        wandb's exit hook waits for that process, for minutes while the service is out of reach. What it has stored
        stays in `trackers/wandb`, where `wandb sync` finds it.
        """
        psutil: Any = import_module("psutil")  # without type stubs of its own
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                if child.name().startswith("wandb"):
                    child.kill()
        hook = threading.Thread(target=_drop_exit_hook, daemon=True)
        hook.start()
        hook.join(_TEARDOWN_SECONDS)


def _drop_exit_hook() -> None:
    """Let wandb notice that its service is gone now, rather than with a traceback at exit."""
    with suppress(Exception):
        import wandb

        wandb.teardown()
