"""One run in full, in words or as JSON."""

from typing import Any

from engine.language import _
from engine.run.badge import Badge, badge_of
from engine.run.checkpoints import best, scan
from engine.run.delete import folder_bytes
from engine.run.folder import RunFolder
from minimind_tui import words
from minimind_tui.cli.follow.summary import summarise
from minimind_tui.cli.terminal import say
from minimind_tui.core.run_detail import attempt_words, origin_words
from minimind_tui.core.run_index import RunEntry, read_entry
from minimind_tui.safe_text import json_text, one_line


def show_json(folder: RunFolder) -> None:
    """One run with its attempts and checkpoints as one object."""
    entry = read_entry(folder)
    lineage = entry.manifest.lineage if entry.manifest else None
    record = entry.record() | {
        "bytes": folder_bytes(entry.folder.path),
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
    say(json_text(record))


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
    facts.append((_("size"), words.size(folder_bytes(entry.folder.path))))
    return [(name, one_line(str(value))) for name, value in facts if value]


def _badge_record(badge: Badge) -> dict[str, Any]:
    return {"exact": badge.exact, "why_inexact": list(badge.reasons), "inexact_since": badge.since}
