"""The tree of commands, and what of it must be known before the words typed are read."""

from typing import Annotated, Any

import typer

from engine.language import _
from minimind_tui import __version__
from minimind_tui.cli import arguments
from minimind_tui.cli.exit_codes import describe_exit_codes
from minimind_tui.cli.help import Command
from minimind_tui.cli.options import group, option

WITH_SETTINGS = ("run", "estimate", "resume", "fork")
"""Commands that take every setting as an option."""


def build_app(*, with_settings: bool = True) -> typer.Typer:
    """The Typer application. Without `with_settings`, the commands of WITH_SETTINGS lack their settings' options."""
    from minimind_tui.cli.commands import (
        attach,
        data,
        doctor,
        estimate,
        fork,
        generate,
        plot,
        presets,
        resume,
        run,
        runs,
        tui,
        verify,
    )

    app = group(
        name="minimind",
        help=_("Pretrain a small language model from scratch, from the terminal."),
        epilog=describe_exit_codes()
        + "\n\n"
        + _("Options are written with hyphens or underscores: --batch-size is --batch_size."),
        invoke_without_command=True,
        context_settings={"help_option_names": ["--help", "-h"]},
    )
    app.callback()(_root)
    train, preview, go_on, branch = run.run, estimate.estimate, resume.resume, fork.fork
    if with_settings:
        from minimind_tui.cli.setting_options import changes_in_fork, changes_on_resume, with_setting_options

        train = with_setting_options(train)
        preview = with_setting_options(preview)
        go_on = with_setting_options(go_on, shown=changes_on_resume)
        branch = with_setting_options(branch, shown=changes_in_fork)
    app.command("run", cls=Command, help=_("Train a model: start a run and follow it. Ctrl-C saves and stops."))(train)
    app.command("estimate", cls=Command, help=_("What a run would be: updates, memory, time, disk; starts none."))(
        preview
    )
    app.command("resume", cls=Command, help=_("Go on with a run, bit for bit where that can be."))(go_on)
    app.command("fork", cls=Command, help=_("Go on from a run's checkpoint as a new run, with other settings."))(branch)
    app.command("tui", cls=Command, help=_("Open the terminal application (also: minimind-tui)."))(tui.tui)
    app.command("attach", cls=Command, help=_("Watch a run. Ctrl-C leaves it alone."))(attach.attach)
    app.add_typer(runs.app, name="runs")
    app.command("verify", cls=Command, help=_("Prove that a run is whole; with --replay that it repeats bit for bit."))(
        verify.verify
    )
    app.command("plot", cls=Command, help=_("Draw a run's curves in the terminal."))(plot.plot)
    app.command("generate", cls=Command, help=_("Let a trained model continue a text."))(generate.generate)
    app.add_typer(data.app, name="data")
    app.add_typer(presets.app, name="presets")
    app.command("doctor", cls=Command, help=_("Examine this machine: PyTorch, device, disk, limits, terminal."))(
        doctor.doctor
    )
    return app


def _root(
    context: typer.Context,
    version: Annotated[bool, option("--version", help=_("Print the version."))] = False,
    lang: Annotated[
        str | None, option("--lang", metavar="en|zh", help=_("Language of all messages (also MINIMIND_LANG)."))
    ] = None,
) -> None:
    if version:
        typer.echo(f"minimind-tui {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def describe_commands(command: Any, path: str = "minimind", *, with_settings: bool = True) -> arguments.Command:
    """What `regular_arguments` must know of a command and its subcommands, read off Typer's own command objects."""
    options: dict[str, arguments.Option] = {"--help": arguments.Option("--help", flag=True)}
    positional = False
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            positional = True
            continue
        words = _value_words(parameter.name) if with_settings and command.name in WITH_SETTINGS else ()
        for declared in [*parameter.opts, *parameter.secondary_opts]:
            options[declared.replace("_", "-")] = arguments.Option(declared, parameter.is_flag, words)
    subcommands = {
        name: describe_commands(subcommand, f"{path} {name}", with_settings=with_settings)
        for name, subcommand in getattr(command, "commands", {}).items()
    }
    return arguments.Command(path, options, subcommands, positional)


def _value_words(name: str) -> tuple[str, ...]:
    """The words that the value of a yes-or-no option may be; empty for any other option."""
    from minimind_tui.cli.setting_options import value_words

    return (*arguments.TRUE_WORDS, *arguments.FALSE_WORDS) if name == "from_resume" else value_words(name)
