"""What people write about a run: a title and a note, in a file of its own.

manifest.json and status.json belong to the run's lock owner; annotations.json belongs to whoever looks at the run, also
while it trains, and the trainer never reads it. What stands in it is anybody's text: it is cut to size and freed of
control characters on the way in and on the way out.
"""

import unicodedata
from pathlib import Path

import orjson
from pydantic import Field, ValidationError

from engine.errors import UserError
from engine.language import _
from engine.run.atomic import write_atomic
from engine.run.folder import RunFolder
from engine.run.schema import VERSION
from engine.run.tolerant import Tolerant
from engine.small_file import read_small

TITLE_LENGTH = 80
"""Most characters of a title."""

NOTE_LENGTH = 10_000
"""Most characters of a note."""

FILE_BYTES = 256 << 10
"""A longer annotations.json is not ours: it is not read."""

_REORDERS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class Annotations(Tolerant):
    """annotations.json: both texts may be empty."""

    v: int = VERSION
    title: str = Field("", max_length=TITLE_LENGTH)
    """One line; stands for the id wherever runs are listed."""
    note: str = Field("", max_length=NOTE_LENGTH)
    """Any number of lines."""


_NONE = Annotations()
"""Of most runs: making thousands of them anew would be a tenth of listing the runs."""


def read_annotations(folder: RunFolder) -> Annotations:
    """A run's annotations; empty ones where there are none, or where the file makes no sense. Never raises."""
    try:
        raw = orjson.loads(read_small(folder.annotations, FILE_BYTES))
        if not isinstance(raw, dict):
            return Annotations()
        title, note = raw.get("title"), raw.get("note")
        return Annotations.model_validate(
            raw
            | {
                "v": VERSION,
                "title": _one_line(title)[:TITLE_LENGTH] if isinstance(title, str) else "",
                "note": _lines(note)[:NOTE_LENGTH] if isinstance(note, str) else "",
            }
        )
    except (OSError, orjson.JSONDecodeError, ValidationError):
        return _NONE


def rename_run(folder: RunFolder, title: str) -> Annotations:
    """Give a run a title; an empty one takes it away. The id and the folder's name stay as they are.

    Raises UserError when the title is too long, or the folder is no run's or cannot be written.
    """
    wanted = _one_line(title)
    if len(wanted) > TITLE_LENGTH:
        raise UserError(
            _("A title has at most {most} characters; this one has {n}.").format(most=TITLE_LENGTH, n=len(wanted))
        )
    return _change(folder, title=wanted)


def write_note(folder: RunFolder, text: str) -> Annotations:
    """Write a run's note, in place of the one it had; an empty one takes it away. Raises UserError as `rename_run`."""
    wanted = _lines(text)
    if len(wanted) > NOTE_LENGTH:
        raise UserError(
            _("A note has at most {most} characters; this one has {n}.").format(most=NOTE_LENGTH, n=len(wanted))
        )
    return _change(folder, note=wanted)


def _change(folder: RunFolder, **texts: str) -> Annotations:
    folder.read_manifest()  # a note must not make a run of any folder
    annotations = read_annotations(folder).model_copy(update=texts)
    data = orjson.dumps(annotations.model_dump(mode="json"), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    try:
        write_atomic(folder.annotations, data)
    except OSError as error:
        raise UserError(_problem(folder.annotations, error)) from error
    return annotations


def _problem(path: Path, error: OSError) -> str:
    return _("Cannot write {path}: {problem}.").format(path=path, problem=error.strerror or error)


def _one_line(text: str) -> str:
    return " ".join(_lines(text).split())


def _lines(text: str) -> str:
    """`text` without control characters (lines and tabs stay), without halves of characters, without what reorders."""
    kept = [
        character
        for character in text.replace("\r\n", "\n").replace("\r", "\n")
        if character in "\n\t" or (unicodedata.category(character) not in ("Cc", "Cs") and character not in _REORDERS)
    ]
    return "".join(kept).strip()
