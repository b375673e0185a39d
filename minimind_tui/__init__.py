"""The face of minimind-tui: the command line and the terminal application."""

__version__ = "0.1.0"
