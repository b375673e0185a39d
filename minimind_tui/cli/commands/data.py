"""`minimind data`: a look into training text before it is trained on, and the cache of its tokens."""

from typing import Annotated

import typer

from engine.language import _
from minimind_tui.cli.completion import complete_data, complete_preset
from minimind_tui.cli.help import Command
from minimind_tui.cli.options import argument, group, option

app = group(help=_("Inspect training text; see and clean the token cache."))
cache_app = group(
    help=_("What the token cache holds and costs; `clean` removes it."),
    invoke_without_command=True,
)
app.add_typer(cache_app, name="cache")


@app.command(
    cls=Command, help=_("Look into a JSONL file for some seconds: what it holds, what is wrong, what it is good for.")
)
def inspect(
    file: Annotated[
        str, argument(metavar="FILE", help=_("The JSONL file, as --data_path takes it."), autocompletion=complete_data)
    ],
    preset: Annotated[
        str | None,
        option(
            "--preset",
            metavar="NAME",
            help=_("Judge it for this preset's rows, tokenizer and size of model. (default: full)"),
            autocompletion=complete_preset,
        ),
    ] = None,
    tokenizer: Annotated[
        str | None, option("--tokenizer", metavar="PATH", help=_("Another tokenizer than the preset's."))
    ] = None,
    max_seq_len: Annotated[
        str | None, option("--max_seq_len", metavar="N", help=_("Other rows than the preset's."))
    ] = None,
    text_field: Annotated[
        str | None, option("--text_field", metavar="TEXT", help=_("The JSON field that holds the text."))
    ] = None,
    rows: Annotated[int, option("--rows", metavar="N", min=0, help=_("Rows to show in full. (default: 3)"))] = 3,
    seconds: Annotated[
        float, option("--seconds", metavar="X", min=0.1, help=_("How long to look at most, about. (default: 5)"))
    ] = 5.0,
    json: Annotated[bool, option("--json", help=_("The whole report as one JSON object."))] = False,
) -> None:
    """Inspect a data file."""
    from engine.data.inspect import inspect_file
    from engine.data.tokenizer import Tokenizer
    from engine.estimate.size import parameters
    from engine.settings.material import find_data, find_tokenizer
    from engine.settings.network import shape_from_settings
    from minimind_tui.cli.inspection import print_json, print_report
    from minimind_tui.cli.setting_options import option_places
    from minimind_tui.cli.terminal import complain, passing_notice
    from minimind_tui.starting import asked_settings

    asked = {"tokenizer": tokenizer, "max_seq_len": max_seq_len, "text_field": text_field}
    values = {name: value for name, value in asked.items() if value is not None}
    settings, _preset = asked_settings(preset, None, values, option_places(values))
    found = find_data(file)
    if found.note:
        complain(found.note)
    with passing_notice(_("Looking into {path} ...").format(path=file)):
        read = Tokenizer.load(find_tokenizer(settings.tokenizer))
        report = inspect_file(
            found.path,
            read,
            max_seq_len=settings.max_seq_len,
            text_field=settings.text_field,
            special_tokens=settings.special_tokens,
            overlong=settings.overlong,
            bad_lines_limit=settings.bad_lines_limit,
            parameters=parameters(shape_from_settings(settings, read.vocab_size)),
            sample_rows=rows,
            time_budget_s=seconds,
        )
    print_json(report) if json else print_report(report)


@cache_app.callback()
def cache(
    context: typer.Context, json: Annotated[bool, option("--json", help=_("One JSON object a line."))] = False
) -> None:
    """List the caches and their sizes."""
    if context.invoked_subcommand is not None:
        return
    from minimind_tui.cli.caches import list_json, list_table

    list_json() if json else list_table()


@cache_app.command(cls=Command, help=_("Remove caches; those in use stay. They are built again when they are needed."))
def clean(
    older_than: Annotated[
        str | None,
        option("--older_than", metavar="TIME", help=_("Only those not used for so long: 12h, 30d. (default: all)")),
    ] = None,
) -> None:
    """Remove caches."""
    from minimind_tui.cli.caches import clean as clean_caches

    clean_caches(older_than)
