"""The command line, `minimind`."""

from minimind_tui.cli.entry import main

__all__ = ["main"]
