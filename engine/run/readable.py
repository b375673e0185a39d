"""Waiting for a file descriptor, whatever its number: select(2) takes none beyond 1023."""

import select


def wait_readable(fd: int, seconds: float | None = None) -> bool:
    """Whether `fd` can be read, or has been closed at its other end, within `seconds`; None waits for ever."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(None if seconds is None else 1000 * seconds))
