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
    device: Annotated[
        str | None,
        option(
            "--device",
            metavar="NAME",
            help=_(
                "As for `minimind run`; or one to plan for without having it (rtx3090, rtx4090, a100, h100), each "
                "figure with the assumption behind it."
            ),
            rich_help_panel=PANEL,
        ),
    ] = None,
    nproc: Annotated[
        str | None,
        option(
            "--nproc",
            metavar="N",
            help=_("Processes, one a device, as for `minimind run`; a plan has eight on a host. (default: 1)"),
            rich_help_panel=PANEL,
        ),
    ] = None,
    data: Annotated[
        str | None,
        option(
            "--data",
            metavar="BYTES",
            help=_("Plan for so much text: 500MB, 10GB, 1TB. (default: the file at data_path)"),
            rich_help_panel=PANEL,
        ),
    ] = None,
    text: Annotated[
        str | None,
        option(
            "--text",
            metavar="zh|en|mixed",
            help=_("What language --data is in: that decides its tokens. (default: mixed)"),
            rich_help_panel=PANEL,
        ),
    ] = None,
    link: Annotated[
        str | None,
        option(
            "--link",
            metavar="NAME",
            help=_("Plan with this as the slowest connection: pcie4, nvlink3, nvlink4, 25gbe, 100gbe."),
            rich_help_panel=PANEL,
        ),
    ] = None,
    json: Annotated[bool, option("--json", help=_("One JSON object."), rich_help_panel=PANEL)] = False,
    **settings: Any,
) -> None:
    """Preview a run."""
    from minimind_tui.cli.planning import Asked, print_plan

    asked = Asked(device, nproc, data, text, link)
    if asked.is_plan:
        told = print_plan(asked, preset, config, settings, price, budget=budget, calibrate=calibrate, json_wanted=json)
        raise typer.Exit(told)
    settings |= {name: given for name, given in (("device", device), ("nproc", nproc)) if given is not None}
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
        facts = probe_device(cache_dir())
    if look.note:
        complain(look.note)
    if calibrate:
        calibrate_visibly(resolved, look.facts)
    bounded = with_budget(resolved, budget or "", hourly, lambda bound: preview_of(bound, look, facts)[0])
    if "epochs" in settings:
        bounded = bounded.model_copy(update={"epochs": resolved.epochs})
    foresight = foresee(bounded, look, facts)
    if json:
        print_json(foresight, hourly)
    else:
        print_preview(foresight, hourly)
    raise typer.Exit(exit_codes.MISTAKE if foresight.reasons else exit_codes.OK)
