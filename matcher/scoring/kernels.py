"""The loops of scoring, compiled. `tests/reference.py` says the same slowly; a hypothesis test holds the two together.

A pair of rows is compared once, in the first pass whose block they share. The distance of a field is the mean over all
the blocks they share, rounded half up: every block picked other bits of the same signatures, so the mean knows more.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

VETOED = np.float32(-1000.0)
"""Weight of a pair with two different values in a field that vetoes."""


@njit(cache=True, nogil=True, inline="always")
def _ones(word: np.uint32) -> int:
    """Bits set; the compiler makes one instruction of it. (Sums of 32-bit words are 64 bits wide here, hence the
    cast.)"""
    word = word - ((word >> np.uint32(1)) & np.uint32(0x55555555))
    word = (word & np.uint32(0x33333333)) + ((word >> np.uint32(2)) & np.uint32(0x33333333))
    word = (word + (word >> np.uint32(4))) & np.uint32(0x0F0F0F0F)
    return int(np.uint32(word * np.uint32(0x01010101)) >> np.uint32(24))


@njit(cache=True, nogil=True)
def distances(
    left: int,
    right: int,
    blocks: NDArray[np.int32],
    encodings: NDArray[np.uint32],
    field_masks: NDArray[np.uint16],
    word_ends: NDArray[np.int64],
    out: NDArray[np.int64],
) -> int:
    """Distance of each field of two rows into `out` (F,), -1 where either lacks it; how many blocks they share.

    `word_ends` (F,): where each field ends in an encoding, in 32-bit words. Distances are bits, 0 to the field's bits.
    """
    shared = 0
    out[:] = 0
    for p in range(blocks.shape[1]):
        if blocks[left, p] >= 0 and blocks[left, p] == blocks[right, p]:
            shared += 1
            word = 0
            for f in range(len(word_ends)):
                while word < word_ends[f]:
                    out[f] += _ones(encodings[left, p, word] ^ encodings[right, p, word])
                    word += 1
    both = field_masks[left] & field_masks[right]
    for f in range(len(word_ends)):
        if (both >> f) & 1 == 0 or shared == 0:
            out[f] = -1
        elif shared > 1:
            # an exact agreement shows in every block; any difference must not be rounded into one
            mean = (2 * out[f] + shared) // (2 * shared)
            out[f] = max(mean, 1) if out[f] > 0 else 0
    return shared


@njit(cache=True, nogil=True)
def weigh(  # noqa: PLR0912 - one pass over the fields, in order; a call from compiled code is no help to a reader
    distance: NDArray[np.int64],
    tables: NDArray[np.float32],
    alternative_of: NDArray[np.int64],
    comparison_of: NDArray[np.int64],
    vetoes: NDArray[np.bool_],
    least: NDArray[np.float32],
    priors: NDArray[np.float32],
    explains: NDArray[np.bool_],
    sums: NDArray[np.float32],
    weights: NDArray[np.float32],
) -> tuple[np.float32, int]:
    """Match weight of two rows in bits, and which rival it was won against; each field's part of it into `weights`
    (F,).

    A field has `tables[f, distance]` bits. Fields of an alternative add up; of a comparison's alternatives the best
    counts, and not less than its `least` (C,). The weight is the least over all rivals k of `priors[k]` and the fields
    that k does not explain (`explains` (K, F)). `alternative_of` (F,), `comparison_of` (A,), `sums` (A,) is room to
    work in. A missing field has 0 bits; a difference in a field that `vetoes` (F,) makes the weight `VETOED`.
    """
    fields, alternatives = len(distance), len(comparison_of)
    sums[:] = -np.inf
    for f in range(fields):
        weights[f] = 0.0
        if distance[f] >= 0:
            if vetoes[f] and distance[f] > 0:
                weights[:] = 0.0
                weights[f] = VETOED
                return VETOED, 0
            weights[f] = tables[f, distance[f]]
            a = alternative_of[f]
            sums[a] = weights[f] if sums[a] == -np.inf else sums[a] + weights[f]
    for f in range(fields):
        a = alternative_of[f]
        for other in range(alternatives):
            rival = comparison_of[other] == comparison_of[a] and other != a
            if rival and (sums[other] > sums[a] or (sums[other] == sums[a] and other < a)):
                weights[f] = 0.0
        floor = least[comparison_of[a]]
        if weights[f] != 0.0 and sums[a] < floor:
            weights[f] = weights[f] * floor / sums[a]
    lowest, won = np.float32(np.inf), 0
    for k in range(len(priors)):
        total = priors[k]
        for f in range(fields):
            if not explains[k, f]:
                total += weights[f]
        if total < lowest:
            lowest, won = total, k
    for f in range(fields):
        if explains[won, f]:
            weights[f] = 0.0
    return lowest, won


@njit(cache=True, nogil=True)
def score_rows(
    first: int,
    last: int,
    blocks: NDArray[np.int32],
    following: NDArray[np.int32],
    encodings: NDArray[np.uint32],
    field_masks: NDArray[np.uint16],
    agencies: NDArray[np.int16],
    word_ends: NDArray[np.int64],
    tables: NDArray[np.float32],
    alternative_of: NDArray[np.int64],
    comparison_of: NDArray[np.int64],
    vetoes: NDArray[np.bool_],
    least: NDArray[np.float32],
    priors: NDArray[np.float32],
    explains: NDArray[np.bool_],
    floor: np.float32,
    out_rows: NDArray[np.int32],
    out_weights: NDArray[np.float32],
    out_distances: NDArray[np.int16],
) -> tuple[int, int, int]:
    """Compare rows `first` to `last` (exclusive) with the older rows of their blocks held by other agencies.

    Pairs of weight `floor` or more go to `out_rows` (n, 2) and `out_weights` (n,), and their distances to
    `out_distances` (n, F) if that is not empty. Returns pairs written, pairs compared, and the row to go on from: less
    than `last` if the output had no room for a row's pairs.
    """
    written, compared = 0, 0
    distance = np.empty(len(word_ends), np.int64)
    weights = np.empty(len(word_ends), np.float32)
    sums = np.empty(len(comparison_of), np.float32)
    for row in range(first, last):
        before, before_compared = written, compared
        for p in range(blocks.shape[1]):
            if blocks[row, p] < 0:
                continue
            other = following[row, p]
            while other >= 0:
                fresh = agencies[other] != agencies[row]
                q = 0
                while fresh and q < p:
                    fresh = blocks[row, q] < 0 or blocks[row, q] != blocks[other, q]
                    q += 1
                if fresh:
                    compared += 1
                    distances(row, other, blocks, encodings, field_masks, word_ends, distance)
                    weight, _ = weigh(
                        distance, tables, alternative_of, comparison_of, vetoes, least, priors, explains, sums, weights
                    )
                    if weight >= floor:
                        if written == len(out_weights):
                            return before, before_compared, row
                        out_rows[written, 0] = other
                        out_rows[written, 1] = row
                        out_weights[written] = weight
                        if len(out_distances):
                            out_distances[written] = distance
                        written += 1
                other = following[other, p]
    return written, compared, last
