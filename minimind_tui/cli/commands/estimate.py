"""`minimind estimate`: what a run will be, before it starts, and a calibration that makes its time known."""

from pathlib import Path
from typing import Annotated, Any

import typer

from engine.language import _
from minimind_tui.cli import exit_codes
from minimind_tui.cli.options import option
from minimind_tui.cli.run_options import PANEL, Preset


def estimate(
    preset: Preset = None,
    config: Annotated[
        Path | None,
        option(
            "--config",
            metavar="FILE",
            help=_("A run.toml, such as an earlier run's."),
            rich_help_panel=PANEL,
        ),
    ] = None,
    calibrate: Annotated[
        bool,
        option(
            "--calibrate",
            help=_("First make some real updates, for about half a minute, so that the time is known."),
            rich_help_panel=PANEL,
        ),
    ] = False,
    budget: Annotated[
        str | None,
        option(
            "--budget",
            metavar="TEXT",
            help=_("End within a time (2h), an amount of money (5$, with --price) or by a moment (08:00)."),
            rich_help_panel=PANEL,
        ),
    ] = None,
    price: Annotated[
        str | None,
        option(
            "--price",
            metavar="AMOUNT",
            help=_("What an hour of this machine costs, such as 0.35 or 2.50$: tells what the run will cost."),
            rich_help_panel=PANEL,
        ),
    ] = None,
    json: Annotated[bool, option("--json", help=_("One JSON object."), rich_help_panel=PANEL)] = False,
    **settings: Any,
) -> None:
    """Preview a run."""
    from engine.estimate.device_probe import probe_device
    from engine.places import cache_dir
    from minimind_tui.cli.previewing import calibrate_visibly, print_json, print_preview
    from minimind_tui.cli.setting_options import option_places
    from minimind_tui.cli.terminal import complain, passing_notice
    from minimind_tui.core.cost import parse_budget, parse_price
    from minimind_tui.core.wizard.foresight import foresee, preview_of, with_budget
    from minimind_tui.core.wizard.look_process import look_into
    from minimind_tui.starting import asked_settings

    hourly = None if price is None else parse_price(price)
    if budget is not None:
        parse_budget(budget, price=hourly)  # a mistake is told before anybody waits
    resolved, _based_on = asked_settings(preset, config, settings, option_places(settings))
    with passing_notice(_("Looking into the text and the device ...")):
        look = look_into(resolved)
        device = probe_device(cache_dir())
    if look.note:
        complain(look.note)
    if calibrate:
        calibrate_visibly(resolved, look.facts)
    bounded = with_budget(resolved, budget or "", hourly, lambda asked: preview_of(asked, look, device)[0])
    if "epochs" in settings:
        bounded = bounded.model_copy(update={"epochs": resolved.epochs})
    foresight = foresee(bounded, look, device)
    if json:
        print_json(foresight, hourly)
    else:
        print_preview(foresight, hourly)
    raise typer.Exit(exit_codes.MISTAKE if foresight.reasons else exit_codes.OK)
