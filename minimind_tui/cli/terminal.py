"""Writing to the terminal: plain text stays plain, colour is never the only sign, narrow and Chinese text fits."""

import os
import shutil
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from engine.language import _
from minimind_tui.safe_text import printable

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, ConsoleRenderable
    from rich.segment import Segment
    from rich.table import Table

_UNFOLDED = 2000


def make_console(**options: Any) -> "Console":
    """A rich console that reads no markup, no emoji codes and highlights nothing by itself; NO_COLOR is honoured.

    `options` are rich's own (`width`, `file`, ...).
    """
    from rich.console import Console, RenderHook

    class HarmlessTexts(RenderHook):
        """rich leaves escapes in what it prints: whatever a command gives it, only what is printable gets out."""

        def process_renderables(self, renderables: "list[ConsoleRenderable]") -> "list[ConsoleRenderable]":
            return [one if type(one).__name__ == "Control" else _Harmless(one) for one in renderables]

    class QuietConsole(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # the command line's entry ends quietly

    console = QuietConsole(**options, markup=False, emoji=False, highlight=False, soft_wrap=False)
    console.push_render_hook(HarmlessTexts())
    return console


class _Harmless:
    """Something to print, rid of what acts on a terminal but is not rich's own."""

    def __init__(self, shown: "ConsoleRenderable") -> None:
        self._shown = shown

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "Iterator[Segment]":
        from rich.segment import Segment

        for segment in console.render(self._shown, options):
            yield segment if segment.control else Segment(printable(segment.text), segment.style)


def print_table(table: "Table") -> None:
    """Print a table: folded to the terminal's width, or in a pipe unfolded, a row a line, for grep and awk."""
    console = make_console()
    (console if console.is_terminal else make_console(width=_UNFOLDED)).print(table)


def width_of_stdout() -> int | None:
    """The terminal's columns; None in a pipe, which has room for any line."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def has_colours() -> bool:
    """Whether colours may be written to stdout: it is a terminal that can show them, and NO_COLOR is not set."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") not in ("dumb", "unknown")


def say(message: str) -> None:
    """One plain line on stdout."""
    sys.stdout.write(printable(message) + "\n")
    sys.stdout.flush()


def draw(picture: str) -> None:
    """A picture of our own on stdout, colours and all; the words in it must have passed through `printable`."""
    sys.stdout.write(picture + "\n")
    sys.stdout.flush()


def complain(message: str) -> None:
    """One plain message on stderr."""
    sys.stdout.flush()
    sys.stderr.write(printable(message) + "\n")
    sys.stderr.flush()


def hide_echo_of_controls() -> Callable[[], None]:
    """Keep the terminal from showing `^C` for a Ctrl-C, until the returned function is called. Nothing in a pipe."""
    try:
        terminal = sys.stdin.fileno()
        before = termios.tcgetattr(terminal)
    except (OSError, ValueError, termios.error):
        return lambda: None
    local_modes = 3
    quiet = [*before[:local_modes], before[local_modes] & ~termios.ECHOCTL, *before[local_modes + 1 :]]
    termios.tcsetattr(terminal, termios.TCSANOW, quiet)

    def restore() -> None:
        with suppress(termios.error):
            termios.tcsetattr(terminal, termios.TCSANOW, before)

    return restore


@contextmanager
def passing_notice(message: str) -> Iterator[None]:
    """While something takes a while, say so on a terminal's stderr; gone afterwards."""
    shown = sys.stderr.isatty()
    if shown:
        sys.stderr.write(printable(message) + "\r")
        sys.stderr.flush()
    try:
        yield
    finally:
        if shown:
            sys.stderr.write("\033[2K")
            sys.stderr.flush()


def confirm(question: str, *, default: bool = False) -> bool:
    """Ask a yes-or-no question; anything but a clear yes is no. A closed or absent terminal is the default."""
    choices = _("[Y/n]") if default else _("[y/N]")
    sys.stdout.write(f"{printable(question)} {choices} ")
    sys.stdout.flush()
    answer = sys.stdin.readline().strip().lower()
    if not answer:
        return default
    return answer in ("y", "yes", "是", "好")
