"""Options that several commands which start runs have in common, declared once."""

import os
from typing import Annotated

from engine.language import _
from engine.run.restart_limit import DEFAULT_RESTARTS
from minimind_tui.cli.completion import complete_preset
from minimind_tui.cli.options import option

PANEL = _("This command")
"""The help's panel of a command's own options; the settings stand in panels of theirs."""

Preset = Annotated[
    str | None,
    option(
        "--preset",
        metavar="NAME",
        help=_("What to start from; `minimind presets` lists them. (default: full)"),
        autocompletion=complete_preset,
        rich_help_panel=PANEL,
    ),
]
Detach = Annotated[bool, option("--detach", help=_("Start it and return at once."), rich_help_panel=PANEL)]
FollowAsJson = Annotated[bool, option("--json", help=_("Follow as JSON, one object a line."), rich_help_panel=PANEL)]
Force = Annotated[
    bool, option("--force", help=_("Overwrite another run's weights in save_dir."), rich_help_panel=PANEL)
]
MaxRestarts = Annotated[
    int,
    option(
        "--max_restarts",
        metavar="N",
        min=0,
        help=_(
            "Start again from the last checkpoint, at most so many times, when the trainer fails or dies; a fault that "
            "repeats at the same step ends the run. (default: {n})"
        ).format(n=DEFAULT_RESTARTS),
        rich_help_panel=PANEL,
    ),
]
Rendezvous = Annotated[
    str | None,
    option(
        "--rdzv",
        metavar="HOST:PORT",
        help=_("With --nnodes: where the machines meet, machine 0's address and a free port there."),
        rich_help_panel=PANEL,
    ),
]


def set_rendezvous(rdzv: str | None) -> None:
    """Hand on where the machines of a run meet to the run's processes. Raises UserError for no HOST:PORT."""
    if rdzv is not None:
        from engine.run.meeting import ENDPOINT_VARIABLE, checked_endpoint

        os.environ[ENDPOINT_VARIABLE] = checked_endpoint(rdzv)
