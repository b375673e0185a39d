"""Which documents are behind an update that is not finite or stands out: its rows looked at again, one rank alone.

Nothing is changed: no weight, no gradient, no random state, no cursor; and no other rank has a part in it. Time and
memory are bounded, and how much was looked at is told.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Literal

import numpy as np
import torch

from engine.data.rows import IGNORE, Batch, Integers, RowTable
from engine.data.tokenizer import Tokenizer
from engine.language import _
from engine.run.guard_record import KEPT_DOCUMENTS, NamedDocument
from engine.train.finite import are_finite, not_finite
from engine.train.loss import token_losses
from engine.train.update import Updater, to_device

Found = Literal["loss", "gradient", "weights"]

SECONDS = 60.0
"""The longest look; with several ranks the others wait meanwhile."""

WORST_ROWS = 8
START_TOKENS, START_CHARACTERS = 48, 80
_SHARE_OF_WORST = 0.1
"""A document is named if it raises the loss by this share of what the worst one does."""

_SAME = 0.05
"""A loss that comes out within this share of what it was has repeated itself."""


@dataclass(frozen=True)
class Findings:
    """examined: rows looked at of `rows`; documents: worst first; remark: in words why none, or how sure it is."""

    rows: int
    examined: int
    documents: list[NamedDocument]
    remark: str = ""


@dataclass(frozen=True)
class _Piece:
    """A piece of a row and what came of it: nats over `tokens` targets."""

    row: int
    number: int
    nats: float
    tokens: int

    @property
    def finite(self) -> bool:
        return math.isfinite(self.nats)


class Autopsy:
    """Looks at rows of `table` with the weights as they are, `at_once()` rows at a time."""

    def __init__(
        self, updater: Updater, table: RowTable, tokenizer: Tokenizer, source: str, at_once: Callable[[], int]
    ) -> None:
        self._updater = updater
        self._table = table
        self._tokenizer = tokenizer
        self.source = source
        self._at_once = at_once

    def knows(self, text_hash: str) -> bool:
        """Whether a document of this text (16 hex digits) is trained on."""
        documents = np.flatnonzero(self._table.cache.text_hashes == np.uint64(int(text_hash, 16)))
        return bool(np.isin(self._table.piece_document, documents).any())

    def examine(
        self,
        rows: Integers,
        *,
        loss: float,
        finite: bool,
        limit: float,
        should_stop: Callable[[], bool] = lambda: False,
        seconds: float = SECONDS,
    ) -> Findings:
        """The documents behind an update of `rows` whose loss was `loss` (nats a target token).

        finite: whether loss and gradient were. limit: the loss above which an update stands out. Raises what the
        forward pass raises, memory that ran out for example.
        """
        until = time.monotonic() + seconds

        def over() -> bool:
            return time.monotonic() > until or should_stop()

        broken = not_finite(self._updater.model)
        if broken:
            return Findings(len(rows), 0, [], weights_to_blame(broken))
        model = self._updater.model
        was_training = model.training
        model.eval()
        try:
            return self._look(rows, loss, finite, limit, over)
        finally:
            model.take_routing()
            model.train(was_training)

    def _look(self, rows: Integers, loss: float, finite: bool, limit: float, over: Callable[[], bool]) -> Findings:
        pieces = self._losses(rows, over)
        by_row: dict[int, list[_Piece]] = {}
        for piece in pieces:
            by_row.setdefault(piece.row, []).append(piece)
        examined = len(by_row)
        bad = [row for row, members in by_row.items() if not all(piece.finite for piece in members)]
        every = len(bad) == examined > 1
        if not bad and not finite:
            bad, every = self._halve(rows[:examined], over)
            if not bad and over():
                return Findings(len(rows), examined, [], _("The rows behind it were not found in the time there was."))
        if every:
            remark = _("Every row is affected: it is not the documents.")
            return Findings(len(rows), examined, [], remark)
        if bad:
            return Findings(len(rows), examined, self._named(self._of_bad_rows(bad[:WORST_ROWS], over)))
        nats, tokens = sum(piece.nats for piece in pieces), sum(piece.tokens for piece in pieces)
        mean = nats / max(1, tokens)
        complete = examined == len(rows)
        if complete and (not finite or abs(mean - loss) > _SAME * max(abs(loss), abs(mean))):
            alone = self._one_by_one(rows, over) if finite else []
            if not alone:
                return Findings(len(rows), examined, [], _did_not_repeat(loss, mean, finite))
            suspects = [
                _Piece(row, one.number, one.tokens * row_loss, one.tokens)
                for row, row_loss in alone
                for one in by_row[row]
            ]
            return Findings(len(rows), examined, self._named(suspects))
        row_losses = [_mean(members) for members in by_row.values()]
        if len(row_losses) > 1 and median(row_losses) > limit:
            remark = _("The rows are alike (half of them are above {loss:.2f}): it is not single documents.")
            return Findings(len(rows), examined, [], remark.format(loss=median(row_losses)))

        def excess(members: list[_Piece]) -> float:
            return sum(piece.nats - mean * piece.tokens for piece in members)

        worst_rows = sorted(by_row.values(), key=excess, reverse=True)[:WORST_ROWS]
        suspects = sorted((one for row in worst_rows for one in row), key=lambda one: excess([one]), reverse=True)
        least = max(0.0, _SHARE_OF_WORST * excess(suspects[:1]))
        return Findings(len(rows), examined, self._named([one for one in suspects if excess([one]) > least]))

    def _losses(self, rows: Integers, over: Callable[[], bool]) -> list[_Piece]:
        """The loss of every piece of the rows, as far as time allows (one micro-batch at least)."""
        found: list[_Piece] = []
        for begin in range(0, len(rows), self._at_once()):
            if begin and over():
                break
            batch = self._table.batch(rows[begin : begin + self._at_once()])
            found += self._piece_losses(batch, [int(row) for row in batch.rows])
        return found

    @torch.no_grad()
    def _piece_losses(self, batch: Batch, rows: list[int], number: int | None = None) -> list[_Piece]:
        updater = self._updater
        on_device = to_device(batch, updater.device)
        with updater.autocast():
            hidden = updater.model(on_device.ids, on_device.positions, on_device.document_ids)
            losses = token_losses(hidden, updater.model.lm_head.weight, on_device.labels).cpu().double().numpy()
        found = []
        for place, row in enumerate(rows):
            labelled = batch.labels[place] != IGNORE
            for piece in range(1, int(batch.document_ids[place].max(initial=0)) + 1):
                own = labelled & (batch.document_ids[place] == piece)
                shown = piece - 1 if number is None else number
                found.append(_Piece(row, shown, float(losses[place][own].sum()), int(own.sum())))
        return found

    def _of_bad_rows(self, rows: list[int], over: Callable[[], bool]) -> list[_Piece]:
        """The pieces of these rows that are not finite when each is computed alone; where none is, all of the row."""
        found: list[_Piece] = []
        for row in rows:
            batch = self._table.batch([row])
            alone: list[_Piece] = []
            count = int(batch.document_ids.max(initial=0))
            for number in range(count):
                if over():
                    break
                single = _alone(batch, number + 1, self._table.pad_id)
                (piece,) = self._piece_losses(single, [row], number) or [_Piece(row, number, 0.0, 0)]
                alone.append(piece)
                if piece.finite and not self._is_sound(single):
                    alone[-1] = _Piece(row, number, math.nan, piece.tokens)
            guilty = [piece for piece in alone if not piece.finite]
            found += guilty or [_Piece(row, number, math.nan, 0) for number in range(count)]
        return found

    def _halve(self, rows: Integers, over: Callable[[], bool]) -> tuple[list[int], bool]:
        """The rows whose loss or gradient is not finite, found by halving: each half that is not is halved again. And
        whether all of several are, as far as was looked.
        """
        found: list[int] = []
        waiting, sound = [rows], 0
        while waiting and len(found) < WORST_ROWS and not over():
            part = waiting.pop()
            size = self._at_once()
            if all(self._is_sound(self._table.batch(part[b : b + size])) for b in range(0, len(part), size)):
                sound += len(part)
                continue
            if len(part) == 1:
                found.append(int(part[0]))
                continue
            waiting += [part[len(part) // 2 :], part[: len(part) // 2]]
        return found, len(found) > 1 and not sound

    def _is_sound(self, batch: Batch) -> bool:
        """Whether loss and gradients of a batch are finite; the gradients in hand are left alone."""
        updater = self._updater
        if not batch.target_tokens:
            return True
        loss = updater.loss_alone(to_device(batch, updater.device))
        if not math.isfinite(float(loss.detach())):
            return False
        # an update's loss is divided by its tokens, which the gradients of the whole are as well
        gradients = torch.autograd.grad(
            updater.scaler.scale_loss(loss / batch.target_tokens), updater.optimizer.parameters, allow_unused=True
        )
        return all(are_finite(gradient for gradient in gradients if gradient is not None))

    def _one_by_one(self, rows: Integers, over: Callable[[], bool]) -> list[tuple[int, float]]:
        """(row, nats a target token) of those above twice the median, worst first, by the very function that training
        computes its loss with.
        """
        found: list[tuple[int, float]] = []
        with torch.no_grad():
            for row in rows.tolist():
                if over():
                    return []
                batch = self._table.batch([row])
                if batch.target_tokens:
                    loss = self._updater.loss_alone(to_device(batch, self._updater.device))
                    found.append((row, float(loss) / batch.target_tokens))
        losses = [loss for _row, loss in found] or [0.0]
        worse = [entry for entry in found if entry[1] > 2 * median(losses)]
        return sorted(worse, key=lambda entry: entry[1], reverse=True)[:WORST_ROWS]

    def _named(self, pieces: list[_Piece]) -> list[NamedDocument]:
        """The documents of these pieces, each once, in their order."""
        table, cache = self._table, self._table.cache
        found: dict[int, NamedDocument] = {}
        for piece in pieces:
            document = int(table.piece_document[int(table.first_piece[piece.row]) + piece.number])
            if document in found:
                continue
            ids = [int(token) for token in cache.document(document)[:START_TOKENS]]
            start = " ".join(self._tokenizer.decode(ids).split())[:START_CHARACTERS]
            found[document] = NamedDocument(
                file=self.source,
                line=int(cache.lines[document]),
                hash=f"{int(cache.text_hashes[document]):016x}",
                loss=piece.nats / piece.tokens if piece.finite and piece.tokens else None,
                start=start,
            )
            if len(found) == KEPT_DOCUMENTS:
                break
        return list(found.values())


def weights_to_blame(names: list[str]) -> str:
    """What to say when the weights themselves are not finite."""
    return _(
        "The weights themselves are not finite ({n} tensors, {name} for example): no document is to blame."
    ).format(n=len(names), name=names[0])


def _did_not_repeat(loss: float, again: float, finite: bool) -> str:
    if not finite:
        return _("Looked at again, every row is finite: it did not repeat itself, so no document is to blame.")
    return _(
        "Looked at again, the loss is {again:.3f} instead of {loss:.3f}: it did not repeat itself, so no document is "
        "to blame."
    ).format(again=again, loss=loss)


def _mean(pieces: list[_Piece]) -> float:
    tokens = sum(piece.tokens for piece in pieces)
    return sum(piece.nats for piece in pieces) / tokens if tokens else 0.0


def _alone(batch: Batch, document: int, pad_id: int) -> Batch:
    """One piece of a batch of one row, in a row of its own."""
    own = np.flatnonzero(batch.document_ids[0] == document)
    width = batch.ids.shape[1]

    def moved(values: Integers, empty: int) -> Integers:
        row = np.full((1, width), empty, dtype=np.int64)
        row[0, : len(own)] = values[0, own]
        return row

    labels = moved(batch.labels, IGNORE)
    return Batch(
        ids=moved(batch.ids, pad_id),
        labels=labels,
        positions=moved(batch.positions, 0),
        document_ids=(moved(batch.document_ids, 0) > 0).astype(np.int64),
        target_tokens=int((labels != IGNORE).sum()),
        rows=batch.rows,
    )
