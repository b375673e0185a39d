"""From `minimind-tui [RUN]` to the running application, and what the shell shows afterwards."""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from engine.errors import UserError
from engine.language import LANGUAGES, _, set_language

_OK, _MISTAKE = 0, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the terminal application; returns the exit code: 2 for a mistake, with one message on stderr."""
    try:
        return _run(list(sys.argv[1:] if arguments is None else arguments))
    except UserError as error:
        sys.stderr.write(_("Error: {message}").format(message=error) + "\n")
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

    app = MinimindApp(open_first=folder, problem=problem)
    app.run()
    for line in app.farewell:
        with suppress(OSError):  # the terminal may be gone
            sys.stdout.write(line + "\n")
    return app.return_code or _OK


def _is_terminal(stream: object) -> bool:
    try:
        return bool(stream.isatty())  # type: ignore[attr-defined]
    except (AttributeError, ValueError):
        return False


def _usage() -> str:
    return _("Usage: minimind-tui [RUN] [--lang en|zh]. RUN is a run's id, a part of it, a path, or `last`.")
