"""One rank of a run: `python -m engine.worker.train FOLDER --attempt N`. Started by the supervisor, or, where a run has
several processes, by engine.worker.launch or torchrun, whose variables say which rank it is.
"""

import argparse
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import UserError
from engine.language import _
from engine.run.exit_codes import WorkerExit
from engine.run.memory_limit import memory_limit, words_of_memory
from engine.run.open_files import words_of_files
from engine.run.parent_watch import ParentWatch
from engine.run.phase_words import phase_word
from engine.run.process import identify
from engine.run.rank_errors import LAUNCHER_VARIABLE, leave_error
from engine.run.replay_script import read_script
from engine.run.schema import EventKind, Phase, Reason, State
from engine.run.silent_link import SilentLink
from engine.run.trainer_log import soften_output
from engine.run.worker_link import WorkerLink
from engine.worker.kept_memory import keep_freed_memory
from engine.worker.waiting_threads import let_waiting_threads_sleep

if TYPE_CHECKING:
    from engine.train.loading import BrokenCheckpointError


def main(arguments: list[str] | None = None) -> int:
    """Train as the run's folder says, and end with a word in its status; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m engine.worker.train", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--attempt", type=int, required=True)
    asked = parser.parse_args(arguments)
    let_waiting_threads_sleep()
    keep_freed_memory()
    rank, several = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1)) > 1
    if several:
        _end_with_launcher()
    # before torch is imported: heartbeat and signals from the start
    link = WorkerLink(asked.folder, asked.attempt) if rank == 0 else SilentLink(asked.folder, asked.attempt)
    try:
        code = _train(link) if rank == 0 else _follow(link)
        # a launcher takes any other code for a failure; the outcome in the status says that it is paused
        return WorkerExit.DONE if several and code is WorkerExit.PAUSED else code
    except UserError as error:
        message = words_of_files(error) or str(error)
        leave_error(rank, Reason.USER_ERROR, message, about_others=False)
        return _fail(link, Reason.USER_ERROR, message)
    except Exception as error:
        traceback.print_exc()
        message = f"{type(error).__name__}: {error}".strip()
        about_others, for_memory = (_is_about_others(error), _is_out_of_memory(error)) if several else (False, False)
        leave_error(rank, Reason.MEMORY if for_memory else Reason.ERROR, message, about_others=about_others)
        if about_others or for_memory:  # the launcher, which sees all ranks, says what comes of it
            sys.stdout.flush()
            os._exit(WorkerExit.FAILED)
        if told := words_of_files(error):
            return _fail(link, Reason.USER_ERROR, told)
        if told := words_of_memory(error, phase_word(link.status.phase or Phase.LOADING)):
            # under a limit another attempt would meet it again
            return _fail(link, Reason.USER_ERROR if memory_limit() else Reason.ERROR, told)
        return _fail(link, Reason.ERROR, message)


def _train(link: WorkerLink) -> WorkerExit:
    from engine.data.cache_folder import BuildStopped
    from engine.run.checkpoints import CheckpointError
    from engine.train.build import build_trainer
    from engine.train.loading import BrokenCheckpointError
    from engine.train.ranks import Place
    from engine.train.replaying import Replay
    from engine.train.requests import RequestDesk

    desk = RequestDesk(link)
    try:
        trainer = build_trainer(link, desk, Place.of())
        if (script := read_script(link.folder)) is not None:
            trainer = Replay.of(trainer, script)
    except BrokenCheckpointError as error:
        return _without(link, error)
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
    trainer.ranks.leave()
    return link.finish(stop.state, stop.reason, stop.message)


def _without(link: WorkerLink, broken: "BrokenCheckpointError") -> WorkerExit:
    """Put a checkpoint that holds no numbers aside; the next attempt goes on from the one before it."""
    from engine.run.checkpoints import set_aside

    info = broken.checkpoint
    problem = _("it holds values that are not finite: {name}").format(name=", ".join(broken.names[:3]))
    try:
        aside = set_aside(info.path)
    except OSError as error:
        problem = _("{path}: {problem}. It cannot be set aside: {why}.").format(
            path=info.path, problem=problem, why=error.strerror or error
        )
        return _fail(link, Reason.USER_ERROR, problem)
    message = _("Checkpoint {name} is damaged ({problem}); it was set aside as {aside}.").format(
        name=info.name, problem=problem, aside=aside.name
    )
    told = {"name": info.name, "bad_step": info.step, "problem": problem, "set_aside": aside.name}
    link.event(EventKind.CHECKPOINT_BAD, link.start_step, message=message, **told)
    return link.finish(State.STOPPED, Reason.ROLLBACK, message)


def _follow(link: WorkerLink) -> WorkerExit:
    """Be another rank than 0, to the end that rank 0 tells."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # rank 0 saves and tells when it is over
    from engine.train.build import build_trainer
    from engine.train.ranks import Place
    from engine.train.requests import RequestDesk

    trainer = build_trainer(link, RequestDesk(link), Place.of())
    with trainer.stream:
        trainer.follow()
    trainer.ranks.leave()
    return WorkerExit.DONE


def _end_with_launcher() -> None:
    """A rank whose launcher was killed ends at once: nobody else would end it."""
    parent = os.getppid()
    if os.environ.get(LAUNCHER_VARIABLE, str(parent)) != str(parent):  # it was killed while this process began
        os._exit(WorkerExit.FAILED)
    launcher = identify(parent)

    def end() -> None:
        os._exit(WorkerExit.FAILED)

    if launcher is not None:
        ParentWatch(launcher, end, end).start()


def _is_about_others(error: Exception) -> bool:
    try:
        from engine.train.ranks import is_about_others
    except ImportError:
        return False
    return is_about_others(error)


def _is_out_of_memory(error: Exception) -> bool:
    try:
        from engine.train.out_of_memory import is_out_of_memory
    except ImportError:
        return False
    return is_out_of_memory(error)


def _fail(link: WorkerLink, reason: Reason, message: str) -> WorkerExit:
    print(message, file=sys.stderr, flush=True)  # noqa: T201 - into trainer.log
    link.event(EventKind.ERROR, link.status.step, message=message)
    code = link.finish(State.FAILED, reason, message)
    return WorkerExit.FAILED if code is WorkerExit.DONE else code  # a rank that writes nothing has failed all the same


if __name__ == "__main__":
    soften_output()
    sys.exit(main())
