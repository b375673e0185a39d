"""The application in a real pseudo-terminal: keys go in, bytes come out and are drawn on a screen that can be read."""

import os
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pexpect
import pyte

from engine.estimate import device_probe

KEYS = {
    "enter": "\r",
    "escape": "\x1b",
    "tab": "\t",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "f2": "\x1bOQ",
    "f4": "\x1bOS",
    "f6": "\x1b[17~",
    "ctrl+c": "\x03",
    "ctrl+g": "\x07",
    "ctrl+n": "\x0e",
    "ctrl+r": "\x12",
}
COMMAND = [sys.executable, "-c", "import sys; from minimind_tui.app import main; sys.exit(main())"]


class Terminal:
    """`minimind-tui` with arguments, in a terminal of its own."""

    def __init__(self, *arguments: str, columns: int = 80, rows: int = 24, command: list[str] | None = None) -> None:
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.written = b""
        """Every byte it wrote."""
        program, *rest = command or COMMAND
        environment = {**os.environ, "TERM": "xterm-256color", "PYTHONUNBUFFERED": "1"}
        self.child = pexpect.spawn(program, [*rest, *arguments], dimensions=(rows, columns), env=environment)
        self.settings = termios.tcgetattr(self.child.child_fd)
        """The terminal as it was before anything was drawn."""

    @property
    def text(self) -> str:
        """What is seen now."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    def pump(self, seconds: float) -> None:
        """Draw what comes for so long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self._read(0.05):
            pass

    def _read(self, timeout: float) -> bool:
        try:
            data = self.child.read_nonblocking(65536, timeout=timeout)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.written += data
        self._stream.feed(data)
        return True

    def until(self, holds: Callable[[], bool], seconds: float = 30.0) -> None:
        """Draw until something holds; fails with the screen when it does not come to."""
        end = time.monotonic() + seconds
        while not holds():
            alive = self._read(0.05)
            assert time.monotonic() < end and (alive or holds()), "it did not come to hold; the screen:\n" + self.text

    def until_shown(self, *texts: str, seconds: float = 30.0) -> None:
        """Draw until all of the texts are seen."""
        self.until(lambda: all(text in self.text for text in texts), seconds)

    def press(self, *keys: str) -> None:
        """Press keys one after the other, as a person would."""
        for key in keys:
            self.child.send(KEYS.get(key, key))
            self.pump(0.15)

    def exit_status(self, seconds: float = 20.0) -> int:
        """Wait until it has ended; returns its exit status, minus the signal's number for a killed one."""
        end = time.monotonic() + seconds
        while self._read(0.05):
            assert time.monotonic() < end, "it did not end; the screen:\n" + self.text
        self.after = termios.tcgetattr(self.child.child_fd)
        self.child.close()
        return self.child.exitstatus if self.child.exitstatus is not None else -(self.child.signalstatus or 0)

    def is_restored(self) -> bool:
        """Whether the terminal is as it was: echo and lines, the cursor, the screen, the mouse, pasting."""
        on_off = {b"?1049": (b"h", b"l"), b"?25": (b"l", b"h"), b"?1000": (b"h", b"l"), b"?1003": (b"h", b"l")}
        on_off |= {b"?2004": (b"h", b"l"), b"?1004": (b"h", b"l")}
        for mode, (begun, ended) in on_off.items():
            if self.written.rfind(b"\x1b[" + mode + begun) > self.written.rfind(b"\x1b[" + mode + ended):
                return False
        return self.after[:4] == self.settings[:4]


def probe_is_answered(cache: Path, facts: device_probe.DeviceFacts) -> None:
    """Put the probe's answer where it is looked for, so that no process has to import torch."""
    cache.mkdir(parents=True, exist_ok=True)
    (cache / f"device-{device_probe._key()}.json").write_text(facts.model_dump_json())
