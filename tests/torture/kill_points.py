"""Instants at which a process can be struck: before each call that changes a file, and in the midst of each write.

The calls of the main thread are counted from `install` on, so that the same work reaches the same points in the same
order. "After" a call is "before" the next one. Imports neither torch nor the engine.
"""

import atexit
import io
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

Act = Callable[[], None]

PLACES = {
    "_announce": "starting",
    "take_lock": "starting",
    "begin_attempt": "opening the attempt",
    "open_material": "tokenising",
    "build_trainer": "loading",
    "_made": "update",
    "_advance": "logging",
    "_validate": "validating",
    "sample": "sampling",
    "retain": "thinning out",
    "_publish": "publishing weights",
    "complete_last": "publishing weights",
    "save": "saving",
    "finish": "leaving word",
    "conclude": "end",
}
"""Function on the stack: what the process is doing then. The innermost one counts."""

LEAST = 4096
"""Bytes of a write to a buffered file that count as a point."""

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


def strike(text: str) -> Act:
    """What `text` says: `self:KILL`, `parent:TERM`, `group:KILL`, several joined by `+`, in that order."""
    steps = [part.split(":") for part in text.split("+")]

    def act() -> None:
        for target, name in steps:
            number = signal.Signals[f"SIG{name}"]
            if target == "group":
                os.killpg(os.getpgid(0), number)
            else:
                os.kill({"self": os.getpid, "parent": os.getppid}[target](), number)

    return act


class KillPoints:
    """Counts points; at number `at` (from 1, of `place` alone where one is given) it writes where it is into `report`
    and acts. Without `at` it lists them.

    seen: (call, place) of each point, while listing.
    """

    def __init__(
        self, at: int | None = None, act: Act | None = None, report: Path | None = None, place: str | None = None
    ) -> None:
        self.count = 0
        self._place = place
        self.seen: list[tuple[str, str]] = []
        self._at = at
        self._act = act or strike("self:KILL")
        self._report = report
        self._pid = os.getpid()
        self._write = os.write
        self._open = os.open

    def install(self) -> None:
        """Watch the calls of this process from now on; there is no way back."""
        for name in ("fsync", "rename", "replace", "unlink", "remove", "mkdir", "rmdir", "ftruncate", "link"):
            setattr(os, name, self._before(name, getattr(os, name)))
        os.open = self._before("open", os.open, lambda _path, flags, *_args, **_more: flags & _WRITING)
        for name in ("write", "pwrite"):
            setattr(os, name, self._torn(name, getattr(os, name)))
        real_open = io.open

        def watched_open(file: Any, mode: str = "r", *args: Any, **more: Any) -> Any:
            if not set(mode) & set("wxa+"):
                return real_open(file, mode, *args, **more)
            self.reach("open")
            opened = real_open(file, mode, *args, **more)
            return _WatchedFile(opened, self) if "b" in mode else opened

        io.open = watched_open  # type: ignore[assignment]  # what Path.open calls

    def watch_updates(self) -> None:
        """Count each micro-batch and each step of the optimiser as well. Imports torch."""
        from engine.train.update import Updater

        for name in ("_backward", "_step"):
            setattr(Updater, name, self._before(name.strip("_"), getattr(Updater, name)))

    def reach(self, call: str, half: Act | None = None) -> bool:
        """A point is reached; `half` does half of the call's work before the strike. True where that was done."""
        if threading.current_thread() is not threading.main_thread() or os.getpid() != self._pid:
            return False
        if self._place is not None and _place() != self._place:
            return False
        self.count += 1
        if self._at is None:
            self.seen.append((call, _place()))
        if self.count != self._at:
            return False
        if half is not None:
            half()
        if self._report is not None:
            fd = self._open(self._report, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
            self._write(fd, f"{call}\t{_place()}\n".encode())
            os.close(fd)
        self._act()
        return half is not None

    def _before(self, call: str, real: Callable[..., Any], counts: Callable[..., Any] | None = None) -> Any:
        def watched(*args: Any, **more: Any) -> Any:
            if counts is None or counts(*args, **more):
                self.reach(call)
            return real(*args, **more)

        return watched

    def _torn(self, call: str, real: Callable[..., int]) -> Any:
        def watched(fd: int, data: Any, *args: Any) -> int:
            self.reach(call)
            half = memoryview(data)[: len(data) // 2]
            if len(half) and self.reach(f"torn {call}", lambda: real(fd, half, *args)):
                return len(half)  # a short write, as the system may make one
            return real(fd, data, *args)

        return watched


class _WatchedFile:
    """A binary file whose writes are points: the first one and those of LEAST bytes. Smaller ones stay in its buffer,
    so that nothing on the disk tells a strike at one from a strike at the next.
    """

    def __init__(self, file: Any, points: KillPoints) -> None:
        self._file = file
        self._points = points
        self._first = True

    def write(self, data: Any) -> int:
        view = memoryview(data)
        if not self._first and view.nbytes < LEAST:
            return int(self._file.write(view))
        self._first = False
        begin = len(view) // 2

        def half() -> None:
            self._file.write(view[:begin])
            self._file.flush()

        self._points.reach("write")
        torn = begin > 0 and self._points.reach("torn write", half)
        self._file.write(view[begin:] if torn else view)
        return int(view.nbytes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> "_WatchedFile":
        self._file.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._file.__exit__(*error)


def _place() -> str:
    frame = sys._getframe(1)
    while frame is not None:
        if place := PLACES.get(frame.f_code.co_name):
            return place
        frame = frame.f_back  # type: ignore[assignment]
    return "between"


def points_of(text: str) -> KillPoints:
    """What an environment variable says: `PLACE;NUMBER;STRIKE;REPORT`, or `list;REPORT`."""
    what, *rest = text.split(";")
    if what == "list":
        return KillPoints(report=Path(rest[0]))
    number, act, report = rest
    return KillPoints(int(number), strike(act), Path(report), what)


def strike_as_told(variable: str) -> KillPoints | None:
    """Install the points that the environment asks for, if it does."""
    text = os.environ.pop(variable, "")
    if not text:
        return None
    points = points_of(text)
    points.install()
    if points._at is None:
        atexit.register(
            lambda: points._report and points._report.write_text("\n".join("\t".join(p) for p in points.seen))
        )
    return points
