"""Parameters, FLOPs and memory of a run before it starts. No torch."""
