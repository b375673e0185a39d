"""From the words typed to an exit code: regular arguments, one message for a mistake, no traceback."""

import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from engine.errors import UserError
from engine.language import LANGUAGES, _, set_language
from minimind_tui.cli import exit_codes
from minimind_tui.cli.terminal import complain


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `minimind` with `arguments` (default: the process's own) and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError):  # a test's stand-in cannot be reconfigured and needs it not
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        return _run(list(sys.argv[1:] if arguments is None else arguments))
    except UserError as error:
        complain(_("Error: {message}").format(message=error))
        return exit_codes.MISTAKE
    except KeyboardInterrupt:
        return exit_codes.INTERRUPTED
    except BrokenPipeError:
        # The reader (`| head`) has what it wanted. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exit_codes.OK
    except Exception as error:
        complain(_unexpected(error))
        return exit_codes.FAILED


def _run(arguments: list[str]) -> int:
    arguments = _take_language(arguments)
    # Imported after the language is known: help texts are made as their modules load.
    import typer

    from minimind_tui.cli.arguments import regular_arguments
    from minimind_tui.cli.tree import build_app, describe_commands

    completing = "_MINIMIND_COMPLETE" in os.environ
    with_settings = completing or _needs_settings(arguments)
    command = typer.main.get_command(build_app(with_settings=with_settings))
    if not completing:
        arguments = regular_arguments(arguments, describe_commands(command, with_settings=with_settings))
    try:
        code = command.main(args=arguments, prog_name="minimind", standalone_mode=False)
    except typer.Abort:
        return exit_codes.INTERRUPTED
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        # Typer's own usage errors: what remains after `regular_arguments`, such as a superfluous word.
        raise UserError(f"{error.format_message()} " + _("(`minimind --help` shows what there is.)")) from None
    return code if isinstance(code, int) else exit_codes.OK


def _needs_settings(arguments: Sequence[str]) -> bool:
    """Whether the settings' options must be built, which costs a tenth of a second that `minimind --help` saves."""
    for word in arguments:
        if not word.startswith("-"):
            from minimind_tui.cli.tree import WITH_SETTINGS

            return word in WITH_SETTINGS
        if word not in ("--help", "-h", "--version"):
            return True  # a setting before its command: told where it belongs
    return False


def _take_language(arguments: list[str]) -> list[str]:
    """Follow a `--lang` wherever it stands; returns the other arguments. Raises UserError for an unknown language."""
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        name, equals, value = word.partition("=")
        if word == "--":
            return [*rest, word, *words]
        if name != "--lang":
            rest.append(word)
            continue
        asked = value if equals else next(words, "")
        if asked not in LANGUAGES:
            raise UserError(_("--lang takes one of: {names}.").format(names=", ".join(LANGUAGES)))
        set_language(asked)
        os.environ["MINIMIND_LANG"] = asked  # the run's own processes speak it too
    return rest


def _unexpected(error: Exception) -> str:
    """The words for an error that is nobody's mistake but ours; the traceback goes to a file."""
    summary = f"{type(error).__name__}: {error}"
    try:
        handle, name = tempfile.mkstemp(prefix="minimind-error-", suffix=".txt")
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            file.write("".join(traceback.format_exception(error)))
    except OSError:
        return _("Unexpected error. {summary}").format(summary=summary)
    return _("Unexpected error. {summary}\nThe traceback is in {path}; please report it with the command.").format(
        summary=summary, path=Path(name)
    )
