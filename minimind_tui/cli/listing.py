"""Runs as a table, one in full, and both as JSON."""

import json
import time
from typing import Any

from engine.language import _
from engine.places import runs_dir
from engine.run.badge import Badge, badge_of
from engine.run.checkpoints import best, scan
from engine.run.clock import parse_utc
from engine.run.delete import folder_bytes
from engine.run.find import list_runs
from engine.run.folder import RunFolder
from engine.run.schema import State
from minimind_tui import words
from minimind_tui.cli.follow.summary import summarise
from minimind_tui.cli.terminal import make_console, print_table, say
from minimind_tui.core.run_detail import attempt_words, origin_words
from minimind_tui.core.run_index import RunEntry, read_entry
from minimind_tui.safe_text import one_line
from minimind_tui.words import state_word

_STATE_STYLES = {
    State.RUNNING: "green",
    State.STARTING: "green",
    State.FINISHED: "bold",
    State.FAILED: "red",
    State.CRASHED: "red",
    State.STALLED: "yellow",
}


def entries() -> list[RunEntry]:
    """Every run there is, newest first."""
    return [read_entry(folder) for folder in list_runs(runs_dir())]


def bytes_of(entry: RunEntry) -> int:
    """Bytes of a run's folder; looks at every file."""
    return folder_bytes(entry.folder.path)


def list_json() -> None:
    """One object a run and line."""
    for entry in entries():
        say(json.dumps(entry.record() | {"bytes": bytes_of(entry)}, ensure_ascii=False))


def list_table() -> None:
    """The runs as a table; narrow terminals get fewer columns."""
    from rich.table import Table
    from rich.text import Text

    found = entries()
    if not found:
        say(
            _("No runs in {folder} yet. Start one: minimind run --preset mini").format(
                folder=words.short_path(runs_dir())
            )
        )
        return
    console = make_console()
    wide = console.width >= 110 or not console.is_terminal
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(_("run"), no_wrap=True, overflow="ellipsis")
    for title in (
        _("state"),
        _("progress"),
        _("loss"),
        _("best val"),
        *((_("tokens/s"), _("size"), _("age")) if wide else ()),
    ):
        table.add_column(title, no_wrap=True, justify="left" if title == _("state") else "right")
    for entry in found:
        record = entry.record()
        state = Text(state_word(entry.seen.state), style=_STATE_STYLES.get(entry.seen.state, ""))
        cells: list[str | Text] = [
            one_line(entry.folder.id) + (f"  {one_line(entry.annotations.title)}" if entry.annotations.title else ""),
            state,
            _progress(record),
            "" if record["loss"] is None else words.loss(record["loss"]),
            "" if record["best_validation"] is None else words.loss(record["best_validation"]),
        ]
        if wide:
            live = entry.seen.is_live and record["tokens_per_s"] is not None
            cells += [
                words.count(record["tokens_per_s"]) if live else "",
                words.size(bytes_of(entry)),
                _age(record["created"]),
            ]
        table.add_row(*cells)
    print_table(table)


def show_json(folder: RunFolder) -> None:
    """One run with its attempts and checkpoints as one object."""
    entry = read_entry(folder)
    lineage = entry.manifest.lineage if entry.manifest else None
    record = entry.record() | {
        "bytes": bytes_of(entry),
        "lineage": lineage.model_dump(mode="json") if lineage else None,
        "attempts": [attempt.model_dump(mode="json") for attempt in entry.manifest.attempts] if entry.manifest else [],
        "checkpoints": [
            {
                "step": info.step,
                "path": str(info.path),
                "bytes": info.size,
                "validation_loss": info.record.validation_loss,
                **_badge_record(badge_of(info.record, entry.manifest)),
            }
            for info in scan(folder)
            if info.record is not None
        ],
    }
    say(json.dumps(record, ensure_ascii=False))


def show_run(folder: RunFolder) -> None:
    """One run in words: how it stands, what it is, its attempts and its checkpoints."""
    entry = read_entry(folder)
    for line in summarise(folder, entry.seen).lines():
        say(line)
    say("")
    for name, value in _about(entry):
        say(f"{name}: {value}")
    if entry.manifest is not None:
        for attempt in entry.manifest.attempts:
            say(attempt_words(attempt))
    if entry.annotations.note:
        say("")
        say(entry.annotations.note)
        say("")
    infos = [info for info in scan(folder) if info.record is not None]
    lowest = best(infos)
    for info in infos:
        validation = info.record.validation_loss if info.record else None
        badge = badge_of(info.record, entry.manifest).words() if info.record else ""
        say(
            _("checkpoint {step}: {size}").format(step=info.step, size=words.size(info.size))
            + ("" if validation is None else ", " + _("validation loss {loss}").format(loss=words.loss(validation)))
            + (" " + _("(best)") if lowest is not None and info.step == lowest.step else "")
            + f", {one_line(badge)}"
        )


def _badge_record(badge: Badge) -> dict[str, Any]:
    return {"exact": badge.exact, "why_inexact": list(badge.reasons), "inexact_since": badge.since}


def _about(entry: RunEntry) -> list[tuple[str, str]]:
    manifest = entry.manifest
    facts: list[tuple[str, Any]] = [
        (_("title"), entry.annotations.title),
        (_("folder"), words.short_path(entry.folder.path)),
    ]
    if manifest is not None:
        parameters = None if manifest.parameters is None else words.count(manifest.parameters)
        facts += [
            (_("created"), manifest.created),
            (_("preset"), manifest.preset),
            (_("parameters"), parameters),
            (_("data"), manifest.data_path),
            (_("device"), " ".join(filter(None, (manifest.device, manifest.dtype)))),
            (_("host"), manifest.host),
        ]
        if manifest.lineage is not None:
            facts.append((_("began from"), origin_words(manifest.lineage)))
    facts.append((_("size"), words.size(bytes_of(entry))))
    return [(name, one_line(str(value))) for name, value in facts if value]


def _progress(record: dict[str, Any]) -> str:
    if not record["total_steps"]:
        return str(record["step"]) if record["step"] else ""
    return f"{record['step']}/{record['total_steps']}"


def _age(created: str | None) -> str:
    if created is None:
        return ""
    try:
        return words.duration(max(0.0, time.time() - parse_utc(created)))
    except ValueError:
        return ""
