"""The terminal as it was before the application drew on it."""

import os
import sys
import termios
from contextlib import suppress

_LEAVE = (
    "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1015l\x1b[?1016l"  # the mouse
    "\x1b[?2004l\x1b[?1004l\x1b[?2048l\x1b[<u"  # pasting, focus, sizes, the keyboard's protocol
    "\x1b[?7h\x1b[?1049l\x1b[?25h\x1b[0m"  # wrapping, the other screen, the cursor, colours
)


class TerminalState:
    """Remembers stdin's settings; `restore` gives them back, `leave` the screen, cursor and mouse as well."""

    def __init__(self) -> None:
        self._settings = None
        with suppress(termios.error, ValueError, OSError):
            self._settings = termios.tcgetattr(sys.__stdin__.fileno())  # type: ignore[union-attr]

    def restore(self) -> None:
        """Echo, lines and signals as before. Never raises: the terminal may be gone."""
        if self._settings is not None:
            with suppress(termios.error, ValueError, OSError):
                termios.tcsetattr(sys.__stdin__.fileno(), termios.TCSANOW, self._settings)  # type: ignore[union-attr]

    def leave(self) -> None:
        """The same, and what an application that cannot end by itself left switched on."""
        with suppress(ValueError, OSError):
            os.set_blocking(sys.__stderr__.fileno(), False)  # type: ignore[union-attr]
            os.write(sys.__stderr__.fileno(), _LEAVE.encode())  # type: ignore[union-attr]
        self.restore()
