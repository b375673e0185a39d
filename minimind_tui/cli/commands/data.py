"""`minimind data`: a look into training text before it is trained on, and the cache of its tokens."""

from typing import Annotated

import typer

from engine.language import _
from minimind_tui.cli.help import Command
from minimind_tui.cli.options import group, option

app = group(help=_("Inspect training text; see and clean the token cache."))
cache_app = group(
    help=_("What the token cache holds and costs; `clean` removes it."),
    invoke_without_command=True,
)
app.add_typer(cache_app, name="cache")


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
