"""How options, arguments and commands are declared: as Typer's, but every word of the help is ours to translate."""

from typing import Any

import typer

from engine.language import _
from minimind_tui.cli.help import Group

PANEL = "rich_help_panel"


def option(*names: str, **rest: Any) -> Any:
    """`typer.Option` whose help says the default in its own words."""
    return typer.Option(*names, **{"show_default": False, PANEL: _("Options"), **rest})


def argument(**rest: Any) -> Any:
    """`typer.Argument` whose help says the default in its own words."""
    return typer.Argument(**{"show_default": False, PANEL: _("Arguments"), **rest})


def group(**rest: Any) -> typer.Typer:
    """A Typer application, for a command with subcommands."""
    return typer.Typer(cls=Group, rich_markup_mode=None, pretty_exceptions_enable=False, **rest)
