"""`minimind fork`: go on from a run's checkpoint as a new run, with other settings."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.errors import UserError
from engine.language import _
from engine.run.restart_limit import DEFAULT_RESTARTS
from minimind_tui.cli.completion import complete_run
from minimind_tui.cli.options import argument, option
from minimind_tui.cli.run_options import PANEL, Detach, FollowAsJson, Force, MaxRestarts

if TYPE_CHECKING:
    from engine.run.fork import ForkPlan, Wanted


def fork(
    run: Annotated[
        str,
        argument(
            metavar="[RUN]",
            help=_("The run: its id, a part of it, its title, a path, or `last`. (default: last)"),
            autocompletion=complete_run,
        ),
    ] = "last",
    checkpoint: Annotated[
        str,
        option(
            "--checkpoint",
            metavar="STEP|best|last",
            help=_("From which checkpoint: a step, `best` by validation loss, or `last`. (default: last)"),
            rich_help_panel=PANEL,
        ),
    ] = "last",
    name: Annotated[
        str | None,
        option(
            "--name",
            metavar="TEXT",
            help=_("Last part of the fork's id. (default: the run's, with -fork)"),
            rich_help_panel=PANEL,
        ),
    ] = None,
    detach: Detach = False,
    json: FollowAsJson = False,
    force: Force = False,
    max_restarts: MaxRestarts = DEFAULT_RESTARTS,
    **settings: Any,
) -> None:
    """Fork a run and follow the fork."""
    from engine.places import runs_dir
    from engine.run.find import find_run
    from engine.run.fork import make_fork
    from minimind_tui.cli.commands.run import start_and_follow
    from minimind_tui.cli.setting_options import option_places
    from minimind_tui.cli.terminal import complain, passing_notice
    from minimind_tui.starting import checked_fork

    folder = find_run(runs_dir(), run)
    plan = checked_fork(folder, _wanted(checkpoint), settings, name=name, places=option_places(settings), force=force)
    for line in _announcement(plan):
        complain(line)
    with passing_notice(_("Verifying the checkpoint ...")):
        child = make_fork(plan)
    raise typer.Exit(start_and_follow(child, detach=detach, json_lines=json, max_restarts=max_restarts))


def _wanted(checkpoint: str) -> "Wanted":
    """What `--checkpoint` means. Raises UserError."""
    text = checkpoint.strip().lower()
    if text in ("best", "last"):
        return "best" if text == "best" else "last"
    number = text.removeprefix("step-")
    if not number.isdecimal():
        raise UserError(_("--checkpoint {value}: expected a step (a number), best or last.").format(value=checkpoint))
    return int(number)


def _announcement(plan: "ForkPlan") -> list[str]:
    """What the fork begins with: what it takes over, what not, and where it ends."""
    from engine.settings.on_resume import plain

    lines = [_("Forking {run} at step {step}.").format(run=plan.parent.id, step=plan.step)]
    changed = ", ".join(
        _("{name}: {before} -> {after}").format(name=name, before=plain(before), after=plain(after))
        for name, (before, after) in plan.given.items()
        if before != after
    )
    if changed:
        lines.append(_("Changed: {changes}.").format(changes=changed))
    lines.append(_("Taken over: {kept}.").format(kept="; ".join(plan.keeps)))
    if plan.loses:
        lines.append(_("Not taken over: {lost}.").format(lost="; ".join(plan.loses)))
    if plan.end is not None:
        lines.append(_("It trains on to update {end}.").format(end=plan.end))
    return [*lines, *plan.notes]
