"""Errors of ours must not take the screen down: they are written to a file and told in one line."""

import os
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from textual.dom import DOMNode

from engine.errors import UserError
from engine.language import _


@contextmanager
def guarded(node: DOMNode, doing: str) -> Iterator[None]:
    """Run a block whose failure is told on the screen of `node`, and goes no further.

    A UserError is shown as it is; anything else with what was being done, its traceback in a file.
    """
    try:
        yield
    except Exception as error:
        tell_error(node, doing, error)


def tell_error(node: DOMNode, doing: str, error: BaseException | None) -> None:
    """Tell a failure: a UserError in its own words, anything else with what was being done and its traceback's file."""
    if isinstance(error, UserError):
        tell(node, str(error), severity="error")
    elif error is not None:
        tell(node, f"{doing}: {describe(error)}", severity="error")


def describe(error: BaseException) -> str:
    """An unexpected error in one sentence, with the file its traceback went to."""
    summary = f"{type(error).__name__}: {error}"
    try:
        handle, name = tempfile.mkstemp(prefix="minimind-error-", suffix=".txt")
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            file.write("".join(traceback.format_exception(error)))
    except OSError:
        return summary
    return _("{summary} (the traceback is in {path})").format(summary=summary, path=name)


def tell(node: DOMNode, message: str, *, severity: Any = "information", title: str = "") -> None:
    """A passing message on the screen; nobody's markup."""
    node.app.notify(message, title=title, severity=severity, markup=False, timeout=12 if severity == "error" else 5)
