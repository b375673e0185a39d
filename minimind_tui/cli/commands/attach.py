"""`minimind attach`: watch a run that trains by itself."""

from typing import Annotated

import typer

from engine.language import _
from minimind_tui.cli.completion import complete_run
from minimind_tui.cli.options import argument, option


def attach(
    run: Annotated[
        str,
        argument(
            metavar="[RUN]",
            help=_("The run: its id, a part of it, a path, or `last`. (default: last)"),
            autocompletion=complete_run,
        ),
    ] = "last",
    json: Annotated[bool, option("--json", help=_("One JSON object a line, from the run's beginning."))] = False,
) -> None:
    """Watch a run."""
    from engine.places import runs_dir
    from engine.run.find import find_run
    from minimind_tui.cli.follow.feed import RunFeed
    from minimind_tui.cli.follow.follow import follow
    from minimind_tui.cli.follow.interrupts import counted_interrupts

    feed = RunFeed(find_run(runs_dir(), run), from_start=json)
    with counted_interrupts() as interrupts:
        raise typer.Exit(follow(feed, interrupts, json_lines=json, interrupt_stops=False))
