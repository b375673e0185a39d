"""What a name means when weights are asked for: a file, a run, or MiniMind's name for weights."""

from dataclasses import dataclass
from pathlib import Path

from engine.errors import UserError
from engine.language import _
from engine.places import named_path
from engine.run.find import find_run, list_runs
from engine.run.folder import RunFolder
from engine.settings.settings import Settings

WEIGHT_SUFFIXES = (".safetensors", ".pth")
_USUAL_SAVE_DIR = "out"  # MiniMind's own


@dataclass(frozen=True)
class Weights:
    """A file of weights, and the run it comes from where that is known."""

    path: Path
    run: str | None = None
    step: int | None = None


def find_weights(settings: Settings, runs_dir: Path) -> Weights | None:
    """The weights that `from_weight` means; None when it is `none`.

    A file; a run (its id, a part of it, or `last`); or a name as in MiniMind, `pretrain` for `pretrain_512.pth`, looked
    for in save_dir, in `out`, and among the runs. Raises UserError, naming the places, when there are none.
    """
    text = settings.from_weight
    if text == "none":
        return None
    path = named_path(text)
    if path.is_file():
        return _weights_file(path)
    if path.suffix in WEIGHT_SUFFIXES:
        raise UserError(_("There is no file {path} to take weights from (--from_weight).").format(path=text))
    name = f"{text}_{settings.hidden_size}" + ("_moe" if settings.use_moe else "")
    folders = dict.fromkeys(Path(folder) for folder in (settings.save_dir, _USUAL_SAVE_DIR) if folder != "none")
    for folder in folders:
        for suffix in WEIGHT_SUFFIXES:
            if (folder / f"{name}{suffix}").is_file():
                return Weights((folder / f"{name}{suffix}").resolve())
    try:
        return run_weights(find_run(runs_dir, text))
    except UserError as error:
        for run in list_runs(runs_dir):
            if (run.weights / f"{name}{WEIGHT_SUFFIXES[0]}").is_file():
                return run_weights(run)
        raise UserError(
            _("--from_weight {text}: no file {name}.pth or .safetensors in {folders}, and: {problem}").format(
                text=text, name=name, folders=", ".join(str(folder) for folder in folders), problem=error
            )
        ) from None


def run_weights(run: RunFolder) -> Weights:
    """The newest weights a run published. Raises UserError when it has none yet."""
    found = [path for suffix in WEIGHT_SUFFIXES for path in sorted(run.weights.glob(f"*{suffix}"))]
    if not found:
        raise UserError(
            _("Run {run} has saved no weights yet: they come with its first checkpoint.").format(run=run.id)
        )
    return Weights(found[0].resolve(), run.id)


def _weights_file(path: Path) -> Weights:
    if path.suffix not in WEIGHT_SUFFIXES:
        raise UserError(
            _("{path} is no file of weights: expected {kinds}.").format(path=path, kinds=", ".join(WEIGHT_SUFFIXES))
        )
    return Weights(path.resolve())
