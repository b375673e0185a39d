"""The help of every command: in the current language, folded to any width also where words have no spaces between."""

from typing import TYPE_CHECKING, Any

from typer.core import TyperCommand, TyperGroup

from engine.language import _
from minimind_tui.cli.terminal import make_console

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

_NAME_COLUMNS = 30
_SUMMARY_COLUMNS = 100


class Command(TyperCommand):
    """A command with our help."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help into click's formatter."""
        formatter.write(render_help(self, ctx))


class Group(TyperGroup):
    """A group of commands with our help."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help into click's formatter."""
        formatter.write(render_help(self, ctx))


def render_help(command: Any, context: Any) -> str:
    """The whole help of `command`, in colour where stdout is a terminal that wants it."""
    console = make_console()
    with console.capture() as capture:
        _print_usage(console, command, context)
        if command.help:
            console.print(command.help, width=_SUMMARY_COLUMNS)
        for title, rows in _sections(command, context).items():
            console.print()
            console.print(title, style="bold")
            _print_rows(console, rows)
        if command.epilog:
            console.print()
            for paragraph in command.epilog.split("\n\n"):
                console.print(paragraph, width=_SUMMARY_COLUMNS)
    return "\n".join(line.rstrip() for line in capture.get().rstrip("\n").split("\n"))


def _print_usage(console: "Console", command: Any, context: Any) -> None:
    from rich.text import Text

    arguments = [_argument_name(parameter) for parameter in command.params if parameter.param_type_name == "argument"]
    words = [context.command_path, _("[OPTIONS]"), *arguments]
    if getattr(command, "commands", None):
        words.append(_("COMMAND ..."))
    console.print(Text(_("Usage: {usage}").format(usage=" ".join(words)), style="bold"))
    console.print()


def _sections(command: Any, context: Any) -> dict[str, list[tuple[str, str]]]:
    """Titles, and what stands under each: names and their help. Commands first, then arguments, then options."""
    sections: dict[str, list[tuple[str, str]]] = {}
    for name, subcommand in getattr(command, "commands", {}).items():
        if not subcommand.hidden:
            sections.setdefault(_("Commands"), []).append((name, subcommand.help or ""))
    for kind in ("argument", "option"):
        for parameter in command.get_params(context):
            if parameter.param_type_name != kind or parameter.hidden:
                continue
            title = getattr(parameter, "rich_help_panel", None) or _("Options")
            sections.setdefault(title, []).append((_name(parameter), _help(parameter)))
    return sections


def _name(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return _argument_name(parameter)
    names = ", ".join(sorted([*parameter.opts, *parameter.secondary_opts], key=len, reverse=True))
    return names if parameter.is_flag or parameter.metavar is None else f"{names} {parameter.metavar}"


def _argument_name(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _help(parameter: Any) -> str:
    """Its help; for the options that are not ours, in our words."""
    theirs = {
        "help": _("Print this help."),
        "install_completion": _("Install completion of commands and options for the current shell."),
        "show_completion": _("Print that completion, to be looked at or put into place by hand."),
    }
    return theirs.get(parameter.name) or str(parameter.help or "")


def _print_rows(console: "Console", rows: "Iterable[tuple[str, str]]") -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(style="cyan", overflow="fold", max_width=min(_NAME_COLUMNS, console.width // 2))
    table.add_column(overflow="fold")
    for name, text in rows:
        table.add_row(Text(f"  {name}"), Text(text))
    console.print(table)
