"""The report of an inspected data file: plain values, for the command line or a screen to draw."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from engine.data.jsonl import NOTE_KINDS, Problem
from engine.data.near_duplicates import NearDuplicates
from engine.data.rows import Overlong

Level = Literal["ok", "note", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """One sentence of the verdict and how serious it is."""

    level: Level
    message: str


@dataclass(frozen=True)
class Duplicates:
    """Exact copies. compared: documents compared; distinct: different texts among them.

    exact: True when every document of the file was compared by its text; otherwise raw lines were compared, as many as
    time allowed, from the start of the file.
    """

    compared: int
    distinct: int
    exact: bool

    @property
    def share(self) -> float:
        """Share of the compared documents that are copies of another one."""
        return 1 - self.distinct / self.compared if self.compared else 0.0


@dataclass(frozen=True)
class SamplePiece:
    """A piece of a document in a row, decoded with its special tokens.

    starts_inside and ends_inside: the document was split before or after this piece.
    """

    line: int
    text: str
    tokens: int
    starts_inside: bool
    ends_inside: bool


@dataclass(frozen=True)
class SampleRow:
    """One packed row as the model sees it: its pieces in order (they do not see each other), and unused positions."""

    pieces: tuple[SamplePiece, ...]
    padding: int


@dataclass(frozen=True)
class InspectReport:
    """What inspect_file found. Shares lie in 0..1; where a number is an estimate, a field ending in _exact is False."""

    path: Path
    bytes: int
    whole: bool
    """True when every line was parsed; otherwise spread parts of the file were."""
    lines_looked_at: int
    documents: int
    documents_exact: bool
    problem_counts: dict[str, int]
    """Lines looked at with each kind of problem or note."""
    problems: tuple[Problem, ...]
    """The first 20."""
    line_numbers_exact: bool
    """False when the line numbers of problems and samples are estimates."""
    duplicates: Duplicates
    near_duplicates: NearDuplicates
    length_edges: tuple[int, ...]
    """Histogram of document lengths in tokens: bin i holds edges[i] <= length < edges[i + 1]."""
    length_counts: tuple[int, ...]
    length_documents: int
    """Documents behind lengths, fill and truncation."""
    median_tokens: float
    tokens: int
    tokens_exact: bool
    characters_per_token: float
    bytes_per_token: float
    max_seq_len: int
    overlong: Overlong
    fill_padded: float
    """Share of positions that carry loss with each document in rows of its own."""
    fill_packed: float
    overlong_share: float
    """Documents that need more than one row (or are truncated)."""
    truncated_token_share: float
    """Share of all text tokens that truncation loses, or would lose."""
    scripts: dict[str, float]
    """Share of letters: "chinese", "latin", "other"."""
    control_share: float
    """Documents whose text contains a control token's string."""
    control_example: str
    rows: tuple[SampleRow, ...]
    parameters: int | None
    tokens_per_parameter: float | None
    bad_lines_limit: float
    seconds: float
    """Time the inspection took."""
    verdict: tuple[Finding, ...] = field(default=())

    @property
    def unusable_lines(self) -> int:
        """Lines looked at that hold no usable text."""
        return sum(count for kind, count in self.problem_counts.items() if kind not in NOTE_KINDS)
