"""`minimind resume`: go on with a run that was stopped, was paused, failed or crashed."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from engine.errors import UserError
from engine.language import _
from engine.run.restart_limit import DEFAULT_RESTARTS
from minimind_tui.cli import exit_codes
from minimind_tui.cli.completion import complete_run
from minimind_tui.cli.options import argument, option
from minimind_tui.cli.run_options import PANEL, Detach, FollowAsJson, MaxRestarts, Rendezvous, set_rendezvous

if TYPE_CHECKING:
    from engine.run.by_hand import Started
    from engine.run.folder import RunFolder
    from engine.run.launch import ResumePlan


def resume(
    run: Annotated[
        str,
        argument(
            metavar="[RUN]",
            help=_("The run: its id, a part of it, its title, a path, or `last`. (default: last)"),
            autocompletion=complete_run,
        ),
    ] = "last",
    detach: Detach = False,
    json: FollowAsJson = False,
    max_restarts: MaxRestarts = DEFAULT_RESTARTS,
    use_cache: Annotated[
        bool,
        option(
            "--use_cache",
            help=_("Train on with the token cache of the text, where its file changed or is gone since the start."),
            rich_help_panel=PANEL,
        ),
    ] = False,
    rdzv: Rendezvous = None,
    **settings: Any,
) -> None:
    """Go on with a run."""
    from engine.places import runs_dir
    from engine.run.find import find_run

    set_rendezvous(rdzv)
    folder = find_run(runs_dir(), run)
    raise typer.Exit(
        go_on(folder, settings, detach=detach, json_lines=json, max_restarts=max_restarts, use_cache=use_cache)
    )


def go_on(
    folder: "RunFolder",
    values: Mapping[str, Any],
    *,
    detach: bool,
    json_lines: bool,
    max_restarts: int,
    use_cache: bool = False,
) -> int:
    """Resume a run with changed `values` and follow it; returns the exit code. Raises UserError."""
    from engine.run.by_hand import started_by_hand
    from engine.run.launch import apply_changes, choose_cache
    from minimind_tui.cli.commands.run import start_and_follow
    from minimind_tui.cli.setting_options import option_places
    from minimind_tui.cli.terminal import complain
    from minimind_tui.starting import planned_resume

    together = started_by_hand()
    if together is not None:
        _go_on_by_hand(folder, {**values, "nproc": together.processes, "nnodes": together.machines}, together)
    plan = planned_resume(folder, values, option_places(values))
    for line in _announcement(plan, values, use_cache=use_cache):
        complain(line)
    if use_cache:
        choose_cache(folder)
    if not plan.paused:
        apply_changes(plan)
        return start_and_follow(
            folder, detach=detach, json_lines=json_lines, max_restarts=max_restarts, again=plan.finished
        )

    apply_changes(plan)
    return _wake_and_follow(folder, detach=detach, json_lines=json_lines)


def _go_on_by_hand(folder: "RunFolder", values: Mapping[str, Any], together: "Started") -> NoReturn:
    """Go on with a run on ranks that torchrun or Slurm started."""
    from engine.run.by_hand import become_a_rank
    from engine.run.launch import apply_changes
    from minimind_tui.cli.commands.run import told
    from minimind_tui.starting import planned_resume

    def changed() -> "tuple[RunFolder, bool]":
        plan = planned_resume(folder, values)
        if plan.paused:
            raise UserError(
                _("Run {run} is paused, its own supervisor waits: minimind resume {run} without torchrun.").format(
                    run=folder.id
                )
            )
        apply_changes(plan)
        return told(folder), plan.finished

    become_a_rank(together, changed)


def _wake_and_follow(folder: "RunFolder", *, detach: bool, json_lines: bool) -> int:
    """Let a paused run continue, and follow it; returns the exit code. Raises UserError when it refuses."""
    from engine.run.control import ask
    from minimind_tui.cli.commands.run import say_detached
    from minimind_tui.cli.follow.feed import RunFeed
    from minimind_tui.cli.follow.follow import follow, wait_until_awake
    from minimind_tui.cli.follow.interrupts import counted_interrupts

    feed = RunFeed(folder)
    with counted_interrupts() as interrupts:
        answer = ask(folder, "continue")
        if answer is not None and not answer.accepted:
            raise UserError(
                _("{run} refused {op}: {reason}").format(run=folder.id, op="continue", reason=answer.reason)
            )
        if detach:
            say_detached(folder, json_lines=json_lines)
            return exit_codes.OK
        wait_until_awake(folder)
        return follow(feed, interrupts, json_lines=json_lines, interrupt_stops=True)


def _announcement(plan: "ResumePlan", values: Mapping[str, Any], *, use_cache: bool) -> list[str]:
    """From where the run goes on, with what changed, and whether bit for bit. Raises UserError when it cannot."""
    from engine.run.resumability import resume_statement
    from engine.settings.on_resume import plain

    statement = resume_statement(plan.folder, values, use_cache=use_cache)
    if not statement.possible:
        raise UserError("\n".join(statement.reasons))
    changed = ", ".join(
        _("{name}: {before} -> {after}").format(name=name, before=plain(before), after=plain(after))
        for name, (before, after) in plan.change.changed.items()
    )
    return [
        _("Resuming {run}.").format(run=plan.folder.id),
        *statement.lines(),
        *([_("Changed: {changes}.").format(changes=changed)] if changed else []),
    ]
