"""The nearest valid name to a misspelt one, for messages about presets, flags and settings."""

from collections.abc import Iterable

from engine.language import _


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that `name` most likely meant, or None when none is close.

    Upper and lower case, leading dashes and the kind of separator (`-`, `_`, `.`, space) do not count. Close means: the
    same words in another order, or at most one edit for every three letters (an edit inserts, deletes, replaces or
    swaps neighbours), or initials (`lr` for `learning_rate`), or an unfinished name (`batch` for `batch_size`). The
    closest wins, the first listed on a tie.
    """
    wanted = _plain(name)
    if not wanted:
        return None
    best: tuple[float, str] | None = None
    for candidate in candidates:
        cost = _cost(wanted, _plain(candidate))
        if cost is not None and (best is None or cost < best[0]):
            best = (cost, candidate)
    return None if best is None else best[1]


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """` Did you mean X?`, opening with a space to follow a sentence, or an empty string when nothing is close."""
    suggestion = nearest(name, candidates)
    return "" if suggestion is None else " " + _("Did you mean {name}?").format(name=suggestion)


def _plain(name: str) -> str:
    """`name` as it is compared: lower case, words joined by single underscores."""
    for separator in "-. ":
        name = name.replace(separator, "_")
    return "_".join(word for word in name.casefold().split("_") if word)


def _cost(wanted: str, candidate: str) -> float | None:
    """How far apart two plain names are, as a share of their length; None when they are not close."""
    if wanted == candidate:
        return 0.0
    if sorted(wanted.split("_")) == sorted(candidate.split("_")):
        return 0.01
    words = candidate.split("_")
    if len(words) > 1 and wanted == "".join(word[0] for word in words):
        return 0.02
    length = max(len(wanted), len(candidate))
    edits = min(_edits(wanted, candidate), 1 + _edits(wanted.replace("_", ""), candidate.replace("_", "")))
    if edits <= max(1, length // 3) and edits < length:
        return edits / length
    if len(wanted) >= 2 and candidate.startswith(wanted):
        return 0.5 + (length - len(wanted)) / (2 * length)
    return None


def _edits(left: str, right: str) -> int:
    """The edit distance that counts a swap of neighbours as one (optimal string alignment)."""
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, start=1):
        older, before, row = before, row, [i]
        for j, b in enumerate(right, start=1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and b == left[i - 2]:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
    return row[-1]
