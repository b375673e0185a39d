"""The link of the ranks that write nothing: they know the run's folder and their attempt, and rank 0 speaks for all."""

from pathlib import Path
from typing import Any

from engine.run.exit_codes import WorkerExit
from engine.run.folder import RunFolder
from engine.run.schema import Request, State, Status
from engine.run.worker_link import WorkerLink


class SilentLink(WorkerLink):
    """A WorkerLink that neither reads requests nor writes a byte. Raises UserError when there is no such attempt."""

    def __init__(self, folder: Path, attempt: int) -> None:
        self.folder = RunFolder(folder.absolute())
        self.attempt = attempt
        self.record = self._find_record()
        self._now = Status(attempt=attempt, step=self.record.start_step, state=State.STARTING)

    @property
    def stop_requested(self) -> bool:
        """Never: rank 0 says when it is over."""
        return False

    @property
    def status(self) -> Status:
        """Where the attempt began."""
        return self._now

    def update(self, **changes: Any) -> None:
        """Nothing."""

    def note(self, **changes: Any) -> None:
        """Nothing."""

    def metric(self, step: int, **fields: Any) -> None:
        """Nothing."""

    def validation(self, step: int, **fields: Any) -> None:
        """Nothing."""

    def event(self, kind: str, step: int, *, message: str | None = None, **fields: Any) -> None:
        """Nothing."""

    def sync(self) -> None:
        """Nothing."""

    def poll_requests(self) -> list[Request]:
        """None."""
        return []

    def answer(self, request_id: str, accepted: bool, reason: str | None, step: int) -> None:
        """Nothing."""

    def describe_run(self, **fields: Any) -> None:
        """Nothing."""

    def describe_attempt(self, *, message: str | None = None, **fields: Any) -> None:
        """Nothing."""

    def note_attempt(self, **fields: Any) -> None:
        """Nothing."""

    def finish(self, state: Any, reason: Any, message: str) -> WorkerExit:
        """The exit code of a rank that did its part."""
        return WorkerExit.DONE
