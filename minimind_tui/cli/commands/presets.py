"""`minimind presets`: what there is to start from, and what a preset means in full."""

from typing import Annotated

import typer

from engine.language import _
from minimind_tui.cli.completion import complete_preset
from minimind_tui.cli.help import Command
from minimind_tui.cli.options import argument, group, option
from minimind_tui.cli.terminal import make_console, print_table, say
from minimind_tui.safe_text import json_text, printable

app = group(help=_("List the presets, or show one in full."), invoke_without_command=True)


@app.callback()
def presets(
    context: typer.Context, json: Annotated[bool, option("--json", help=_("One JSON object a line."))] = False
) -> None:
    """List the presets."""
    if context.invoked_subcommand is None:
        if json:
            _list_json()
        else:
            _list_table()


@app.command(cls=Command, help=_("Show a preset with every setting resolved; what it changes is marked."))
def show(
    name: Annotated[str, argument(metavar="NAME", help=_("The preset."), autocompletion=complete_preset)],
    toml: Annotated[
        bool, option("--toml", help=_("As a file that `minimind run --config` reads, helps as comments."))
    ] = False,
) -> None:
    """Show one preset."""
    from engine.settings.presets import load_preset

    preset = load_preset(name)
    settings = preset.settings()
    if toml:
        from engine.settings.run_toml import render_settings

        typer.echo(render_settings(settings, preset.name), nl=False)
        return
    _show_table(preset.name)


def _list_json() -> None:

    from engine.settings.presets import load_preset, preset_paths

    for name in preset_paths():
        preset = load_preset(name)
        record = {"name": name, "path": str(preset.path), "summary": preset.summary, "values": preset.values}
        say(json_text(record))


def _list_table() -> None:
    from rich.table import Table

    from engine.errors import UserError
    from engine.settings.presets import DEFAULT_PRESET, load_preset, preset_paths

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(_("preset"), style="bold", no_wrap=True)
    table.add_column(_("what it is"))
    for name in preset_paths():
        try:
            summary = load_preset(name).summary
        except UserError as error:
            summary = str(error)
        table.add_row(printable(name), printable(summary))
    print_table(table)
    console = make_console()
    console.print()
    console.print(_("`minimind run` is `minimind run --preset {name}`.").format(name=DEFAULT_PRESET))
    console.print(_("`minimind presets show NAME` prints one in full; your own go to ./presets/NAME.toml."))


def _show_table(name: str) -> None:
    from rich.table import Table

    from engine.language import current_language
    from engine.settings.declaration import GROUPS, declarations
    from engine.settings.presets import load_preset
    from engine.settings.settings import Settings
    from minimind_tui.cli.setting_options import unit_word

    preset = load_preset(name)
    settings = preset.settings()
    console = make_console()
    console.print(printable(f"{preset.name}: {preset.summary}"), style="bold")
    console.print(printable(str(preset.path)), style="dim")
    every = declarations(Settings)
    for table_name in GROUPS:
        table = Table(
            title=f"[{table_name}]",
            title_justify="left",
            box=None,
            show_header=False,
            pad_edge=False,
            padding=(0, 2, 0, 0),
        )
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold", max_width=28)
        table.add_column(style="dim")
        for setting, declaration in every.items():
            if declaration.group != table_name:
                continue
            changed = setting in preset.values
            unit = f" {unit_word(declaration.unit)}" if declaration.unit else ""
            table.add_row(
                "*" if changed else "",
                setting,
                printable(show_value(getattr(settings, setting)) + unit),
                declaration.help(current_language()),
                style="bold" if changed else None,
            )
        console.print()
        print_table(table)
    console.print()
    console.print(_("* set by the preset; everything else is the default."))


def show_value(value: object) -> str:
    """A setting's value as a person would write it."""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, tuple):
        return " | ".join(str(part) for part in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
