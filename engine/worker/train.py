"""One rank of a run: `python -m engine.worker.train FOLDER --attempt N`. Started by the supervisor."""

import argparse
import sys
import traceback
from pathlib import Path

from engine.errors import UserError
from engine.language import _
from engine.run.exit_codes import WorkerExit
from engine.run.schema import EventKind, Reason, State
from engine.run.worker_link import WorkerLink
from engine.worker.kept_memory import keep_freed_memory
from engine.worker.waiting_threads import let_waiting_threads_sleep


def main(arguments: list[str] | None = None) -> int:
    """Train as the run's folder says, and end with a word in its status; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m engine.worker.train", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--attempt", type=int, required=True)
    asked = parser.parse_args(arguments)
    let_waiting_threads_sleep()
    keep_freed_memory()
    link = WorkerLink(asked.folder, asked.attempt)  # before torch is imported: heartbeat and signals from the start
    try:
        return _train(link)
    except UserError as error:
        return _fail(link, Reason.USER_ERROR, str(error))
    except Exception as error:
        traceback.print_exc()
        return _fail(link, Reason.ERROR, f"{type(error).__name__}: {error}".strip())


def _train(link: WorkerLink) -> WorkerExit:
    from engine.data.cache_folder import BuildStopped
    from engine.run.checkpoints import CheckpointError
    from engine.train.build import build_trainer
    from engine.train.requests import RequestDesk

    desk = RequestDesk(link)
    try:
        trainer = build_trainer(link, desk)
    except BuildStopped:
        reason = desk.stop.reason if desk.stop else link.stop_reason
        return link.finish(State.STOPPED, reason, _("Stopped before training began; nothing is lost."))
    try:
        with trainer.stream:
            stop = trainer.run()
    except CheckpointError as error:
        return _fail(link, Reason.ERROR, str(error))
    finally:
        trainer.trackers.finish(link.status.state)
    return link.finish(stop.state, stop.reason, stop.message)


def _fail(link: WorkerLink, reason: Reason, message: str) -> WorkerExit:
    print(message, file=sys.stderr, flush=True)  # noqa: T201 - into trainer.log
    link.event(EventKind.ERROR, link.status.step, message=message)
    return link.finish(State.FAILED, reason, message)


if __name__ == "__main__":
    sys.exit(main())
