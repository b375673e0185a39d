"""`minimind tui`: the terminal application, the same as `minimind-tui`."""

from typing import Annotated

import typer

from engine.language import _
from minimind_tui.cli.completion import complete_run
from minimind_tui.cli.options import argument


def tui(
    run: Annotated[
        str | None,
        argument(
            metavar="[RUN]",
            help=_("Open this run at once: its id, a part of it, a path, or `last`."),
            autocompletion=complete_run,
        ),
    ] = None,
) -> None:
    """Open the terminal application."""
    from minimind_tui.app.entry import main

    raise typer.Exit(main([] if run is None else [run]))
