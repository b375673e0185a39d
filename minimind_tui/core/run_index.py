"""Every run of the workspace as the screens list it, looked at again and again at little cost.

A poll asks the system as little as it can: the runs folder is listed when it changed, and of a run that has ended one
`stat` tells whether any of its small files was replaced (each replacement is a rename, which touches the folder). Only
live and changed runs are read. Every poll is bounded in time; what it did not come to is the next one's.
"""

import contextlib
import os
import re
import time
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from engine.errors import UserError
from engine.language import _, current_language
from engine.run.annotations import Annotations, read_annotations
from engine.run.clock import parse_utc
from engine.run.folder import RunFolder
from engine.run.observe import Observation, observe
from engine.run.schema import ENDED_STATES, Manifest

READ_SECONDS = 0.15
"""How long a poll reads runs that are new or changed, about."""

GLANCE_SECONDS = 0.004
"""How long a poll looks whether ended runs have changed, about; the next one goes on from there."""

_LEAST_GLANCES = 64
_RECENT = 2.0
"""A folder changed less than so many seconds ago may change again within the same tick of its clock: it is looked at
once more when they are over."""

_SIGNS_OF_A_RUN = ("run.toml", "status.json", "metrics.jsonl")
_ID_TIME = re.compile(r"(\d{8}-\d{6})-")
_HEARTBEAT = ("t", "heartbeat", "heartbeat_clock", "progress_at", "progress_clock", "usual_interval")


@dataclass(frozen=True)
class RunEntry:
    """One run as it is listed. `manifest` is None when it cannot be read; `problem` then says why."""

    folder: RunFolder
    manifest: Manifest | None
    seen: Observation
    annotations: Annotations = field(default_factory=Annotations)
    problem: str = ""

    @cached_property
    def id(self) -> str:
        """The run's id."""
        return self.folder.id

    @property
    def title(self) -> str:
        """What the run is called: the title a person gave it, else its id."""
        return self.annotations.title or self.id

    @cached_property
    def created(self) -> float | None:
        """When it was made, in POSIX seconds."""
        if self.manifest is None:
            return None
        try:
            return parse_utc(self.manifest.created)
        except ValueError:
            return None

    def record(self) -> dict[str, Any]:
        """What is known without reading its logs, as JSON."""
        status, manifest = self.seen.status, self.manifest
        return {
            "id": self.folder.id,
            "title": self.annotations.title,
            "note": self.annotations.note,
            "path": str(self.folder.path),
            "state": str(self.seen.state),
            "message": self.seen.message,
            "preset": manifest.preset if manifest else None,
            "created": manifest.created if manifest else None,
            "weights_name": manifest.weights_name if manifest else None,
            "step": status.step if status else 0,
            "total_steps": status.total_steps if status else None,
            "tokens": status.tokens if status else None,
            "elapsed": status.elapsed if status else None,
            "loss": status.loss if status else None,
            "best_validation": status.best_validation if status else None,
            "tokens_per_s": status.tokens_per_s if status else None,
            "eta_s": status.eta_s if status else None,
        }


def read_entry(folder: RunFolder) -> RunEntry:
    """A run's manifest, texts and state. Never raises for what the folder holds: what is wrong stands in `problem`."""
    manifest: Manifest | None = None
    problem = ""
    try:
        manifest = folder.read_manifest()
    except UserError as error:
        problem = str(error).replace(f"{folder.path}/", "")
    if manifest is None and not folder.manifest.exists():
        problem = _("It has no manifest.json: whatever made this folder did not finish, or the file was lost.")
    return RunEntry(folder, manifest, observe(folder), read_annotations(folder), problem)


