"""Runs as a table, one in full, and both as JSON."""

import json
import time
from dataclasses import dataclass, field
from typing import Any

from engine.errors import UserError
from engine.language import _
from engine.places import runs_dir
from engine.run.annotations import Annotations, read_annotations
from engine.run.checkpoints import best, scan
from engine.run.clock import parse_utc
from engine.run.delete import folder_bytes
from engine.run.find import list_runs
from engine.run.folder import RunFolder
from engine.run.observe import Observation, observe
from engine.run.schema import Lineage, Manifest, State
from minimind_tui import words
from minimind_tui.cli.follow.summary import summarise
from minimind_tui.cli.terminal import make_console, print_table, say
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


@dataclass(frozen=True)
class Entry:
    """One run as it is listed. `manifest` is None when it cannot be read."""

    folder: RunFolder
    manifest: Manifest | None
    seen: Observation
    annotations: Annotations = field(default_factory=Annotations)

    def record(self) -> dict[str, Any]:
        """The entry as JSON."""
        status = self.seen.status
        return {
            "id": self.folder.id,
            "title": self.annotations.title,
            "note": self.annotations.note,
            "path": str(self.folder.path),
            "state": str(self.seen.state),
            "message": self.seen.message,
            "preset": self.manifest.preset if self.manifest else None,
            "created": self.manifest.created if self.manifest else None,
            "weights_name": self.manifest.weights_name if self.manifest else None,
            "step": status.step if status else 0,
            "total_steps": status.total_steps if status else None,
            "tokens": status.tokens if status else None,
            "elapsed": status.elapsed if status else None,
            "loss": status.loss if status else None,
            "best_validation": status.best_validation if status else None,
            "tokens_per_s": status.tokens_per_s if status else None,
            "eta_s": status.eta_s if status else None,
        }

    @property
    def bytes(self) -> int:
        """Bytes of its folder; looks at every file."""
        return folder_bytes(self.folder.path)


def entries() -> list[Entry]:
    """Every run there is, newest first."""
    return [read_entry(folder) for folder in list_runs(runs_dir())]


def read_entry(folder: RunFolder) -> Entry:
    """A run's manifest and state; a manifest that cannot be read is left out."""
    try:
        manifest: Manifest | None = folder.read_manifest()
    except UserError:
        manifest = None
    return Entry(folder, manifest, observe(folder), read_annotations(folder))


def list_json() -> None:
    """One object a run and line."""
    for entry in entries():
        say(json.dumps(entry.record() | {"bytes": entry.bytes}, ensure_ascii=False))


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
                words.size(entry.bytes),
                _age(record["created"]),
            ]
        table.add_row(*cells)
    print_table(table)


def show_json(folder: RunFolder) -> None:
    """One run with its attempts and checkpoints as one object."""
    entry = read_entry(folder)
    lineage = entry.manifest.lineage if entry.manifest else None
    record = entry.record() | {
        "bytes": entry.bytes,
        "lineage": lineage.model_dump(mode="json") if lineage else None,
        "attempts": [attempt.model_dump(mode="json") for attempt in entry.manifest.attempts] if entry.manifest else [],
        "checkpoints": [
            {
                "step": info.step,
                "path": str(info.path),
                "bytes": info.size,
                "validation_loss": info.record.validation_loss,
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
            say(_attempt(attempt))
    if entry.annotations.note:
        say("")
        say(entry.annotations.note)
        say("")
    infos = [info for info in scan(folder) if info.record is not None]
    lowest = best(infos)
    for info in infos:
        validation = info.record.validation_loss if info.record else None
        say(
            _("checkpoint {step}: {size}").format(step=info.step, size=words.size(info.size))
            + ("" if validation is None else ", " + _("validation loss {loss}").format(loss=words.loss(validation)))
            + (" " + _("(best)") if lowest is not None and info.step == lowest.step else "")
        )


def _about(entry: Entry) -> list[tuple[str, str]]:
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
            facts.append((_("began from"), _origin(manifest.lineage)))
    facts.append((_("size"), words.size(entry.bytes)))
    return [(name, one_line(str(value))) for name, value in facts if value]


def _origin(lineage: Lineage) -> str:
    origin = lineage.run or lineage.path or "?"
    if lineage.kind != "fork":
        return origin
    from engine.settings.on_resume import plain

    given = ", ".join(
        _("{name}: {before} -> {after}").format(name=name, before=plain(pair[0]), after=plain(pair[1]))
        for name, pair in lineage.settings.items()
        if len(pair) == 2
    )
    text = _("fork of {run} at step {step}").format(run=origin, step=lineage.step)
    return f"{text} ({given})" if given else text


def _attempt(attempt: Any) -> str:
    text = _("attempt {n}: from step {step}").format(n=attempt.attempt, step=attempt.start_step)
    if attempt.end_state is not None:
        text += ", " + _("{state} at step {step}").format(state=state_word(attempt.end_state), step=attempt.end_step)
    if attempt.from_checkpoint is not None and attempt.exact is not None:
        text += ", " + (
            _("exact") if attempt.exact else _("not exact: {reasons}").format(reasons="; ".join(attempt.why_inexact))
        )
    return one_line(text)


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
