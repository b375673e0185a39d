"""The token cache, listed and cleaned."""

import time
from dataclasses import asdict

from engine.data.cache_upkeep import CacheEntry, cache_size, clean_cache
from engine.errors import UserError
from engine.language import _
from engine.places import cache_dir
from engine.settings.moments import parse_duration
from minimind_tui import words
from minimind_tui.cli.terminal import print_table, say
from minimind_tui.safe_text import json_text, one_line


def list_json() -> None:
    """One object a cache and line."""
    for entry in cache_size(cache_dir()):
        say(json_text({**asdict(entry), "folder": str(entry.folder)}))


def list_table() -> None:
    """The caches, the latest used first, and what they cost together."""
    from rich.table import Table

    found = cache_size(cache_dir())
    if found:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column(_("data"), overflow="fold")
        for title in (_("tokens"), _("size"), _("last used")):
            table.add_column(title, no_wrap=True, justify="right")
        table.add_column("", no_wrap=True)
        for entry in found:
            used = words.duration(max(0.0, time.time() - entry.last_used))
            table.add_row(
                one_line(entry.source) or entry.key,
                words.count(entry.tokens),
                words.size(entry.bytes),
                _("{time} ago").format(time=used),
                _condition(entry),
            )
        print_table(table)
    say(
        _("{n} caches, {size} in {folder}").format(
            n=len(found), size=words.size(sum(entry.bytes for entry in found)), folder=cache_dir()
        )
    )


def clean(older_than: str | None) -> None:
    """Remove caches, all or those not used for a while, and say what became free. Raises UserError for no duration."""
    seconds: float | None = None
    if older_than is not None:
        try:
            seconds = float(str(parse_duration(older_than)))
        except ValueError as error:
            raise UserError(
                _("{name} = {value} ({place}): expected {expected}.").format(
                    name="older_than", value=older_than, place="--older_than", expected=error
                )
            ) from None
    cleaning = clean_cache(cache_dir(), older_than=seconds)
    say(
        _("Removed {n} caches; {size} are free again.").format(
            n=len(cleaning.removed), size=words.size(cleaning.freed_bytes)
        )
    )
    for entry in cleaning.in_use:
        say(_("In use, left alone: {data}").format(data=one_line(entry.source) or entry.key))


def _condition(entry: CacheEntry) -> str:
    if entry.in_use:
        return _("in use")
    return "" if entry.complete else _("unfinished")
