"""Finding the files that settings name: training text and tokenizer."""

from dataclasses import dataclass
from pathlib import Path

from engine.errors import UserError
from engine.language import _
from engine.places import builtin_dir, named_path, workspace
from engine.settings.nearest import nearest

GUIDE_DATA = "pretrain_data.jsonl"


@dataclass(frozen=True)
class Found:
    """A file that was found, and a sentence when it was not where it was said to be."""

    path: Path
    note: str = ""


def find_data(data_path: str) -> Found:
    """The training file a `data_path` means.

    Looked for as it is written, then (as MiniMind's guide writes `dataset/`) under `datasets/`, then among the built-in
    files. Raises UserError that says where MiniMind's users get the data, or the nearest file there is.
    """
    asked = named_path(data_path)
    if _is_there(asked):
        return Found(asked.resolve())
    if asked.parts[:1] == ("dataset",) and (found := _in_datasets(Path("datasets", *asked.parts[1:]))):
        return Found(found, _("{asked} does not exist; using {found}.").format(asked=data_path, found=found))
    if found := _in_datasets(asked):
        return Found(found)
    raise UserError(_missing_data(data_path))


def _is_there(path: Path) -> bool:
    """Whether there is something at `path`. Raises UserError where that cannot be found out."""
    try:
        return path.exists()
    except OSError as error:  # a folder that may not be searched, a name too long
        raise UserError(
            _("{path} cannot be looked at: {reason}.").format(path=_shortened(str(path)), reason=error.strerror)
        ) from error


def _shortened(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:100]}...{text[-60:]}"


def _in_datasets(path: Path) -> Path | None:
    """The workspace's or the built-in file that `datasets/NAME` means."""
    if path.parts[:1] != ("datasets",):
        return None
    places = (workspace() / path, builtin_dir("datasets") / Path(*path.parts[1:]))
    return next((place.resolve() for place in places if place.is_file()), None)


def available_data() -> dict[str, Path]:
    """The workspace's and the built-in JSONL files by name, the workspace's first."""
    found: dict[str, Path] = {}
    for folder in (workspace() / "datasets", builtin_dir("datasets")):
        for path in sorted(folder.glob("*.jsonl")):
            found.setdefault(path.name, path)
    return found


def find_tokenizer(tokenizer: str) -> Path:
    """The tokenizer.json that the setting means; `auto` is the shipped one. Raises UserError when there is none."""
    if tokenizer == "auto":
        return builtin_dir("datasets") / "tokenizer.json"
    path = named_path(tokenizer)
    if _is_there(path) and path.is_dir():
        path = path / "tokenizer.json"
    if not _is_there(path) or not path.is_file():
        raise UserError(
            _(
                "No tokenizer at {path}. Give --tokenizer a tokenizer.json or the folder that holds one; "
                "`auto` is the shipped one."
            ).format(path=path)
        )
    return path.resolve()


def _missing_data(data_path: str) -> str:
    asked = Path(data_path)
    message = _("There is no file {path}.").format(path=data_path)
    if asked.name == GUIDE_DATA:
        return (
            message
            + " "
            + _(
                "The full pretraining text is not shipped. MiniMind's users download `pretrain_hq.jsonl` (1.6 GB) or "
                "`pretrain_t2t_mini.jsonl` (1.2 GB) from the data set jingyaogong/minimind_dataset on Hugging Face "
                "(gongjy/minimind_dataset on ModelScope) and put it at datasets/pretrain_data.jsonl. "
                "To train on a file of your own: --data_path FILE.jsonl; to try the program out: --preset mini."
            )
        )
    there = available_data()
    beside = [str(path) for path in sorted(asked.parent.glob("*.jsonl"))] if asked.parent.is_dir() else []
    suggestion = nearest(data_path, [*beside, *(f"datasets/{name}" for name in there)])
    if suggestion:
        message += " " + _("Did you mean {suggestion}?").format(suggestion=suggestion)
    return (
        message
        + " "
        + _('--data_path takes a JSONL file, one {{"text": ...}} a line; found here: {names}.').format(
            names=", ".join(there) or _("none")
        )
    )
