"""How the threads of a cpu's matrix products wait for each other. To be decided before torch is imported."""

import os


def let_waiting_threads_sleep() -> None:
    """Ask OpenMP for threads that sleep while they wait, unless the environment says otherwise.

    By default they spin, and on cores that other programs want as well each product then waits for a thread that was
    pushed aside by a spinning one: a training beside four busy processes was measured at a third of its speed or less.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
