"""Changes to a run's manifest that a full disk delays and does not lose."""

from collections.abc import Callable

from pydantic import ValidationError

from engine.errors import UserError
from engine.run.folder import RunFolder
from engine.run.schema import Manifest

Change = Callable[[Manifest], None]
"""Sets fields; made once more it changes nothing."""


class ManifestChanges:
    """Makes changes in their order, and keeps those that the disk refuses for later."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._waiting: list[Change] = []

    def make(self, change: Change) -> OSError | None:
        """Make a change, and those that wait. The disk's error when it waits now and is the first to, else None.

        Raises UserError when the manifest is gone or broken, ValidationError.
        """
        first = not self._waiting
        self._waiting.append(change)
        try:
            self._make_all()
        except OSError as error:
            return error if first else None
        except (UserError, ValidationError):
            self._waiting.remove(change)
            raise
        return None

    def make_waiting(self) -> None:
        """Try again what waits. Raises nothing."""
        if self._waiting:
            try:
                self._make_all()
            except (OSError, UserError, ValidationError):
                return

    def _make_all(self) -> None:
        def change_all(manifest: Manifest) -> None:
            for change in self._waiting:
                change(manifest)

        self._folder.change_manifest(change_all)
        self._waiting.clear()
