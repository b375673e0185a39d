"""Loss on held-out documents: each seen alone, without touching the training's random state or cursor."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch

from engine.data.rows import RowTable
from engine.model.transformer import LanguageModel
from engine.train.loss import token_losses
from engine.train.ranks import Network, Ranks
from engine.train.update import Autocast, to_device

CONFIRMING_RISES = 2
"""Validations in a row that must rise while the training loss falls before a person is warned."""


@dataclass(frozen=True)
class ValidationResult:
    """loss in nats per target token, over `tokens` of them that stand for `text_bytes` bytes of text."""

    loss: float
    tokens: int
    text_bytes: int

    @property
    def perplexity(self) -> float:
        """exp(loss); infinite where that overflows."""
        return math.exp(self.loss) if self.loss < 700 else math.inf

    @property
    def bits_per_byte(self) -> float:
        """loss / ln 2 * tokens / bytes: comparable between tokenizers. The loss of each eos is included."""
        return self.loss / math.log(2) * self.tokens / self.text_bytes


def validate(
    model: LanguageModel,
    network: Network,
    rows: RowTable,
    autocast: Autocast,
    batch_rows: int,
    should_stop: Callable[[], bool] = lambda: False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    ranks: Ranks | None = None,
) -> ValidationResult | None:
    """The loss of every held-out document, in packed rows that do not let them see each other.

    None when `should_stop` said so between two batches. Of several `ranks` each reads its batches, and all get the
    whole result; they cannot stop within.
    """
    ranks = ranks or Ranks()
    device = model.lm_head.weight.device
    sums = torch.zeros(2, dtype=torch.float64)  # nats, tokens
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            for start in range(ranks.rank * batch_rows, rows.row_count, ranks.size * batch_rows):
                if ranks.size == 1 and should_stop():
                    return None
                on_progress(start, rows.row_count)
                batch = rows.batch(np.arange(start, min(start + batch_rows, rows.row_count)))
                on_device = to_device(batch, device)
                with autocast():
                    hidden = network(on_device.ids, on_device.positions, on_device.document_ids)
                    losses = token_losses(hidden, model.lm_head.weight, on_device.labels)  # (B, T)
                sums[0] += losses.sum().cpu().double()
                sums[1] += batch.target_tokens
    finally:
        model.train(was_training)
    nats, tokens = ranks.sum(sums).tolist()
    return ValidationResult(nats / tokens, int(tokens), rows.text_bytes)


def overfitting(history: list[list[float]]) -> bool:
    """Whether the last validations rise while the training losses before them fall: (validation, training) pairs.

    True just when the pattern completes, not again while it goes on.
    """
    window = CONFIRMING_RISES + 1

    def pattern(pairs: list[list[float]]) -> bool:
        return len(pairs) == window and all(
            later[0] > earlier[0] and later[1] < earlier[1] for earlier, later in pairwise(pairs)
        )

    return pattern(history[-window:]) and not pattern(history[-window - 1 : -1])
