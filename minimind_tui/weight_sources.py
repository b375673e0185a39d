"""Which weights write a text: a file, a run's newest, or one of its checkpoints; and the tokenizer they belong to."""

from dataclasses import dataclass, replace
from pathlib import Path

from engine.errors import UserError
from engine.language import _
from engine.places import named_path, runs_dir
from engine.run.checkpoints import CheckpointInfo, best, scan, verify
from engine.run.find import find_run
from engine.run.folder import RunFolder
from engine.run.requested import WEIGHT_SUFFIXES, run_weights
from engine.settings.material import find_tokenizer
from engine.settings.presets import read_toml

CHECKPOINT_WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class Source:
    """Weights, the tokenizer they were trained with, and whether their documents stood between bos and eos."""

    weights: Path
    tokenizer: Path
    surrounded: bool = True


def find_source(text: str, checkpoint: str | None, tokenizer: str | None) -> Source:
    """What a command line means: a file of weights, or a run's.

    `checkpoint` is None (its newest published weights), `best`, `last` or a step; `tokenizer` overrides the run's own.
    Raises UserError.
    """
    path = named_path(text)
    if path.suffix in WEIGHT_SUFFIXES:
        if checkpoint is not None and path.is_file():
            raise UserError(_("--checkpoint chooses among a run's; {path} is one file.").format(path=text))
        return file_source(path, tokenizer)
    return run_source(find_run(runs_dir(), text), checkpoint, tokenizer)


def file_source(path: Path, tokenizer: str | None = None) -> Source:
    """A file of weights; without `tokenizer` it is the shipped one. Raises UserError."""
    if path.suffix not in WEIGHT_SUFFIXES:
        raise UserError(
            _("{path} is no file of weights: expected {kinds}.").format(path=path, kinds=", ".join(WEIGHT_SUFFIXES))
        )
    if not path.is_file():
        raise UserError(_("There is no file {path}.").format(path=path))
    return Source(path.resolve(), find_tokenizer(tokenizer or "auto"))


def run_source(folder: RunFolder, checkpoint: str | None, tokenizer: str | None = None) -> Source:
    """A run's newest published weights, or those of the checkpoint that `best`, `last` or a step means.

    A checkpoint's hash is checked: it takes a moment. Raises UserError.
    """
    weights = run_weights(folder).path if checkpoint is None else checkpoint_weights(folder, checkpoint)
    own = tokenizer or folder.read_manifest().tokenizer_path or "auto"
    return Source(weights, find_tokenizer(own), _surrounds(folder))


def checkpoint_weights(folder: RunFolder, wanted: str) -> Path:
    """The weights of the checkpoint that `wanted` means: `best`, `last` or a step. Raises UserError."""
    chosen = find_checkpoint(folder, wanted)
    assert chosen.record is not None
    # the optimiser's file beside the weights is twice as large, and nobody reads it here
    files = {name: file for name, file in chosen.record.files.items() if name == CHECKPOINT_WEIGHTS}
    problem = verify(replace(chosen, record=chosen.record.model_copy(update={"files": files})))
    if problem:
        raise UserError(_("The checkpoint {path} cannot be used: {problem}.").format(path=chosen.path, problem=problem))
    return chosen.path / CHECKPOINT_WEIGHTS


def find_checkpoint(folder: RunFolder, wanted: str) -> CheckpointInfo:
    """The checkpoint that `best`, `last` or a step means, by its record alone. Raises UserError."""
    infos = [info for info in scan(folder) if info.record is not None]
    if not infos:
        raise UserError(_("Run {run} has no checkpoint yet.").format(run=folder.id))
    if wanted == "last":
        chosen: CheckpointInfo | None = infos[0]
    elif wanted == "best":
        chosen = best(infos)
    else:
        chosen = next((info for info in infos if str(info.step) == (wanted.lstrip("0") or "0")), None)
    if chosen is None:
        raise UserError(
            _(
                "Run {run} has no checkpoint {wanted}. There are: {steps}; also last, and best once it was validated."
            ).format(run=folder.id, wanted=wanted, steps=", ".join(str(info.step) for info in infos))
        )
    return chosen


def _surrounds(folder: RunFolder) -> bool:
    """Whether the run's documents are surrounded, by its run.toml; the usual yes where that cannot be read."""
    try:
        tables = read_toml(folder.run_toml)
    except UserError:
        return True
    return not any(isinstance(table, dict) and table.get("special_tokens") == "none" for table in tables.values())
