"""A worker notices that its supervisor is gone, and is not left alone for ever.

Polling is used on every platform: Linux's PR_SET_PDEATHSIG fires when the thread that made the child ends, not the
process, and macOS has nothing like it. A look costs some twenty microseconds.
"""

import threading
from collections.abc import Callable

from engine.run.process import is_alive
from engine.run.schema import ProcessIdentity

POLL_SECONDS = 0.5
PATIENCE_SECONDS = 3600.0
"""How long a worker without a supervisor may take to save and end, before it is taken for hung."""


class ParentWatch:
    """A thread that calls `on_lost` once when `parent` has ended, and `on_hung` when the process still lives
    `patience` seconds later. Both are called from the thread.
    """

    def __init__(
        self,
        parent: ProcessIdentity,
        on_lost: Callable[[], None],
        on_hung: Callable[[], None],
        *,
        poll_seconds: float = POLL_SECONDS,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self._parent = parent
        self._on_lost = on_lost
        self._on_hung = on_hung
        self._poll_seconds = poll_seconds
        self._patience = patience
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="parent-watch", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Watch no longer."""
        self._done.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()

    def _watch(self) -> None:
        while is_alive(self._parent) is not False:
            if self._done.wait(self._poll_seconds):
                return
        self._on_lost()
        if not self._done.wait(self._patience):
            self._on_hung()
