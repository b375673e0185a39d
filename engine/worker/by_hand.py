"""One rank of a run whose ranks torchrun or Slurm started: `python -m engine.worker.by_hand [FOLDER] [--again]`.

Rank 0 is given the folder and opens the attempt; the others hear of both through the store of the process group. No
supervisor watches: whoever started the ranks does.
"""

import argparse
import os
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson

from engine.errors import UserError
from engine.language import _
from engine.run.attempts import begin_attempt, next_attempt, size_of
from engine.run.exit_codes import WorkerExit
from engine.run.folder import RunFolder
from engine.run.lock import RunLock
from engine.run.taking_lock import take_lock
from engine.worker import train

_KEY, _HEARD = "minimind/run", "minimind/heard"
_WAIT = timedelta(minutes=10)
_HEAR_SECONDS = 10.0


def main(arguments: list[str] | None = None) -> int:
    """Be this rank to the end of the attempt; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m engine.worker.by_hand", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--error", help="why there is no run: all ranks end")
    asked = parser.parse_args(arguments)
    rank, store = int(os.environ["RANK"]), _store()
    key = f"{_KEY}/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}"
    if rank != 0:
        told = orjson.loads(store.get(key))
        if "error" in told:  # rank 0 says it
            store.add(_HEARD, 1)
            return WorkerExit.USER_ERROR
        return train.main([told["folder"], "--attempt", str(told["attempt"])])
    try:
        if asked.error is not None:
            raise UserError(asked.error)
        folder = RunFolder(asked.folder)
        lock, attempt = _open_attempt(folder, again=asked.again)
    except UserError as error:
        store.set(key, orjson.dumps({"error": str(error)}).decode())
        print(_("Error: {message}").format(message=error), file=sys.stderr, flush=True)  # noqa: T201 - a person reads it
        until = time.monotonic() + _HEAR_SECONDS
        while store.add(_HEARD, 0) < int(os.environ["WORLD_SIZE"]) - 1 and time.monotonic() < until:
            time.sleep(0.05)  # the store may end with this process
        return WorkerExit.USER_ERROR
    store.set(key, orjson.dumps({"folder": str(folder.path), "attempt": attempt}).decode())
    try:
        return train.main([str(folder.path), "--attempt", str(attempt)])
    finally:
        lock.release()


def _open_attempt(folder: RunFolder, *, again: bool) -> tuple[RunLock, int]:
    lock = take_lock(folder, again=again)
    record = begin_attempt(folder, next_attempt(folder), size_of(folder.control), lambda _done, _total: None)
    return lock, record.attempt


def _store() -> Any:
    """The store of the process group: torchrun's own, else one of rank 0."""
    import torch.distributed as dist

    return dist.TCPStore(  # type: ignore[attr-defined]
        os.environ["MASTER_ADDR"],
        int(os.environ["MASTER_PORT"]),
        is_master=os.environ["RANK"] == "0" and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True",
        timeout=_WAIT,
        multi_tenant=True,  # the process group takes the same one
        wait_for_workers=False,
    )


if __name__ == "__main__":
    sys.exit(main())
