"""English texts of the mini data."""
