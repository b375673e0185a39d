"""What costs more than a glance to know of a run, its settings and the bytes of its folder, read aside and kept."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.run.delete import folder_bytes
from minimind_tui.core.run_facts import RunRow
from minimind_tui.core.run_index import RunEntry
from minimind_tui.core.run_settings import read_run_settings

_WORK_SECONDS, _REST_SECONDS = 0.01, 0.005
"""The screen shares the interpreter: after so much work a rest."""

_SAME_AGE = 10.0
"""Seconds for which a row is the same: ages are told in minutes and more."""


@dataclass(frozen=True)
class _Known:
    """What was read of a run, and of what state of it: nothing is missing while that state is the same."""

    settings_of: object
    size_of: object
    settings: Mapping[str, Any]
    size: int


class RunExtras:
    """Settings and sizes by run. `fill` is called in a thread, everything else on the screen's side."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self._rows: dict[str, tuple[_Known | None, RunRow]] = {}
        self._complete: dict[str, RunEntry] = {}
        """The entries of which nothing was missing when they were looked at: most are the same the next time."""

    def rows(self, entries: Sequence[RunEntry], now: float) -> list[RunRow]:
        """Runs as rows, with what is known of each; of a run that goes on, what was read last. Rows in which nothing
        is new are the same objects as before.
        """
        now -= now % _SAME_AGE
        known_of, rows, found = self._known, self._rows, []
        for entry in entries:
            known, before = known_of.get(entry.id), rows.get(entry.id)
            if before is not None and before[0] is known and before[1].entry is entry and before[1].now == now:
                found.append(before[1])
                continue
            row = RunRow(entry, now) if known is None else RunRow(entry, now, known.settings, known.size)
            rows[entry.id] = (known, row)
            found.append(row)
        return found

    def missing(self, entries: Sequence[RunEntry]) -> list[RunEntry]:
        """The runs of which something is unread, or has changed since."""
        return [entry for entry in entries if self._complete.get(entry.id) is not entry and self._is_missing(entry)]

    def fill(self, entries: Sequence[RunEntry], seconds: float, stop: Callable[[], bool] = lambda: False) -> None:
        """Read what is missing of these runs, for about `seconds`. Never raises for what their folders hold."""
        started = work = time.perf_counter()
        for entry in entries:
            if stop():
                return
            if self._is_missing(entry):
                self._read(entry)
            now = time.perf_counter()
            if now - started > seconds:
                return
            if now - work > _WORK_SECONDS:
                time.sleep(_REST_SECONDS)
                work = time.perf_counter()

    def _is_missing(self, entry: RunEntry) -> bool:
        known = self._known.get(entry.id)
        if known is None or known.size_of != _size_of(entry) or known.settings_of != _settings_of(entry):
            return True
        self._complete[entry.id] = entry
        return False

    def _read(self, entry: RunEntry) -> None:
        known = self._known.get(entry.id)
        settings: Mapping[str, Any] | None = None
        if known is not None and known.settings_of == _settings_of(entry):
            settings = known.settings
        if settings is None:
            settings = read_run_settings(entry.folder.run_toml) or {}
        size = folder_bytes(entry.folder.path)
        self._known[entry.id] = _Known(_settings_of(entry), _size_of(entry), settings, size)


def _settings_of(entry: RunEntry) -> object:
    """What settings depend on: they change between two attempts alone."""
    status = entry.seen.status
    return (entry.folder.path, None if status is None else status.attempt)


def _size_of(entry: RunEntry) -> object:
    """What a folder's size depends on: its checkpoints, and the logs, which are judged anew with them."""
    status = entry.seen.status
    state = entry.seen.state
    return state if status is None else (state, status.attempt, status.last_checkpoint)
