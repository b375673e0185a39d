"""`minimind runs`: what was trained, and what can be asked of a run."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.language import _
from minimind_tui.cli.completion import complete_run
from minimind_tui.cli.help import Command
from minimind_tui.cli.options import argument, group, option

if TYPE_CHECKING:
    from engine.run.folder import RunFolder

app = group(
    help=_("List the runs; show, name, report, stop, pause or remove one, or ask something of it."),
    invoke_without_command=True,
)

Run = Annotated[
    str,
    argument(
        metavar="[RUN]",
        help=_("The run: its id, a part of it, its title, a path, or `last`. (default: last)"),
        autocompletion=complete_run,
    ),
]
NamedRun = Annotated[
    str,
    argument(
        metavar="RUN",
        help=_("The run: its id, a part of it, its title, a path, or `last`."),
        autocompletion=complete_run,
    ),
]
ANSWER_SECONDS = 120.0
"""How long a request is waited for: a run looks for them between micro-batches, which may take a minute each."""


@app.callback()
def runs(
    context: typer.Context, json: Annotated[bool, option("--json", help=_("One JSON object a line."))] = False
) -> None:
    """List the runs."""
    if context.invoked_subcommand is not None:
        return
    from minimind_tui.cli.listing import list_json, list_table

    list_json() if json else list_table()


@app.command(cls=Command, help=_("Show how a run stands, its attempts and its checkpoints."))
def show(run: Run = "last", json: Annotated[bool, option("--json", help=_("As one JSON object."))] = False) -> None:
    """Show one run."""
    from minimind_tui.cli.showing import show_json, show_run

    show_json(_find(run)) if json else show_run(_find(run))


@app.command(cls=Command, help=_("Save and stop a run; `minimind resume` goes on with it."))
def stop(
    run: Run = "last",
    now: Annotated[
        bool, option("--now", help=_("At once, without saving: what came after its last checkpoint is lost."))
    ] = False,
) -> None:
    """Stop a run and wait until it has stopped."""
    _ask(_find(run), "stop", {"now": True} if now else {}, until_over=True)


@app.command(cls=Command, help=_("Save a run and free its memory; `minimind runs continue` goes on with it."))
def pause(run: Run = "last") -> None:
    """Pause a run."""
    _ask(_find(run), "pause", {}, until_over=True)


@app.command("continue", cls=Command, help=_("Go on with a paused run."))
def continue_(run: Run = "last") -> None:
    """Continue a paused run."""
    _ask(_find(run), "continue", {})


@app.command(cls=Command, help=_("Make a checkpoint now."))
def save(
    run: Run = "last",
    keep: Annotated[bool, option("--keep", help=_("Never delete this checkpoint when newer ones come."))] = False,
) -> None:
    """Ask for a checkpoint."""
    _ask(_find(run), "save", {"keep": True} if keep else {})


@app.command(cls=Command, help=_("Let the run write a text sample now; `minimind attach` shows it."))
def sample(
    run: Run = "last",
    prompt: Annotated[
        str | None, option("--prompt", metavar="TEXT", help=_("The beginning to continue. (default: the run's own)"))
    ] = None,
) -> None:
    """Ask for a sample."""
    _ask(_find(run), "sample", {} if prompt is None else {"prompt": prompt})


@app.command("set", cls=Command, help=_("Change the learning rate of a run while it trains."))
def set_(
    run: Run = "last",
    lr_scale: Annotated[
        float | None,
        option("--lr_scale", metavar="X", help=_("Factor on the schedule's learning rate from the next update on.")),
    ] = None,
) -> None:
    """Change what can be changed in a run that trains."""
    from engine.errors import UserError

    if lr_scale is None:
        raise UserError(_("What is to be set? --lr_scale X is a factor on the learning rate."))
    _ask(_find(run), "set", {"lr_scale": lr_scale})


@app.command(cls=Command, help=_("Leave documents out from now on; what was found behind an update is in guard.json."))
def exclude(
    run: NamedRun,
    documents: Annotated[
        list[str] | None,
        argument(metavar="[FILE:LINE]...", help=_("Lines of the run's text; FILE: may be left out.")),
    ] = None,
    worst: Annotated[
        bool, option("--worst", help=_("Those that were last found behind an update that was not as it should be."))
    ] = False,
) -> None:
    """Exclude documents from training."""
    from minimind_tui.cli.excluding import exclude_documents

    exclude_documents(_find(run), documents or [], worst=worst, ask=_ask)


@app.command(cls=Command, help=_("Give a run a title; an empty one takes it away. Its id stays."))
def rename(
    run: NamedRun,
    title: Annotated[str, argument(metavar="TITLE", help=_("The title, on one line."))],
) -> None:
    """Give a run a title."""
    from engine.run.annotations import rename_run
    from minimind_tui.cli.terminal import say

    folder = _find(run)
    annotations = rename_run(folder, title)
    if annotations.title:
        say(_("{run}: the title is now {title}").format(run=folder.id, title=annotations.title))
    else:
        say(_("{run}: it has no title any more.").format(run=folder.id))


@app.command(cls=Command, help=_("Print a run's note, or write it."))
def note(
    run: NamedRun,
    text: Annotated[
        str | None,
        argument(metavar="[TEXT]", help=_("The new note; - reads it from standard input, '' takes it away.")),
    ] = None,
) -> None:
    """Print or write a run's note."""
    import sys

    from engine.run.annotations import read_annotations, write_note
    from minimind_tui.cli.terminal import say

    folder = _find(run)
    if text is None:
        written = read_annotations(folder).note
        say(written or _("{run} has no note.").format(run=folder.id))
        return
    annotations = write_note(folder, sys.stdin.read() if text == "-" else text)
    say(
        _("{run}: the note is written.").format(run=folder.id)
        if annotations.note
        else _("{run}: it has no note any more.").format(run=folder.id)
    )


