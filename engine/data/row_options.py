"""Which rows a run's settings ask for: the one place that both training and whoever looks ahead read it from."""

from typing import Protocol, TypedDict

from engine.data.rows import Overlong, SpecialTokens
from engine.data.tokenizer import Tokenizer


class AsksForRows(Protocol):
    """The settings that decide the rows."""

    @property
    def max_seq_len(self) -> int:
        """Positions in a row."""

    @property
    def pack(self) -> bool:
        """Whether documents share rows."""

    @property
    def special_tokens(self) -> SpecialTokens:
        """What surrounds a document."""

    @property
    def overlong(self) -> Overlong:
        """What becomes of a document longer than a row."""


class RowOptions(TypedDict):
    """The options of build_rows and existing_rows."""

    max_seq_len: int
    bos_id: int | None
    eos_id: int | None
    pad_id: int
    pack: bool
    special_tokens: SpecialTokens
    overlong: Overlong


def row_options(asked: AsksForRows, tokenizer: Tokenizer, *, validation: bool = False) -> RowOptions:
    """The options of the rows that are trained on, or of those held out: whole documents, packed, whatever was asked.

    Raises UserError when the tokenizer lacks a token that they need.
    """
    surrounded = asked.special_tokens == "both"
    return RowOptions(
        max_seq_len=asked.max_seq_len,
        bos_id=tokenizer.bos_id if surrounded else None,
        eos_id=tokenizer.eos_id if surrounded else None,
        pad_id=tokenizer.pad_id,
        pack=True if validation else asked.pack,
        special_tokens=asked.special_tokens,
        overlong="split" if validation else asked.overlong,
    )
