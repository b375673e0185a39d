"""How options and arguments are declared: as Typer's, but the help says the default in its own words."""

from typing import Any

import typer


def option(*names: str, **rest: Any) -> Any:
    """`typer.Option` without Typer's own, untranslated `[default: ...]`."""
    return typer.Option(*names, show_default=False, **rest)


def argument(**rest: Any) -> Any:
    """`typer.Argument` without Typer's own, untranslated `[default: ...]`."""
    return typer.Argument(show_default=False, **rest)
