"""A preset started as it is."""

from engine.run.folder import RunFolder
from minimind_tui.core import run_actions
from minimind_tui.starting import asked_settings, checked_plan


def start_preset(name: str) -> RunFolder:
    """Make a run of a preset and start it; returns its folder. May take seconds. Raises UserError."""
    settings, preset = asked_settings(name, None, {}, {})
    return run_actions.start(checked_plan(settings, preset, None, force=False))
