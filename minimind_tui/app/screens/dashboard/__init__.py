"""The dashboard of one run, live or past."""
