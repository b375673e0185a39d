"""Best-fit decreasing packing of pieces into rows, by length rather than by piece, so a million take under a second."""

import numpy as np
import numpy.typing as npt


def pack_best_fit(lengths: npt.NDArray[np.int64], capacity: int) -> tuple[npt.NDArray[np.int64], int]:
    """Put pieces into rows of `capacity` positions: (row of each piece (pieces,), number of rows).

    Longest pieces first, each into the fullest row that still has room: at most 11/9 of the fewest possible rows, plus
    one (Johnson 1973 gives this bound for best-fit decreasing). Pieces of one length are alike, so whole groups are
    placed at once: equal in result to placing them singly. A function of its arguments alone.
    lengths lie in 1..capacity.
    """
    order = np.argsort(-lengths, kind="stable")
    counts = np.bincount(lengths, minlength=capacity + 1)
    row_of_sorted = np.empty(len(lengths), dtype=np.int64)
    rows = _OpenRows(capacity)
    placed = 0
    for length in np.flatnonzero(counts)[::-1].tolist():
        left = int(counts[length])
        while left:
            space = rows.tightest(length)
            # A row taken for this length stays the fullest that fits, until it has no room for another such piece.
            fits = (space or capacity) // length
            if left >= fits:
                chosen = rows.take(space, left // fits) if space else rows.new(left // fits)
                each = fits
            else:
                chosen = rows.take(space, 1) if space else rows.new(1)
                each = left
            amount = len(chosen) * each
            row_of_sorted[placed : placed + amount] = np.repeat(chosen, each)
            rows.give_back((space or capacity) - each * length, chosen)
            placed += amount
            left -= amount
    row_of_piece = np.empty(len(lengths), dtype=np.int64)
    row_of_piece[order] = row_of_sorted
    return row_of_piece, rows.count


class _OpenRows:
    """Rows with room left, kept by how much: stacks of arrays of row numbers, and a bit for every filled stack."""

    def __init__(self, capacity: int) -> None:
        self.count = 0
        self._stacks: list[list[npt.NDArray[np.int64]]] = [[] for _space in range(capacity + 1)]
        self._filled = 0

    def tightest(self, length: int) -> int:
        """The smallest room of an open row that holds `length`, 0 when there is none."""
        fitting = self._filled >> length
        return length + (fitting & -fitting).bit_length() - 1 if fitting else 0

    def new(self, amount: int) -> npt.NDArray[np.int64]:
        """Open `amount` rows."""
        self.count += amount
        return np.arange(self.count - amount, self.count)

    def take(self, space: int, most: int) -> npt.NDArray[np.int64]:
        """Remove up to `most` rows (at least one) from those with `space` positions left."""
        stack = self._stacks[space]
        top = stack.pop()
        if len(top) > most:
            stack.append(top[:-most])
            top = top[-most:]
        if not stack:
            self._filled &= ~(1 << space)
        return top

    def give_back(self, space: int, rows: npt.NDArray[np.int64]) -> None:
        """Note that `rows` have `space` positions left; full rows are closed."""
        if space:
            self._stacks[space].append(rows)
            self._filled |= 1 << space
