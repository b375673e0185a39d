"""Setting up a new run in four steps."""
