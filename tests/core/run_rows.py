"""Rows of the runs browser made from nothing but values."""

from pathlib import Path
from typing import Any

from engine.run.annotations import Annotations
from engine.run.clock import utc_iso
from engine.run.folder import RunFolder
from engine.run.observe import Observation
from engine.run.schema import Manifest, State, Status
from minimind_tui.core.run_facts import RunRow
from minimind_tui.core.run_index import RunEntry

NOW = 1_800_000_000.0


def make_row(
    name: str = "20261124-031500-mini",
    *,
    state: State = State.FINISHED,
    age: float | None = 3600.0,
    settings: dict[str, Any] | None = None,
    size: int | None = 1_000_000,
    title: str = "",
    note: str = "",
    broken: bool = False,
    manifest: dict[str, Any] | None = None,
    **status: Any,
) -> RunRow:
    """A row; `status` are values of status.json, `age` None leaves the run without a moment it was made."""
    known: dict[str, Any] = {"attempt": 1, "step": 100, "state": State.RUNNING} | status
    made = "no moment" if age is None else utc_iso(NOW - age)
    entry = RunEntry(
        RunFolder(Path("/nowhere/runs") / name),
        None if broken else Manifest.model_validate({"created": made, "preset": "mini"} | (manifest or {})),
        Observation(state, "", "", Status.model_validate(known)),
        Annotations(title=title, note=note),
        "broken" if broken else "",
    )
    return RunRow(entry, NOW, {} if settings is None else settings, size)
