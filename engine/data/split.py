"""Which documents are held out for validation: chosen by the hash of their text, so that training sees no copy."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.data.token_cache import TokenCache

SHARE = 100
FEWEST = 64
MOST = 2000
_SAMPLED_DOCUMENTS = 400_000
_BLOCK = 2**20


@dataclass(frozen=True)
class Split:
    """training: bool (documents,), true where a document is trained on. validation: int64 indices, in file order.

    validation names one document of each held-out text that an evaluation reads, within its cap of tokens; held_out
    counts the texts that were chosen, left_out all documents that training loses by it, copies included.
    """

    training: npt.NDArray[np.bool_]
    validation: npt.NDArray[np.int64]
    held_out: int
    left_out: int


def choose_validation(cache: TokenCache, *, max_tokens: int) -> Split:
    """Hold out one distinct text in a hundred, at least 64 and at most 2,000, never more than a tenth of the data.

    The texts with the smallest hashes are taken, whatever the order of the file, except those so often repeated that
    training would lose more than a tenth of all documents. Evaluation reads them in hash order up to `max_tokens`
    target tokens (the eos of each included), at least one. With fewer than ten distinct texts nothing is held out.
    Memory stays bounded: of a large file only the documents with small hashes are looked at.
    """
    documents = cache.document_count
    fraction = min(1.0, _SAMPLED_DOCUMENTS / max(1, documents))
    index = _smallest(cache.text_hashes, fraction)
    hashes, first, copies = np.unique(cache.text_hashes[index], return_index=True, return_counts=True)
    if fraction < 1.0 and len(hashes) < 10 * MOST:  # few texts, many copies: the sample says too little
        fraction = 1.0
        index = np.arange(documents)
        hashes, first, copies = np.unique(cache.text_hashes, return_index=True, return_counts=True)
    distinct = int(len(hashes) / fraction)
    chosen = _within(copies, min(max(distinct // SHARE, FEWEST), MOST, distinct // 10), documents // 10)

    training = np.ones(documents, dtype=bool)
    training[index[np.isin(cache.text_hashes[index], hashes[chosen])]] = False

    examples = index[first[chosen]]
    offsets = cache.offsets
    targets = (offsets[examples + 1] - offsets[examples]).astype(np.int64) + 1
    within = np.cumsum(targets) <= max_tokens
    if len(examples) and not within.any():
        within[np.argmin(targets)] = True
    return Split(training, np.sort(examples[within]), len(examples), int(documents - training.sum()))


def _smallest(hashes: npt.NDArray[np.uint64], fraction: float) -> npt.NDArray[np.int64]:
    """Indices of the documents whose hash lies in the lowest `fraction` of all values."""
    if fraction >= 1.0:
        return np.arange(len(hashes))
    limit = np.uint64(int(fraction * 2**64))
    found = [np.flatnonzero(hashes[start : start + _BLOCK] < limit) + start for start in range(0, len(hashes), _BLOCK)]
    return np.concatenate(found)


def _within(copies: npt.NDArray[np.int64], wanted: int, allowed_documents: int) -> npt.NDArray[np.int64]:
    """The first `wanted` texts whose copies, together, are at most `allowed_documents`."""
    chosen: list[int] = []
    left = allowed_documents
    for text, count in enumerate(copies.tolist()):
        if len(chosen) >= wanted:
            break
        if count <= left:
            chosen.append(text)
            left -= count
    return np.array(chosen, dtype=np.int64)
