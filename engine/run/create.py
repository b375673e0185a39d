"""Making a run's folder: complete or absent, and one id each."""

import contextlib
import errno
import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from engine.errors import UserError
from engine.language import _
from engine.run.atomic import write_atomic
from engine.run.folder import RunFolder, encode_manifest
from engine.run.process import this_process
from engine.run.schema import Manifest

UNFINISHED = ".new-"
"""What the name of a run folder begins with until it is complete."""

DELETING = ".deleting-"
"""What the name of a run folder begins with while it is deleted."""

_STALE_SECONDS = 24 * 3600.0
_MAX_NAME = 48


def create_run(
    runs_dir: Path,
    name: str,
    run_toml: str,
    manifest: Manifest | None = None,
    *,
    fill: Callable[[RunFolder], None] | None = None,
) -> RunFolder:
    """Make the folder of a new run: `20261124-031500-<name>`, the time in UTC.

    `run_toml` is every setting as TOML text. `manifest` may say what is known already; id, created, name and host are
    filled in. `fill` may put more into the folder while nobody sees it yet. The folder appears complete or not at all.
    Raises UserError when it cannot be made, and what `fill` raises.
    """
    manifest = manifest.model_copy(deep=True) if manifest is not None else Manifest()
    slug = slug_of(name)
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    try:
        runs_dir.mkdir(parents=True, exist_ok=True)
        _sweep(runs_dir)
        unfinished = runs_dir / f"{UNFINISHED}{os.getpid()}-{os.urandom(4).hex()}"
        unfinished.mkdir()
        try:
            write_atomic(unfinished / "run.toml", run_toml.encode())
            (unfinished / "checkpoints").mkdir()
            if fill is not None:
                fill(RunFolder(unfinished.absolute()))
            for number in range(1, 10_000):
                run_id = f"{stamp}-{slug}" + (f"-{number}" if number > 1 else "")
                manifest.id, manifest.name, manifest.host = run_id, slug, this_process().host
                write_atomic(unfinished / "manifest.json", encode_manifest(manifest))
                if _rename_to_new(unfinished, runs_dir / run_id):
                    return RunFolder((runs_dir / run_id).absolute())
            raise FileExistsError(errno.EEXIST, "too many runs of one name in one second")
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
    except OSError as error:
        raise UserError(
            _("Cannot make a run folder in {folder}: {problem}.").format(
                folder=runs_dir, problem=error.strerror or str(error)
            )
        ) from error


def slug_of(name: str) -> str:
    """`name` as the last part of a run's id: letters, digits, `.`, `_`, `-`; never a path, hidden, or empty."""
    slug = re.sub(r"[^\w.-]+", "-", name).strip("-._")[:_MAX_NAME].rstrip("-._")
    while len(slug.encode()) > 2 * _MAX_NAME:
        slug = slug[:-1]
    return slug or "run"


def _rename_to_new(source: Path, target: Path) -> bool:
    # rename() takes the place of an empty folder only, and a run's folder is never empty: of two who want one id, one
    # gets it.
    try:
        source.rename(target)
    except OSError:
        if not target.exists():
            raise
        return False
    return True


def _sweep(runs_dir: Path) -> None:
    """Remove what a crash left of runs being made or deleted, after a day."""
    with os.scandir(runs_dir) as entries:
        for entry in entries:
            if entry.name.startswith((UNFINISHED, DELETING)):
                with contextlib.suppress(OSError):
                    if time.time() - entry.stat(follow_symlinks=False).st_mtime > _STALE_SECONDS:
                        shutil.rmtree(entry.path, ignore_errors=True)
