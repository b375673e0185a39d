"""The runs browser, and the comparison of several runs."""
