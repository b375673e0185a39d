"""How often a failed run comes back by itself, unless asked otherwise.

A module of its own: the command line's help names it, and has no time for the rest of the room.
"""

DEFAULT_RESTARTS = 3
"""Days of compute should survive a night's crash; a fault that does not pass should not cost more than a few tries."""
