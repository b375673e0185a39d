"""Chinese texts of the mini data."""
