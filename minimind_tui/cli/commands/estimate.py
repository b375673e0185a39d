"""`minimind estimate`: what a run will be, before it starts, and a calibration that makes its time known."""

from pathlib import Path
from typing import Annotated, Any

import typer

from engine.language import _
from minimind_tui.cli import exit_codes
from minimind_tui.cli.completion import complete_preset
from minimind_tui.cli.options import option

_PANEL = _("This command")


def estimate(
    preset: Annotated[
        str | None,
        option(
            "--preset",
            metavar="NAME",
            help=_("What to start from; `minimind presets` lists them. (default: full)"),
            autocompletion=complete_preset,
            rich_help_panel=_PANEL,
        ),
    ] = None,
    config: Annotated[
        Path | None,
        option(
            "--config",
            metavar="FILE",
            help=_("A run.toml, such as an earlier run's."),
            rich_help_panel=_PANEL,
        ),
    ] = None,
    calibrate: Annotated[
        bool,
        option(
            "--calibrate",
            help=_("First make some real updates, for about half a minute, so that the time is known."),
            rich_help_panel=_PANEL,
        ),
    ] = False,
    budget: Annotated[
        str | None,
        option(
            "--budget",
            metavar="TEXT",
            help=_("End within a time (2h), an amount of money (5$, with --price) or by a moment (08:00)."),
            rich_help_panel=_PANEL,
        ),
    ] = None,
    price: Annotated[
        str | None,
        option(
            "--price",
            metavar="AMOUNT",
            help=_("What an hour of this machine costs, such as 0.35 or 2.50$: tells what the run will cost."),
            rich_help_panel=_PANEL,
        ),
    ] = None,
    json: Annotated[bool, option("--json", help=_("One JSON object."), rich_help_panel=_PANEL)] = False,
    **settings: Any,
) -> None:
    """Preview a run."""
    from minimind_tui.cli.previewing import calibrate_visibly, print_json, print_preview
    from minimind_tui.cli.setting_options import option_places
    from minimind_tui.cli.terminal import passing_notice
    from minimind_tui.core.cost import parse_budget, parse_price
    from minimind_tui.looking_ahead import look_ahead
    from minimind_tui.starting import asked_settings

    hourly = None if price is None else parse_price(price)
    values = dict(settings)
    if budget is not None:
        values |= parse_budget(budget, price=hourly).values
    resolved, based_on = asked_settings(preset, config, values, option_places(settings))
    with passing_notice(_("Looking into the text and the device ...")):
        outlook = look_ahead(resolved, preset=based_on)
    if calibrate:
        calibrate_visibly(outlook)
        outlook = look_ahead(resolved, preset=based_on)
    if json:
        print_json(outlook, hourly)
    else:
        print_preview(outlook, hourly)
    raise typer.Exit(exit_codes.OK if outlook.preview.ready else exit_codes.MISTAKE)
