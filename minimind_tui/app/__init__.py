"""The terminal application's entry, `minimind-tui`."""

import sys

from engine.language import _


def main() -> int:
    """Say plainly that the terminal application is not part of this version; returns exit code 2."""
    message = _(
        "The terminal application is not part of this version. The command line does the same work: "
        "`minimind run` trains, `minimind runs` lists what was trained, `minimind attach` watches a run."
    )
    sys.stderr.write(message + "\n")
    return 2