class RunIndex:
    """The runs of one workspace. Call `poll` now and then; `entries` is what was seen last, newest first.

    A folder is a run when it has a manifest.json; one that lost it, or never got it, is listed with what is wrong.
    """

    def __init__(self, runs_dir: Path) -> None:
        self.runs_dir = runs_dir
        self.entries: list[RunEntry] = []
        self._known: dict[str, RunEntry] = {}
        self._order: list[str] = []
        self._keys: dict[str, str] = {}
        """What the runs are ordered by: the digits of the time they were made."""
        self._stamps: dict[str, tuple[int, int]] = {}
        """Of each run's folder as it was when it was read: when it changed, and its inode."""
        self._unsettled: set[str] = set()
        """The runs that were read less than `_RECENT` after their folder had changed."""
        self._unread: dict[str, None] = {}
        self._listed: tuple[int, float] | None = None
        self._next_glance = 0
        self._language = current_language()

    @property
    def caught_up(self) -> bool:
        """Whether every run has been read; if not, poll again soon."""
        return not self._unread

    @property
    def live(self) -> list[RunEntry]:
        """The runs that have processes, newest first."""
        return [entry for entry in self.entries if entry.seen.is_live]

    def poll(self, seconds: float = READ_SECONDS) -> bool:
        """Look at the runs again, reading for about `seconds` at most; True when anything worth showing changed.

        At least one run is read. What changes only because time passes (how long ago a heartbeat was) counts for
        nothing.
        """
        changed = self._list()
        if self._language != current_language():  # states and problems are sentences
            self._language = current_language()
            self._unread |= dict.fromkeys(self._order)
        for name in [name for name, entry in self._known.items() if _is_restless(entry)]:
            self._unread.pop(name, None)
            changed |= self._read(name)
        self._glance()
        deadline = time.perf_counter() + seconds
        while self._unread:
            name = next(iter(self._unread))
            del self._unread[name]
            changed |= self._read(name)
            if time.perf_counter() > deadline:
                break
        self.entries = [self._known[name] for name in self._order if name in self._known]
        return changed

    def forget(self, folder: RunFolder) -> None:
        """Read a run anew at the next poll, whatever its folder looks like: it was changed by us just now."""
        if folder.id in self._known:
            self._unread = {folder.id: None} | self._unread
        self._listed = None

    def _list(self) -> bool:
        """The names of the runs, if the folder changed; those that went are dropped, those that came are unread."""
        try:
            stamp = os.stat(self.runs_dir).st_mtime_ns  # noqa: PTH116 - twice as fast, as everywhere here
        except OSError:
            stamp = -1
        if self._listed is not None and self._listed[0] == stamp and self._listed[1] - stamp / 1e9 > _RECENT:
            return False
        self._listed = (stamp, time.time())
        names = _run_names(self.runs_dir)
        if names.keys() == set(self._order):
            return False
        gone = self._known.keys() - names.keys()
        for name in gone:
            del self._known[name]
            self._stamps.pop(name, None)
            self._unsettled.discard(name)
        self._unread = {name: None for name in self._unread if name in names}
        new = names.keys() - self._known.keys() - self._unread.keys()
        # the folders touched last come first: what trains is among them
        self._unread |= dict.fromkeys(sorted(new, key=lambda name: (names[name], name), reverse=True))
        self._keys = {name: self._keys.get(name) or _time_in(name) for name in names}
        self._sort()
        return bool(gone)

    def _sort(self) -> None:
        self._order = sorted(self._keys, key=lambda name: (self._keys[name], name), reverse=True)

    def _glance(self) -> None:
        """Look whether the folders of ended runs changed, as many as there is time for; the changed are to be read."""
        names = self._order
        deadline = time.perf_counter() + GLANCE_SECONDS
        for count in range(len(names)):
            if count >= _LEAST_GLANCES and count % 16 == 0 and time.perf_counter() > deadline:
                break
            self._next_glance = (self._next_glance + 1) % len(names)
            name = names[self._next_glance]
            entry = self._known.get(name)
            if entry is None or _is_restless(entry):
                continue
            stamp = self._stamp(name)
            if self._stamps.get(name) != stamp or (name in self._unsettled and _is_settled(stamp)):
                self._unread.setdefault(name)

    def _read(self, name: str) -> bool:
        """Read one run; whether something worth showing is other than before."""
        stamp = self._stamp(name)
        entry = read_entry(RunFolder(self.runs_dir.absolute() / name))
        if stamp is not None:
            self._stamps[name] = stamp
        (self._unsettled.discard if _is_settled(stamp) else self._unsettled.add)(name)
        before = self._known.get(name)
        if before is not None and before == entry:
            return False
        self._known[name] = entry
        if not self._keys.get(name) and entry.created is not None:  # a renamed folder: only its manifest tells
            self._keys[name] = time.strftime("%Y%m%d-%H%M%S", time.gmtime(entry.created))
            self._sort()
        return before is None or _shown(before) != _shown(entry)

    def _stamp(self, name: str) -> tuple[int, int] | None:
        with contextlib.suppress(OSError):
            found = os.stat(os.path.join(self.runs_dir, name))  # noqa: PTH116, PTH118
            return found.st_mtime_ns, found.st_ino
        return None


def _is_restless(entry: RunEntry) -> bool:
    """Whether a run's state can become another without any of its files being replaced."""
    return entry.seen.state not in ENDED_STATES


def _is_settled(stamp: tuple[int, int] | None) -> bool:
    return stamp is None or time.time() - stamp[0] / 1e9 > _RECENT


def _shown(entry: RunEntry) -> RunEntry:
    """The entry without what changes only because time passes."""
    status = entry.seen.status
    if status is not None:
        status = status.model_copy(update=dict.fromkeys(_HEARTBEAT, ""))
    return replace(entry, seen=replace(entry.seen, status=status, silent_s=None, idle_s=None, how=""))


def _time_in(name: str) -> str:
    match = _ID_TIME.match(name)
    return match[1] if match else ""


def _run_names(runs_dir: Path) -> dict[str, int]:
    """The folders that are runs, or were to be, each with when it changed last (nanoseconds)."""
    found: dict[str, int] = {}
    with contextlib.suppress(OSError), os.scandir(runs_dir) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if not entry.name.startswith(".") and entry.is_dir() and _is_run(entry.path):
                    found[entry.name] = entry.stat().st_mtime_ns
    return found


def _is_run(path: str) -> bool:
    return any(os.path.exists(os.path.join(path, name)) for name in ("manifest.json", *_SIGNS_OF_A_RUN))  # noqa: PTH110, PTH118
