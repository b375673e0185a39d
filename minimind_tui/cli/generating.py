"""`minimind generate`'s side of the generating process: its text on standard output as it comes."""

import json
import sys
import tempfile
from collections.abc import Iterable
from typing import Any

from engine.errors import UserError
from engine.language import _
from minimind_tui.generating import read_message, start_worker, words_of_end
from minimind_tui.safe_text import json_text, printable


def write_continuation(request: dict[str, Any], *, json_lines: bool) -> None:
    """Start the process, give it `request`, and write what it writes as it comes.

    The prompt, then its continuation; on a terminal, what it took goes to stderr. With `json_lines` its own lines are
    passed on. Raises UserError with the process's own words when it refuses, RuntimeError when it dies without any.
    """
    waiting = sys.stderr.isatty() and not json_lines
    with tempfile.TemporaryFile() as errors:
        process = start_worker(errors)
        assert process.stdin is not None and process.stdout is not None
        try:
            if waiting:
                sys.stderr.write(_("Loading the model ...") + "\r")
                sys.stderr.flush()
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.close()
            ended = _pass_on(process.stdout, request["prompt"], json_lines=json_lines, waiting=waiting)
            code = process.wait()
        finally:
            process.kill()  # Ctrl-C, or a reader that went away: nothing is worth finishing
            process.wait()
        if not ended:
            raise RuntimeError(words_of_end(code, errors))


def _pass_on(lines: Iterable[str], prompt: str, *, json_lines: bool, waiting: bool) -> bool:
    """Write the pieces of text; True when the process said that it was done. Raises UserError for an error it names."""
    begun = False
    for line in lines:
        message = read_message(line)
        if message is None:
            continue
        if "error" in message:
            if waiting and not begun:
                sys.stderr.write("\033[2K")
            raise UserError(str(message["error"]))
        if json_lines:
            sys.stdout.write(json_text(message) + "\n")
            sys.stdout.flush()
        elif not begun:
            if waiting:
                sys.stderr.write("\033[2K")
                sys.stderr.flush()
            sys.stdout.write(printable(prompt))
            begun = True
        if not json_lines and "text" in message:
            sys.stdout.write(printable(str(message["text"])))
            sys.stdout.flush()
        if message.get("done"):
            if not json_lines:
                sys.stdout.write("\n")
                sys.stdout.flush()
            if waiting:
                sys.stderr.write(
                    _("({tokens} tokens, {speed} tokens/s)").format(
                        tokens=message.get("tokens"), speed=f"{message.get('tokens_per_s') or 0:.0f}"
                    )
                    + "\n"
                )
            return True
    return False
