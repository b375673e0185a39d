"""`minimind doctor`: what of this machine helps or hinders a run."""

from typing import Annotated

import typer

from engine.language import _
from minimind_tui.cli import exit_codes
from minimind_tui.cli.options import option


def doctor(
    json: Annotated[bool, option("--json", help=_("The whole examination as one JSON object."))] = False,
) -> None:
    """Examine this machine."""
    import sys

    from minimind_tui.cli.examining import print_json, print_sections
    from minimind_tui.cli.terminal import passing_notice
    from minimind_tui.core.doctor.examination import examine, worst
    from minimind_tui.core.doctor.findings import Level

    with passing_notice(_("Looking at this machine; PyTorch is asked in a process of its own ...")):
        sections = examine(sys.stdout)
    if json:
        print_json(sections)
    else:
        print_sections(sections)
    raise typer.Exit(exit_codes.FAILED if worst(sections) is Level.PROBLEM else exit_codes.OK)
