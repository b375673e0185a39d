"""The embedded trainer: complete without the terminal application, and free of it."""
