"""Every run of the workspace as the screens list it, looked at again and again at little cost."""

from dataclasses import dataclass
from pathlib import Path

from engine.errors import UserError
from engine.run.find import list_runs
from engine.run.folder import RunFolder
from engine.run.observe import Observation, observe
from engine.run.schema import Manifest


@dataclass(frozen=True)
class RunEntry:
    """One run as it is listed. `manifest` is None when it cannot be read."""

    folder: RunFolder
    manifest: Manifest | None
    seen: Observation


def read_entry(folder: RunFolder) -> RunEntry:
    """A run's manifest and state; a manifest that cannot be read is left out."""
    try:
        manifest: Manifest | None = folder.read_manifest()
    except UserError:
        manifest = None
    return RunEntry(folder, manifest, observe(folder))


class RunIndex:
    """The runs of one workspace. Call `poll` now and then; `entries` is what was seen last, newest first."""

    def __init__(self, runs_dir: Path) -> None:
        self.runs_dir = runs_dir
        self.entries: list[RunEntry] = []

    def poll(self) -> bool:
        """Look at the runs again; True when anything changed."""
        before = self.entries
        self.entries = [read_entry(folder) for folder in list_runs(self.runs_dir)]
        return before != self.entries

    @property
    def live(self) -> list[RunEntry]:
        """The runs that have processes, newest first."""
        return [entry for entry in self.entries if entry.seen.is_live]