@app.command(cls=Command, help=_("Write a report of a run: one file with curves, numbers, settings and samples."))
def report(
    run: Run = "last",
    format_: Annotated[
        str | None,
        option("--format", metavar="html|md", help=_("HTML or Markdown. (default: by the file's name, else html)")),
    ] = None,
    output: Annotated[
        str | None,
        option("--output", "-o", metavar="PATH", help=_("The file, or a folder. (default: report.html in the run's)")),
    ] = None,
) -> None:
    """Write a run's report."""
    from engine.errors import UserError
    from engine.places import named_path
    from minimind_tui import words
    from minimind_tui.cli.terminal import say
    from minimind_tui.report import KINDS, write_report

    kind = next((one for one in KINDS if one == format_), None)
    if format_ is not None and kind is None:
        raise UserError(_("--format {value}: expected {kinds}.").format(value=format_, kinds=" | ".join(KINDS)))
    path = write_report(_find(run), None if output is None else named_path(output), kind)
    say(_("The report is in {path}").format(path=words.short_path(path)))


@app.command("rm", cls=Command, help=_("Remove runs with everything in them, after asking."))
def remove(
    runs: Annotated[list[str], argument(metavar="RUN...", help=_("The runs to remove."), autocompletion=complete_run)],
    yes: Annotated[bool, option("--yes", "-y", help=_("Do not ask."))] = False,
) -> None:
    """Remove runs."""
    from engine.errors import UserError
    from engine.run.delete import delete_run, freed_bytes
    from engine.run.observe import observe
    from minimind_tui import words
    from minimind_tui.cli.terminal import confirm, say

    folders = list({folder.path: folder for folder in map(_find, runs)}.values())
    for folder in folders:
        seen = observe(folder)
        if seen.is_live:
            raise UserError(
                _("Run {run} is {state} and cannot be removed. Stop it first: minimind runs stop {run}").format(
                    run=folder.id, state=seen.state
                )
            )
    for folder in folders:
        say(f"  {folder.id}  {words.size(freed_bytes(folder.path))}")
    question = _("Remove {n} runs with their checkpoints and weights?").format(n=len(folders))
    if not yes and not confirm(question):
        say(_("Nothing was removed."))
        raise typer.Exit(1)
    freed = sum(delete_run(folder) for folder in folders)
    say(_("Removed; {size} are free again.").format(size=words.size(freed)))


def _find(text: str) -> "RunFolder":
    from engine.places import runs_dir
    from engine.run.find import find_run

    return find_run(runs_dir(), text)


def _ask(folder: "RunFolder", op: str, args: Mapping[str, Any], *, until_over: bool = False) -> None:
    """Ask something of a run and say what became of it. Raises UserError when it refuses, or cannot be asked."""
    from engine.errors import UserError
    from engine.run.control import ask
    from minimind_tui.cli.follow.follow import wait_until_over
    from minimind_tui.cli.terminal import say
    from minimind_tui.words import state_word

    answer = ask(folder, op, args, timeout=ANSWER_SECONDS)
    if answer is None:
        say(_("{run}: asked for {op}; it has not answered yet.").format(run=folder.id, op=op))
    elif not answer.accepted:
        raise UserError(_("{run} refused {op}: {reason}").format(run=folder.id, op=op, reason=answer.reason))
    elif not until_over:
        reason = f" {answer.reason}" if answer.reason else ""
        say(_("{run}: {op} done at step {step}.").format(run=folder.id, op=op, step=answer.step) + reason)
    if until_over:
        seen = wait_until_over(folder, paused_too=op == "pause")
        say(f"{folder.id}: {state_word(seen.state)}. {seen.message}")
