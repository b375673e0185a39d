"""`minimind verify`: prove that a run is whole, and that its updates come out the same when they are made again."""

from typing import Annotated

import typer

from engine.language import _
from minimind_tui.cli.completion import complete_run
from minimind_tui.cli.options import argument, option


def verify(
    run: Annotated[
        str,
        argument(
            metavar="[RUN]",
            help=_("The run: its id, a part of it, its title, a path, or `last`. (default: last)"),
            autocompletion=complete_run,
        ),
    ] = "last",
    step: Annotated[
        int | None,
        option(
            "--step",
            metavar="N",
            help=_("Only the checkpoint at this step; with --replay also where to begin, 0 for the run's beginning."),
        ),
    ] = None,
    replay: Annotated[
        int | None,
        option(
            "--replay",
            metavar="N",
            help=_("Make the N updates after a checkpoint again, in a scratch folder, and compare every bit."),
        ),
    ] = None,
    json: Annotated[bool, option("--json", help=_("As one JSON object."))] = False,
) -> None:
    """Verify a run."""
    from engine.places import runs_dir
    from engine.run.find import find_run
    from minimind_tui.cli.verification import verify_and_tell

    raise typer.Exit(verify_and_tell(find_run(runs_dir(), run), step, replay, as_json=json))
