"""How options and arguments are declared: as Typer's, but the help says the default in its own words."""

from typing import Any

import typer


def option(*names: str, help: str, **rest: Any) -> Any:
    """`typer.Option` without Typer's own, untranslated `[default: ...]`."""
    return typer.Option(*names, help=help, show_default=False, **rest)


def argument(*, metavar: str, help: str, **rest: Any) -> Any:
    """`typer.Argument` without Typer's own, untranslated `[default: ...]`."""
    return typer.Argument(metavar=metavar, help=help, show_default=False, **rest)
