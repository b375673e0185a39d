"""`minimind run`: start a training, detached from this terminal, and follow it."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.language import _
from engine.run.restart_limit import DEFAULT_RESTARTS
from minimind_tui.cli import exit_codes
from minimind_tui.cli.options import option
from minimind_tui.cli.run_options import (
    PANEL,
    Detach,
    FollowAsJson,
    Force,
    MaxRestarts,
    Preset,
    Rendezvous,
    set_rendezvous,
)
from minimind_tui.safe_text import json_text

if TYPE_CHECKING:
    from engine.run.folder import RunFolder


def run(
    preset: Preset = None,
    config: Annotated[
        Path | None,
        option(
            "--config",
            metavar="FILE",
            help=_("A run.toml, such as an earlier run's: repeat it."),
            rich_help_panel=PANEL,
        ),
    ] = None,
    from_resume: Annotated[
        str,
        option(
            "--from_resume",
            metavar="1|0",
            help=_("1: go on with the newest unfinished run of these weights' name. (default: 0)"),
            rich_help_panel=PANEL,
        ),
    ] = "0",
    name: Annotated[
        str | None,
        option(
            "--name",
            metavar="TEXT",
            help=_("Last part of the run's id. (default: the preset's name)"),
            rich_help_panel=PANEL,
        ),
    ] = None,
    detach: Detach = False,
    json: FollowAsJson = False,
    force: Force = False,
    max_restarts: MaxRestarts = DEFAULT_RESTARTS,
    rdzv: Rendezvous = None,
    node_rank: Annotated[
        int,
        option(
            "--node_rank",
            metavar="R",
            min=0,
            help=_("This machine's number, from 0; any other than 0 joins the run that meets at --rdzv. (default: 0)"),
            rich_help_panel=PANEL,
        ),
    ] = 0,
    **settings: Any,
) -> None:
    """Train a model."""
    from engine.errors import UserError
    from engine.run.by_hand import become_a_rank, started_by_hand
    from engine.run.launch import make_run, newest_unfinished, weights_name
    from minimind_tui.cli.arguments import FALSE_WORDS, TRUE_WORDS
    from minimind_tui.cli.setting_options import option_places
    from minimind_tui.cli.terminal import complain
    from minimind_tui.starting import asked_settings, checked_plan

    if from_resume.lower() not in (*TRUE_WORDS, *FALSE_WORDS):
        raise UserError(
            _("--from_resume {value}: expected true or false (1/0, yes/no, on/off).").format(value=from_resume)
        )
    set_rendezvous(rdzv)
    if node_rank > 0:
        raise typer.Exit(join(rdzv, node_rank))
    together = started_by_hand()
    if together is not None:
        set_rendezvous(f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}")
        settings |= {"nproc": together.processes, "nnodes": together.machines}
    resolved, based_on = asked_settings(preset, config, settings, option_places(settings))
    if from_resume.lower() in TRUE_WORDS:
        from minimind_tui.cli.commands.resume import go_on

        folder = newest_unfinished(weights_name(resolved))
        raise typer.Exit(go_on(folder, settings, detach=detach, json_lines=json, max_restarts=max_restarts))

    def made() -> "RunFolder":
        plan = checked_plan(resolved, based_on, name, force=force)
        for note in plan.notes:
            complain(note)
        return make_run(plan)

    if together is not None:
        become_a_rank(together, lambda: (told(made()), False))
    folder = made()
    raise typer.Exit(start_and_follow(folder, detach=detach, json_lines=json, max_restarts=max_restarts))


def told(folder: "RunFolder") -> "RunFolder":
    """The run, its name said to a person who starts ranks by hand."""
    from minimind_tui.cli.terminal import say

    say(_("run {run}").format(run=folder.id))
    say(_("Watch it: minimind attach {run}").format(run=folder.id))
    return folder


def join(rdzv: str | None, machine: int) -> int:
    """Be another machine of a run until it ends; returns the exit code. Raises UserError."""
    from engine.errors import UserError
    from engine.places import runs_dir
    from engine.run.joining import join_run
    from minimind_tui.cli.terminal import say

    if rdzv is None:
        raise UserError(
            _("--node_rank {machine} needs --rdzv HOST:PORT, as machine 0 was given.").format(machine=machine)
        )
    return exit_codes.OK if join_run(runs_dir(), rdzv, machine, say) else exit_codes.FAILED


def start_and_follow(
    folder: "RunFolder", *, detach: bool, json_lines: bool, max_restarts: int, again: bool = False
) -> int:
    """Start a made run's supervisor and follow it, or say where to find it; returns the exit code."""
    from minimind_tui.cli.follow.feed import RunFeed
    from minimind_tui.cli.follow.follow import follow
    from minimind_tui.cli.follow.interrupts import counted_interrupts
    from minimind_tui.starting import start_detached

    feed = RunFeed(folder)
    with counted_interrupts() as interrupts:  # from before the start: a Ctrl-C must not leave a run behind unseen
        start_detached(folder, max_restarts=max_restarts, again=again)
        if detach:
            say_detached(folder, json_lines=json_lines)
            return exit_codes.OK
        return follow(feed, interrupts, json_lines=json_lines, interrupt_stops=True)


def say_detached(folder: "RunFolder", *, json_lines: bool) -> None:
    """Name the run that now trains by itself, and how to come back to it."""
    from minimind_tui.cli.terminal import say

    if json_lines:
        say(json_text({"stream": "run", "id": folder.id, "path": str(folder.path)}))
        return
    say(_("run {run}").format(run=folder.id))
    say(_("It trains by itself. Watch: minimind attach {run}   Stop: minimind runs stop {run}").format(run=folder.id))
