"""The terminal application. `main` is its entry; everything with Textual is imported once it is sure to run."""

from minimind_tui.app.entry import main

__all__ = ["main"]
