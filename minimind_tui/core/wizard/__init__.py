"""Setting up a run, without a screen: the form, the draft, what a run will be, its command, its preset."""
