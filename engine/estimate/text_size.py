"""What so many bytes of text come to: tokens, rows, and the files that are made of them."""

import math
import re
from dataclasses import dataclass
from typing import Literal

from engine.errors import UserError
from engine.estimate.data_facts import DataFacts
from engine.language import _
from engine.settings.nearest import did_you_mean
from engine.settings.settings import Settings

TextSource = Literal["assumed", "sampled", "built"]

_SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<prefix>[kmgtp]?)(?P<binary>i?)b?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_MOST_BYTES = 10**16

BYTES_PER_DOCUMENT = 1000
"""MiniMind's two sets have 1,132 and 945 (1.6 GB in 1.413 M texts, 1.2 GB in 1.27 M)."""
FILL = 0.97
"""Of packed rows; 93 % and 99.8 % were measured on Chinese and other texts (benchmarks/scaling_parts.py)."""

_PER_DOCUMENT = 8 + 8 + 4 + 8  # its end, hash, bytes and line in the token cache
_PER_PIECE = 4 + 4 + 4  # its document, start and length in the table of rows
_PER_ROW = 8 + 4  # its first piece and its targets
_SMALL_VOCABULARY = 2**16


@dataclass(frozen=True, slots=True)
class TextKind:
    """Bytes of file a token, at the least, usually and at the most, in a vocabulary of MiniMind's size."""

    low: float
    middle: float
    high: float


TEXT_KINDS = {"zh": TextKind(3.6, 4.8, 5.1), "en": TextKind(3.2, 4.0, 5.0), "mixed": TextKind(3.2, 4.4, 5.1)}
"""The least is measured here (texts about software, benchmarks/scaling_parts.py), the most is what MiniMind says of its
vocabulary: 1.5 to 1.7 Chinese characters of three bytes a token, 4 to 5 English ones. In between lies prose."""


@dataclass(frozen=True, slots=True)
class TextPlan:
    """One epoch of a text. `tokens_low` and `tokens_high` bound `tokens`, the target tokens; all three are equal where
    they were counted. `context` is how many positions a token's attention spans, None where unknown.
    """

    bytes: int
    tokens: int
    tokens_low: int
    tokens_high: int
    documents: int
    rows: int
    fill: float
    source: TextSource
    context: float | None = None
    bytes_to_tokenise: int = 0
    kind: TextKind | None = None

    def pieces(self, max_seq_len: int) -> int:
        """Runs of tokens that rows are made of: a document, or a part of one longer than a row."""
        return self.documents + self.tokens // max_seq_len


def parse_bytes(text: str) -> int:
    """Bytes from `1GB`, `2.5 TB`, `500 MB`, `1GiB` or a bare number of them. Raises UserError."""
    found = _SIZE.fullmatch(text.strip())
    size = 0.0
    if found is not None and not (found["binary"] and not found["prefix"]):
        base = 1024 if found["binary"] else 1000
        size = float(found["number"]) * float(base ** _POWERS[found["prefix"].lower()])
    if not 1 <= size <= _MOST_BYTES:
        raise UserError(
            _("{text} is no amount of text: write bytes such as 500MB, 1GB or 1TB, at most 10PB.").format(
                text=text.strip() or "''"
            )
        )
    return int(size)


def text_kind(name: str) -> TextKind:
    """The kind of this name. Raises UserError."""
    if name not in TEXT_KINDS:
        raise UserError(
            _("No kind of text is called {name}.").format(name=name)
            + did_you_mean(name, TEXT_KINDS)
            + " "
            + _("There are: {names}.").format(names=", ".join(TEXT_KINDS))
        )
    return TEXT_KINDS[name]


def assumed_text(size: int, kind: TextKind, settings: Settings) -> TextPlan:
    """What `size` bytes of such text come to when nothing of it has been seen."""
    documents = max(1, round(size / BYTES_PER_DOCUMENT))
    ends = 1 if settings.special_tokens == "both" else -1  # targets a document has beside those its tokens are
    low, middle, high = (max(1, round(size / each) + ends * documents) for each in (kind.high, kind.middle, kind.low))
    fill = FILL if settings.pack else _padded_fill(middle / documents, settings.max_seq_len)
    rows = math.ceil(middle / (fill * settings.max_seq_len))
    return TextPlan(size, middle, low, high, documents, rows, fill, "assumed", None, size, kind)


def known_text(size: int, facts: DataFacts, settings: Settings) -> TextPlan:
    """What a text comes to that was looked into, or whose rows are built already."""
    positions = max(1, facts.rows_per_epoch * settings.max_seq_len)
    return TextPlan(
        bytes=size,
        tokens=facts.tokens_per_epoch,
        tokens_low=facts.tokens_per_epoch,
        tokens_high=facts.tokens_per_epoch,
        documents=max(1, round(size / BYTES_PER_DOCUMENT)),
        rows=facts.rows_per_epoch,
        fill=facts.tokens_per_epoch / positions,
        source="built" if facts.exact else "sampled",
        context=facts.context,
        bytes_to_tokenise=facts.bytes_to_tokenise,
    )


def cache_bytes(text: TextPlan, settings: Settings, vocab_size: int) -> int:
    """What the token cache and its rows take: exactly the arrays that engine.data writes."""
    each = 2 if vocab_size <= _SMALL_VOCABULARY else 4
    pieces = text.pieces(settings.max_seq_len)
    return each * text.tokens + _PER_DOCUMENT * text.documents + _PER_PIECE * pieces + _PER_ROW * text.rows


def _padded_fill(tokens: float, width: int) -> float:
    """How full a row is that holds one document of `tokens`, or its last piece."""
    return tokens / (math.ceil(tokens / width) * width)
