"""How a worker's exit code is read. Part of the run folder's format 1."""

from enum import IntEnum


class WorkerExit(IntEnum):
    """The exit codes of a worker process.

    The code is a hint: what counts is the outcome the worker left in status.json. A worker that ends without an
    outcome is judged by its code or signal alone.
    """

    DONE = 0
    """It finished or stopped, everything saved; the outcome in status.json says which."""

    FAILED = 1
    """An error ended it. The supervisor may start another attempt."""

    USER_ERROR = 2
    """The user has to change something first: another attempt would end the same way, so none is made."""

    PAUSED = 75
    """It saved and left its memory free; the supervisor waits for `continue` (EX_TEMPFAIL of sysexits: try again)."""
