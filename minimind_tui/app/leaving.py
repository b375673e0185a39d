"""Leaving the application: by asking, and by a signal. Training goes on either way."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress

from engine.language import _
from engine.run.folder import RunFolder
from minimind_tui.app.dialogs import Choice, ChoiceDialog

SIGNALS = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
GRACE_SECONDS = 3.0
"""How long an application that was told to end may take before it is ended."""


def leave_dialog(live: list[RunFolder], paused: Collection[str] = ()) -> ChoiceDialog:
    """Asks what is to become of the runs that live; answers `detach`, `stop`, `stay` or None. `paused`: ids of those
    that are."""
    names = "\n".join(folder.id for folder in live[:5])
    if all(folder.id in paused for folder in live):
        state, needs, keep = _("Paused:"), _("A paused run does not need this window."), _("Leave it paused")
    else:
        state, needs, keep = (
            _("Still training:"),
            _("Training does not need this window."),
            _("Detach and keep training"),
        )
    return ChoiceDialog(
        _("Leave minimind-tui?"),
        f"{state}\n{names}\n\n{needs}",
        [
            Choice("detach", keep, "d", "primary"),
            Choice("stop", _("Save and stop"), "x", "warning"),
            Choice("stay", _("Stay"), "s"),
        ],
    )


def farewell(live: list[RunFolder], paused: Collection[str] = (), *, stopped: bool) -> list[str]:
    """What the shell shows: how to come back to each run, or to go on with it."""
    lines = []
    for folder in live:
        if stopped:
            words = (_("{run} saves and stops."), _("  Go on later: minimind resume {run}"))
        elif folder.id in paused:
            words = (_("{run} stays paused."), _("  Come back: minimind-tui {run}"))
        else:
            words = (_("{run} goes on by itself."), _("  Come back: minimind-tui {run}"))
        lines += [line.format(run=folder.id) for line in words]
    return lines


def listen_to_signals(
    loop: asyncio.AbstractEventLoop, leave: Callable[[int], object], restore: Callable[[], None]
) -> None:
    """Call `leave(signal)` in the loop when the process is told to end.

    When that does not end it (a terminal that is gone takes no bytes), `restore` is called and the process ends.
    """

    def told(number: int) -> None:
        threading.Thread(target=_end_anyway, args=(number, restore), name="end anyway", daemon=True).start()
        leave(number)

    for number in SIGNALS:
        with suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, told, number)


def _end_anyway(number: int, restore: Callable[[], None]) -> None:
    threading.Event().wait(GRACE_SECONDS)
    restore()
    os._exit(128 + number)


def wait_for_threads(seconds: float) -> bool:
    """Give all threads that still work so long to end; False when some go on."""
    deadline = time.monotonic() + seconds
    for thread in _working():
        thread.join(max(0.0, deadline - time.monotonic()))
    return not _working()


def _working() -> list[threading.Thread]:
    here = threading.current_thread()
    return [thread for thread in threading.enumerate() if thread is not here and not thread.daemon]
