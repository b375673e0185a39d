"""What a look into training text found, as plain values: light enough for a process that never loads numpy."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.errors import UserError
from engine.estimate.data_facts import DataFacts
from engine.language import current_language
from engine.settings.material import find_data, find_tokenizer
from engine.settings.settings import Settings

SHIPPED_VOCABULARY = 6400
"""Entries of the shipped tokenizer, until the one asked for was read."""

_ROW_SETTINGS = (
    "data_path",
    "tokenizer",
    "text_field",
    "max_seq_len",
    "pack",
    "special_tokens",
    "overlong",
    "bad_lines",
    "bad_lines_limit",
    "validation",
    "validation_tokens",
)
"""Settings that decide what a text comes to."""

_SHAPE_SETTINGS = (
    "architecture",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "intermediate_size",
    "qk_norm",
)
"""Settings that decide the number of parameters, for which the verdict asks whether there is enough text."""


@dataclass(frozen=True)
class Bar:
    """One bar of the histogram of lengths."""

    label: str
    count: int


@dataclass(frozen=True)
class Piece:
    """A piece of a document in a row; `starts_inside` and `ends_inside`: the document was split there."""

    line: int
    tokens: int
    text: str
    starts_inside: bool
    ends_inside: bool


@dataclass(frozen=True)
class Row:
    """A row as the model sees it; `used` of its positions are filled."""

    used: int
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class DataLook:
    """What was found. With a `problem`, a sentence with the way out, it cannot be trained on and the rest is empty.

    The sentences are in the language that was asked for.
    """

    path: str = ""
    note: str = ""
    """That the file was not where it was said to be, and which one is meant."""
    problem: str = ""
    tokenizer_problem: bool = False
    """The problem is the tokenizer's, not the text's."""
    vocab_size: int = SHIPPED_VOCABULARY
    facts: DataFacts | None = None
    overview: str = ""
    sampled: bool = False
    """Only parts of the file were read."""
    verdict: tuple[tuple[str, str], ...] = ()
    """(ok, note, warning or error; a sentence), the most serious first."""
    lengths: str = ""
    bars: tuple[Bar, ...] = ()
    training: tuple[str, ...] = ()
    """What training makes of it, a sentence each."""
    problems: tuple[str, ...] = ()
    """What is wrong with single lines."""
    rows: tuple[Row, ...] = ()
    row_length: int = 0
    seconds: float = 0.0

    @property
    def worst(self) -> str:
        """The level of its most serious finding."""
        if self.problem:
            return "error"
        return self.verdict[0][0] if self.verdict else "ok"


@dataclass(frozen=True)
class LookRequest:
    """A look to be taken: the settings that matter, as values, and the state of the files they name.

    Equal requests would find the same.
    """

    values: tuple[tuple[str, Any], ...]
    shape: tuple[tuple[str, Any], ...]
    files: tuple[tuple[str, int, int] | None, ...]
    language: str

    @classmethod
    def of(cls, settings: Settings) -> "LookRequest":
        """The look that a run with these settings calls for now, in the current language."""
        return cls(
            tuple((name, getattr(settings, name)) for name in _ROW_SETTINGS),
            tuple((name, getattr(settings, name)) for name in _SHAPE_SETTINGS),
            (_stamp(_found_data(settings)), _stamp(_found_tokenizer(settings))),
            current_language(),
        )

    @property
    def whatever_the_shape(self) -> "LookRequest":
        """The same without the network's shape: all such looks find the same rows and tokens."""
        return replace(self, shape=())

    def asked(self) -> dict[str, Any]:
        """The settings by name."""
        return dict(self.values) | dict(self.shape)


class Looks:
    """The looks taken so far."""

    def __init__(self) -> None:
        self._found: dict[LookRequest, DataLook] = {}
        self._whatever_the_shape: dict[LookRequest, DataLook] = {}

    def keep(self, request: LookRequest, look: DataLook) -> None:
        """Remember what a look found."""
        self._found[request] = look
        self._whatever_the_shape[request.whatever_the_shape] = look

    def of(self, request: LookRequest) -> DataLook | None:
        """What was found, its verdict for this very network; None when nobody has looked yet."""
        return self._found.get(request)

    def rows_of(self, request: LookRequest) -> DataLook | None:
        """What was found for a network of whatever shape: its facts hold, its verdict may not."""
        return self._whatever_the_shape.get(request.whatever_the_shape)


def _found_data(settings: Settings) -> Path | None:
    try:
        return find_data(settings.data_path).path
    except (UserError, OSError, ValueError):
        return None


def _found_tokenizer(settings: Settings) -> Path | None:
    try:
        return find_tokenizer(settings.tokenizer)
    except (UserError, OSError, ValueError):
        return None


def _stamp(path: Path | None) -> tuple[str, int, int] | None:
    """Which file, of what time and size: another is looked at again."""
    if path is None:
        return None
    try:
        status = path.stat()
    except OSError:
        return None
    return str(path), status.st_mtime_ns, status.st_size
