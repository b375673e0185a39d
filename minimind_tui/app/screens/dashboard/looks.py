"""Styles of parts of texts."""

DIM = "$foreground 60%"
"""What matters less. `$text-muted` is made for a widget's colour: within a text it would come out bright."""
