"""Runs as a table or as JSON, as quick as a shell's `ls`: thousands of them are written without rich."""

import sys
import time

from engine.language import _
from engine.places import runs_dir
from engine.run.delete import folder_bytes
from engine.run.find import list_runs
from engine.run.schema import State
from minimind_tui import words
from minimind_tui.cli.columns import Column, table_lines
from minimind_tui.cli.terminal import has_colours, say, width_of_stdout
from minimind_tui.core.run_index import RunEntry, read_entry
from minimind_tui.safe_text import json_text, one_line
from minimind_tui.words import state_word

_STATE_COLOURS = {
    State.RUNNING: "32",
    State.STARTING: "32",
    State.FINISHED: "1",
    State.FAILED: "31",
    State.CRASHED: "31",
    State.STALLED: "33",
}
"""Codes of the terminal: green, bold, red, yellow. The word says the same."""

_WIDE = 110
"""Columns from which speed, size and age are told as well."""


def entries() -> list[RunEntry]:
    """Every run there is, newest first."""
    return [read_entry(folder) for folder in list_runs(runs_dir())]


def list_json() -> None:
    """One object a run and line."""
    for entry in entries():
        say(json_text(entry.record() | {"bytes": folder_bytes(entry.folder.path)}))


def list_table() -> None:
    """The runs as a table; narrow terminals get fewer columns."""
    found = entries()
    if not found:
        say(
            _("No runs in {folder} yet. Start one: minimind run --preset mini").format(
                folder=words.short_path(runs_dir())
            )
        )
        return
    width = width_of_stdout()
    wide = width is None or width >= _WIDE
    columns = [
        Column(_("run"), right=False, shrinks=True),
        Column(_("state"), right=False),
        *map(Column, (_("progress"), _("loss"), _("best val"))),
        *(map(Column, (_("tokens/s"), _("size"), _("age"))) if wide else ()),
    ]
    rows = [_cells(entry, wide) for entry in found]
    colours = [_STATE_COLOURS.get(entry.seen.state, "") if has_colours() else "" for entry in found]
    sys.stdout.write("\n".join(table_lines(columns, rows, width, colours)) + "\n")
    sys.stdout.flush()


def _cells(entry: RunEntry, wide: bool) -> list[str]:
    status, title = entry.seen.status, entry.annotations.title
    cells = [
        one_line(entry.folder.id) + (f"  {one_line(title)}" if title else ""),
        state_word(entry.seen.state),
        _progress(status.step, status.total_steps) if status else "",
        "" if status is None or status.loss is None else words.loss(status.loss),
        "" if status is None or status.best_validation is None else words.loss(status.best_validation),
    ]
    if wide:
        live = entry.seen.is_live and status is not None and status.tokens_per_s is not None
        cells += [
            words.count(status.tokens_per_s) if live and status else "",
            words.size(folder_bytes(entry.folder.path)),
            "" if entry.created is None else words.duration(max(0.0, time.time() - entry.created)),
        ]
    return cells


def _progress(step: int, total: int | None) -> str:
    return f"{step}/{total}" if total else str(step or "")
