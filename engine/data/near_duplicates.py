"""Texts that are almost the same: shingles, MinHash and banding over a sample."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SIMILAR = 0.7
"""Jaccard similarity of the shingle sets from which two texts count as near duplicates."""
_SHINGLE = 5
_HASHES = 48
_ROWS_PER_BAND = 4
_CHARACTERS = 1000
_SHORTEST = 20
_MOST_VERIFIED = 10_000

Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class NearDuplicates:
    """documents: texts compared; with_twin: those that have a near duplicate among them; pairs: the most similar ones,
    as (line, line, similarity)."""

    documents: int
    with_twin: int
    pairs: tuple[tuple[int, int, float], ...]

    @property
    def share(self) -> float:
        """Share of the compared texts that have a near duplicate among them."""
        return self.with_twin / self.documents if self.documents else 0.0


def find_near_duplicates(texts: Sequence[tuple[int, str]], *, examples: int = 3) -> NearDuplicates:
    """Near duplicates among (line, text) pairs of distinct texts; a text under 20 characters has too little to compare.

    A text is the set of its 5-character shingles, case and spaces evened out, of its first 1,000 characters. MinHash
    signatures (Broder 1997) in 12 bands of 4 find candidates: a pair at similarity 0.7 is found with probability 0.96,
    at 0.8 with 0.998. Every candidate is then compared exactly, so nothing is called similar that is not.
    """
    kept = [(line, " ".join(text[: 2 * _CHARACTERS].lower().split())[:_CHARACTERS]) for line, text in texts]
    kept = [(line, text) for line, text in kept if len(text) >= _SHORTEST]
    if len(kept) < 2:
        return NearDuplicates(len(kept), 0, ())
    sets = [_shingles(text) for _line, text in kept]
    signatures = _signatures(sets)
    twins = np.zeros(len(kept), dtype=bool)
    found: list[tuple[float, int, int]] = []
    for first, second in _candidates(signatures):
        if twins[first] and twins[second] and len(found) >= examples:
            continue
        similarity = _jaccard(sets[first], sets[second])
        if similarity >= SIMILAR:
            twins[[first, second]] = True
            found.append((similarity, first, second))
    found.sort(key=lambda pair: (-pair[0], pair[1], pair[2]))
    pairs = tuple((kept[first][0], kept[second][0], round(similarity, 3)) for similarity, first, second in found)
    return NearDuplicates(len(kept), int(twins.sum()), pairs[:examples])


def _shingles(text: str) -> Hashes:
    """The distinct hashes of all runs of 5 characters, sorted."""
    points = np.frombuffer(text.encode("utf-32-le"), dtype="<u4").astype(np.uint64)
    count = len(points) - _SHINGLE + 1
    value = np.zeros(count, dtype=np.uint64)
    for offset in range(_SHINGLE):
        value = value * np.uint64(0x100000001B3) + points[offset : offset + count]
    return np.unique(_mix(value))


def _mix(values: Hashes) -> Hashes:
    values = (values ^ (values >> np.uint64(31))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(29))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(32))


def _signatures(sets: Sequence[Hashes]) -> Hashes:
    """MinHash signatures (texts, 48): the smallest value of each set under 48 hash functions."""
    together = np.concatenate(sets)
    starts = np.cumsum([0, *(len(shingles) for shingles in sets[:-1])])
    # The shingles are mixed well already, so multiplying by odd numbers gives independent enough orders.
    factors = _mix(np.arange(1, _HASHES + 1, dtype=np.uint64)) | np.uint64(1)
    columns = [np.minimum.reduceat(together * factor, starts) for factor in factors]
    return np.stack(columns, axis=1)


def _candidates(signatures: Hashes) -> list[tuple[int, int]]:
    """Pairs that agree in a whole band, those that agree most first."""
    pairs: set[tuple[int, int]] = set()
    for begin in range(0, _HASHES, _ROWS_PER_BAND):
        band = signatures[:, begin : begin + _ROWS_PER_BAND]
        key = np.zeros(len(band), dtype=np.uint64)
        for column in band.T:
            key = _mix(key + column)
        order = np.argsort(key, kind="stable")
        same = np.flatnonzero(key[order[1:]] == key[order[:-1]])
        # A group of n alike gives n - 1 neighbouring pairs, not n * n: each member still meets one like it.
        pairs.update(zip(order[same].tolist(), order[same + 1].tolist(), strict=True))
    ordered = [(min(pair), max(pair)) for pair in pairs]
    if not ordered:
        return []
    index = np.array(sorted(set(ordered)))
    agreement = (signatures[index[:, 0]] == signatures[index[:, 1]]).mean(axis=1)
    best = index[np.argsort(-agreement, kind="stable")][:_MOST_VERIFIED]
    return [(int(first), int(second)) for first, second in best]


def _jaccard(first: Hashes, second: Hashes) -> float:
    common = len(np.intersect1d(first, second, assume_unique=True))
    return common / (len(first) + len(second) - common)
