"""From `minimind-tui [RUN]` to the running application, and what the shell shows afterwards."""

import asyncio
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

from engine.errors import UserError
from engine.language import LANGUAGES, _, current_language, set_language
from minimind_tui.safe_text import printable

if TYPE_CHECKING:
    from minimind_tui.app.application import MinimindApp

_OK, _CRASHED, _MISTAKE = 0, 1, 2
_THREAD_SECONDS = 2.0
"""How long threads that still work are waited for when the application has gone."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the terminal application; returns the exit code: 2 for a mistake, with one message on stderr."""
    try:
        return _run(list(sys.argv[1:] if arguments is None else arguments))
    except UserError as error:
        sys.stderr.write(printable(_("Error: {message}").format(message=error)) + "\n")
        return _MISTAKE


def _run(arguments: list[str]) -> int:
    from minimind_tui.core.preferences import load_preferences

    preferences, problem = load_preferences()
    set_language(preferences.language_now())
    words: list[str] = []
    rest = iter(arguments)
    for word in rest:
        name, equals, value = word.partition("=")
        if word in ("--help", "-h"):
            sys.stdout.write(_usage() + "\n")
            return _OK
        if word == "--version":
            from minimind_tui import __version__

            sys.stdout.write(f"minimind-tui {__version__}\n")
            return _OK
        if name == "--lang":
            language = value if equals else next(rest, "")
            if language not in LANGUAGES:
                raise UserError(_("--lang takes one of: {names}.").format(names=", ".join(LANGUAGES)))
            set_language(language)
            os.environ["MINIMIND_LANG"] = language
        elif word.startswith("-"):
            raise UserError(_("Unknown option {word}.").format(word=word) + " " + _usage())
        else:
            words.append(word)
    if len(words) > 1:
        raise UserError(_("One run can be opened at a time: {words}.").format(words=" ".join(words)))
    refuse_without_terminal()
    os.environ["MINIMIND_LANG"] = current_language()  # the processes of runs started from here speak it too
    return _open(words[0] if words else None, problem)


def refuse_without_terminal() -> None:
    """Return if there is a terminal to draw on and keys to read. Raises UserError that names the headless commands."""
    if all(_is_terminal(stream) for stream in (sys.stdin, sys.stdout, sys.stderr)) and os.environ.get("TERM") != "dumb":
        return
    raise UserError(
        _(
            "minimind-tui draws on a terminal, and this is none. Without one: `minimind run` trains, `minimind runs` "
            "lists the runs, `minimind attach` follows one, `minimind generate` writes."
        )
    )


def _open(run: str | None, problem: str) -> int:
    from engine.places import runs_dir
    from engine.run.find import find_run

    folder = find_run(runs_dir(), run) if run is not None else None
    from minimind_tui.app.application import MinimindApp
    from minimind_tui.app.leaving import listen_to_signals, wait_for_threads
    from minimind_tui.app.terminal_state import TerminalState

    app = MinimindApp(open_first=folder, problem=problem)
    terminal = TerminalState()
    # A loop of our own: the usual one waits at its end for every thread, however long that works.
    loop = asyncio.new_event_loop()
    threads = ThreadPoolExecutor(thread_name_prefix="work")
    loop.set_default_executor(threads)
    listen_to_signals(loop, app.leave_for_signal, terminal.leave)
    ended = False
    try:
        app.run(loop=loop)
        ended = True
    finally:
        terminal.restore() if ended else terminal.leave()
    for line in app.farewell or (crash_words(app) if app.return_code == _CRASHED else ()):
        with suppress(OSError):  # the terminal may be gone
            sys.stdout.write(printable(line) + "\n")
    code = app.return_code or _OK
    threads.shutdown(wait=False, cancel_futures=True)  # those without work end now
    if not wait_for_threads(_THREAD_SECONDS):
        with suppress(OSError):
            sys.stdout.flush()
        os._exit(code)
    loop.close()
    return code


def crash_words(app: "MinimindApp") -> list[str]:
    """What the shell shows below the traceback of an application that broke."""
    from minimind_tui.app.leaving import farewell

    lines = [_("minimind-tui broke, see above. Runs are not touched by this.")]
    return lines + farewell([entry.folder for entry in app.index.live], stopped=False)


def _is_terminal(stream: object) -> bool:
    try:
        return bool(stream.isatty())  # type: ignore[attr-defined]
    except (AttributeError, ValueError):
        return False


def _usage() -> str:
    return _("Usage: minimind-tui [RUN] [--lang en|zh]. RUN is a run's id, a part of it, a path, or `last`.")
