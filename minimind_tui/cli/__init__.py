"""The command line, `minimind`."""
