"""Following a run from the command line: what its folder tells, shown live, as lines, or as JSON."""
