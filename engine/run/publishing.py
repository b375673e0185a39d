"""Weights published outside of a run, under MiniMind's names: whose they are, and who may replace them."""

import contextlib
from pathlib import Path

import orjson
from pydantic import ValidationError

from engine.errors import UserError
from engine.language import _
from engine.run.atomic import write_atomic
from engine.run.clock import now_utc_iso
from engine.run.tolerant import Tolerant
from engine.small_file import read_small

WEIGHT_SUFFIXES = (".safetensors", ".pth")


class PublishedBy(Tolerant):
    """`pretrain_512.json` beside published weights: the run they come from, and from which of its steps."""

    run: str
    step: int | None = None
    tokenizer_hash: str | None = None
    written: str = ""


def published_by(save_dir: Path, stem: str) -> PublishedBy | None:
    """What the file beside the weights says; None when there is none, or it says nothing."""
    try:
        return PublishedBy.model_validate(orjson.loads(read_small(_beside(save_dir, stem))))
    except (OSError, orjson.JSONDecodeError, ValidationError):
        return None


def check_save_dir(save_dir: Path, stem: str, *, ancestors: frozenset[str], start: Path | None, force: bool) -> None:
    """Return when a new run may publish as `save_dir/stem`.

    It may when nothing is there, when what is there comes from one of its `ancestors` (run ids) or is the very file it
    starts from, or by `force`. Raises UserError naming the weights and whose they are, or why the folder is unusable.
    """
    if save_dir.exists() and not save_dir.is_dir():
        raise UserError(_("--save_dir {path} is a file; give it a folder.").format(path=save_dir))
    there = [path for suffix in WEIGHT_SUFFIXES if (path := save_dir / f"{stem}{suffix}").exists()]
    owner = published_by(save_dir, stem)
    if (
        force
        or not there
        or (owner and owner.run in ancestors)
        or (start and start.resolve() in map(Path.resolve, there))
    ):
        return
    raise UserError(
        _(
            "{path} holds weights of {owner}, which this run would overwrite. Choose another --save_weight or "
            "--save_dir, go on with that run (--from_resume 1), or overwrite with --force."
        ).format(path=there[0], owner=_("run {run}").format(run=owner.run) if owner else _("an unknown origin"))
    )


def claim_save_dir(save_dir: Path, stem: str, run: str) -> None:
    """Say that `save_dir/stem` is this run's from now on. Raises UserError when the folder cannot be written."""
    try:
        save_dir.mkdir(parents=True, exist_ok=True)
        _write(save_dir, stem, PublishedBy(run=run, written=now_utc_iso()))
    except OSError as error:
        raise UserError(
            _("Cannot write into --save_dir {path}: {problem}.").format(path=save_dir, problem=error.strerror)
        ) from error


def may_publish(save_dir: Path, stem: str, run: str) -> bool:
    """Whether `save_dir/stem` is still this run's: another run, started later with --force, may have taken it."""
    owner = published_by(save_dir, stem)
    if owner is not None:
        return owner.run == run
    return not any((save_dir / f"{stem}{suffix}").exists() for suffix in WEIGHT_SUFFIXES)


def note_published(save_dir: Path, stem: str, by: PublishedBy) -> None:
    """Write down which step the weights are of; a disk that refuses changes nothing about the weights."""
    with contextlib.suppress(OSError):
        _write(save_dir, stem, by)


def _write(save_dir: Path, stem: str, by: PublishedBy) -> None:
    data = orjson.dumps(by.model_dump(exclude_none=True), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    write_atomic(_beside(save_dir, stem), data)


def _beside(save_dir: Path, stem: str) -> Path:
    return save_dir / f"{stem}.json"
