"""The order of rows in an epoch: a pseudo-random permutation computed where it is needed, never stored."""

import hashlib

import numpy as np
import numpy.typing as npt

_ROUNDS = 8
_SORTED_BELOW = 1024


def permuted(index: npt.NDArray[np.integer] | range, n: int, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """Where the positions `index` of an epoch's order lie in the table: permutation(n, seed, epoch)[index].

    A bijection of 0..n-1 decided by n, seed and epoch alone, the same on every platform. It costs memory for `index`
    only: a Feistel network over the next power of four (Luby and Rackoff 1988), whose values at or above n are sent
    through again until they fall below it (cycle walking, Black and Rogaway 2002). Up to 1,024 rows are sorted by a
    keyed hash instead: a network over so few bits mixes badly.
    Raises IndexError when an index lies outside 0..n-1.
    """
    values = np.asarray(index, dtype=np.int64)
    if values.size and (int(values.min()) < 0 or int(values.max()) >= n):
        raise IndexError(f"index outside 0..{n - 1}")
    keys = _round_keys(n, seed, epoch)
    if n <= _SORTED_BELOW:
        return _by_sorting(n, keys)[values]
    half_bits = ((n - 1).bit_length() + 1) // 2
    result = values.astype(np.uint64).reshape(-1)
    outside = np.arange(result.size)
    while outside.size:
        result[outside] = _feistel(result[outside], half_bits, keys)
        outside = outside[result[outside] >= n]
    return result.astype(np.int64).reshape(values.shape)


def _round_keys(n: int, seed: int, epoch: int) -> npt.NDArray[np.uint64]:
    digest = hashlib.blake2b(f"{n}/{seed}/{epoch}".encode(), digest_size=8 * _ROUNDS).digest()
    return np.frombuffer(digest, dtype="<u8").astype(np.uint64)


def _by_sorting(n: int, keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    return np.argsort(_mix(_mix(np.arange(n, dtype=np.uint64) + keys[0]) ^ keys[1]), kind="stable")


def _feistel(values: npt.NDArray[np.uint64], half_bits: int, keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    bits = np.uint64(half_bits)
    mask = np.uint64((1 << half_bits) - 1)
    left, right = values >> bits, values & mask
    for key in keys:
        left, right = right, left ^ (_mix(right + key) >> (np.uint64(64) - bits))
    return (left << bits) | right


def _mix(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Spread every input bit over all 64 (multiply by odd constants and fold; arithmetic modulo 2**64)."""
    values = (values ^ (values >> np.uint64(32))) * np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(29))) * np.uint64(0xD6E8FEB86659FD93)
    return values ^ (values >> np.uint64(32))
