"""What training text comes to in rows and tokens: estimated from an inspection, or read from what is built already."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.settings.settings import Settings

if TYPE_CHECKING:  # they bring numpy, which not everybody who shows these facts has loaded
    from engine.data.inspect_report import InspectReport
    from engine.data.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class DataFacts:
    """One epoch of a data file under some settings, validation's documents left out.

    `exact` is True when the counts are those of rows that are built already. `validation_tokens` is what one validation
    reads (0: nothing is held out). `context` is how many positions the attention of a token spans on average, the mean
    over tokens of their own document's length in its row. `problems` are reasons why training would refuse the text.
    """

    rows_per_epoch: int
    tokens_per_epoch: int
    exact: bool
    validation_tokens: int = 0
    context: float | None = None
    problems: tuple[str, ...] = ()


def data_facts(report: "InspectReport", settings: Settings) -> DataFacts:
    """An estimate from an inspection of the file made with the same settings."""
    raise NotImplementedError


def exact_data_facts(data: Path, tokenizer: "Tokenizer", settings: Settings, cache_dir: Path) -> DataFacts | None:
    """The counts of the rows that training would read, where token cache and rows are built already; else None.

    Takes milliseconds and builds nothing.
    """
    raise NotImplementedError
