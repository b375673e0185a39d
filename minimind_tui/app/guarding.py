"""Errors of ours must not take the screen down: they are written to a file and told in one line."""

import inspect
import os
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
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


def shield_handlers(kind: type[DOMNode]) -> None:
    """Wrap the handlers that a class declares (`on_...`): their failures are told by the application, not fatal."""
    for name, function in list(vars(kind).items()):
        if name.startswith("on_") and inspect.isfunction(function):
            setattr(kind, name, shielded(function))


def shielded(function: Callable[..., Any]) -> Callable[..., Any]:
    """A method of a node, or a callback, whose failure is told by the application of `self` and goes no further."""
    if inspect.iscoroutinefunction(function):

        @wraps(function)
        async def later(self: DOMNode, *arguments: Any, **named: Any) -> Any:
            try:
                return await function(self, *arguments, **named)
            except Exception as error:
                _tell_application(self, error)

        return later

    @wraps(function)
    def at_once(self: DOMNode, *arguments: Any, **named: Any) -> Any:
        try:
            return function(self, *arguments, **named)
        except Exception as error:
            _tell_application(self, error)

    return at_once


def _tell_application(node: DOMNode, error: Exception) -> None:
    show = getattr(node.app, "show_trouble", None)
    if show is None:
        raise error
    show(error)
