"""The loops of scoring, compiled. `tests/reference.py` says the same slowly; a hypothesis test holds the two together.

A pair of rows is compared once, in the first pass whose block they share. The distance of a field is the mean over all
the blocks they share, rounded half up: every block picked other bits of the same signatures, so the mean knows more.

Most pairs are strangers, and nearly all strangers share one block only: `score_rows` leaves those after a few fields
(`bound`), and goes the long way with the others.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array
from numpy.typing import NDArray

_AHEAD = 32
"""So many rows are being fetched while one is compared: they lie all over memory, and wait together, where each would
wait alone."""
_NONE = np.int32(-1)
_NOWHERE = np.int32(-2)
"""Stands for no block where it shall equal no other row's, nor its lack of one."""
_AGENCY = np.int32(255)
"""Of a row's origin, the bits of its agency: what lies above is its epoch."""
VETOED = np.float32(-1000.0)
"""Weight of a pair with two different values in a field that vetoes."""


def _count_ones(_context: Any, word: Any) -> Any:
    """Bits set in a word: the instruction itself, which the compiler does not make of the same written in Python."""

    def instruction(_: Any, builder: Any, __: Any, words: Any) -> Any:
        return builder.ctpop(words[0])

    return word(word), instruction


def _begin_fetching(_: Any, array: Any, index: Any) -> Any:
    """Have an entry of an array (n,) fetched from memory, and do not wait for it."""

    def instruction(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
        entries = make_array(signature.args[0])(context, builder, arguments[0])  # type: ignore[no-untyped-call]
        entry = builder.bitcast(builder.gep(entries.data, [arguments[1]]), byte)
        builder.call(prefetch, [entry, number(0), number(3), number(1)])  # data that will be read, to all caches
        return context.get_dummy_value()

    return types.void(array, types.intp), instruction


def _join_words(_: Any, array: Any, index: Any) -> Any:
    """Two words (n,) of 32 bits, from an index on, as one of 64: read as one, as the compiler does not read them."""

    def instruction(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        entries = make_array(signature.args[0])(context, builder, arguments[0])  # type: ignore[no-untyped-call]
        both = builder.bitcast(builder.gep(entries.data, [arguments[1]]), ir.IntType(64).as_pointer())
        return builder.load(both, align=4)

    return types.uint64(array, types.intp), instruction


_ones: Any = intrinsic(_count_ones)
_joined: Any = intrinsic(_join_words)
_fetch: Any = intrinsic(_begin_fetching)


@njit(cache=True, nogil=True)
def distances(
    left: int,
    right: int | np.int32,
    blocks: NDArray[np.int32],
    encodings: NDArray[np.uint32],
    field_masks: NDArray[np.uint16],
    word_ends: NDArray[np.int64],
    pass_of: NDArray[np.int64],
    out: NDArray[np.int64],
) -> int:
    """Distance of each field of two rows into `out` (F,), -1 where either lacks it; how many blocks they share.

    `word_ends` (F,): where each field ends in an encoding, in 32-bit words. Distances are bits, 0 to the field's bits.
    `pass_of` (F,): the pass whose block the rows must share to agree in the field (distance 0, else -1), -1 if encoded.
    """
    shared = 0
    out[:] = 0
    for p in range(blocks.shape[1]):
        if blocks[left, p] >= 0 and blocks[left, p] == blocks[right, p]:
            shared += 1
            word = 0
            for f in range(len(word_ends)):
                differing = 0
                while word < word_ends[f]:
                    differing += _ones(encodings[left, p, word] ^ encodings[right, p, word])
                    word += 1
                out[f] += differing
    both = field_masks[left] & field_masks[right]
    for f in range(len(word_ends)):
        p = pass_of[f]
        if p >= 0:
            out[f] = 0 if blocks[left, p] >= 0 and blocks[left, p] == blocks[right, p] else -1
        elif (both >> f) & 1 == 0 or shared == 0:
            out[f] = -1
        elif shared > 1:
            # an exact agreement shows in every block; any difference must not be rounded into one
            mean = (2 * out[f] + shared) // (2 * shared)
            out[f] = max(mean, 1) if out[f] > 0 else 0
    return shared


@njit(cache=True, nogil=True)
def sum_up(
    distance: NDArray[np.int64],
    table: NDArray[np.float32],
    alternative_of: NDArray[np.int64],
    comparison_of: NDArray[np.int64],
    least: NDArray[np.float32],
    sums: NDArray[np.float32],
) -> np.float32:
    """Weight in bits of two rows' distances, without a prior; each alternative's part of it into `sums` (A,), -inf
    where all its fields are missing.

    A field has `table[f, distance]` bits (F, D). Fields of an alternative (`alternative_of` (F,)) add up; of the
    alternatives of a comparison (`comparison_of` (A,), ascending) the best counts, and not less than its `least` (C,).
    """
    sums[:] = -np.inf
    for f in range(len(distance)):
        if distance[f] >= 0:
            a = alternative_of[f]
            weight = table[f, distance[f]]
            sums[a] = weight if sums[a] == -np.inf else sums[a] + weight
    total, best = np.float32(0.0), np.float32(-np.inf)
    for a in range(len(sums)):
        best = max(best, sums[a])
        if a + 1 == len(sums) or comparison_of[a + 1] != comparison_of[a]:
            if best > -np.inf:
                total += max(best, least[comparison_of[a]])
            best = np.float32(-np.inf)
    return total


@njit(cache=True, nogil=True)
def weigh(
    distance: NDArray[np.int64],
    tables: NDArray[np.float32],
    alternative_of: NDArray[np.int64],
    comparison_of: NDArray[np.int64],
    vetoes: NDArray[np.bool_],
    least: NDArray[np.float32],
    priors: NDArray[np.float32],
    floor: float,
    sums: NDArray[np.float32],
) -> tuple[np.float32, int]:
    """Match weight of two rows in bits, and which rival it was won against: the least over all rivals k of `priors[k]`
    and what `sum_up` finds with `tables[k]` (K, F, D). `VETOED` if a field that `vetoes` (F,) differs.

    A weight less than `floor` is that against some rival, not the least: most candidates are strangers, and the first
    rival says so."""
    for f in range(len(distance)):
        if vetoes[f] and distance[f] > 0:
            return VETOED, 0
    lowest, won = np.float32(np.inf), 0
    for k in range(len(priors)):
        total = priors[k] + sum_up(distance, tables[k], alternative_of, comparison_of, least, sums)
        if total < lowest:
            lowest, won = total, k
            if lowest < floor:
                break
    return lowest, won


@njit(cache=True, nogil=True)
def best_weights(
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    blocks: NDArray[np.int32],
    encodings: NDArray[np.uint32],
    field_masks: NDArray[np.uint16],
    word_ends: NDArray[np.int64],
    pass_of: NDArray[np.int64],
    tables: NDArray[np.float32],
    alternative_of: NDArray[np.int64],
    comparison_of: NDArray[np.int64],
    vetoes: NDArray[np.bool_],
    least: NDArray[np.float32],
    priors: NDArray[np.float32],
    out: NDArray[np.float64],
) -> None:
    """Weight in bits of the best comparison of the rows of two records, pair by pair, into `out` (n,); NaN where they
    share no block. `left`, `right` (n, 2): first row of each record and the row behind its last."""
    distance = np.empty(len(word_ends), np.int64)
    sums = np.empty(len(comparison_of), np.float32)
    for i in range(len(out)):
        out[i] = np.nan
        for a in range(left[i, 0], left[i, 1]):
            for b in range(right[i, 0], right[i, 1]):
                if distances(a, b, blocks, encodings, field_masks, word_ends, pass_of, distance):
                    weight, _ = weigh(
                        distance, tables, alternative_of, comparison_of, vetoes, least, priors, -np.inf, sums
                    )
                    if not weight <= out[i]:
                        out[i] = weight


@njit(cache=True, nogil=True)
def score_rows(
    first: int,
    last: int,
    blocks: NDArray[np.int32],
    following: NDArray[np.int32],
    encodings: NDArray[np.uint32],
    field_masks: NDArray[np.uint16],
    origins: NDArray[np.int32],
    word_ends: NDArray[np.int64],
    pass_of: NDArray[np.int64],
    tables: NDArray[np.float32],
    alternative_of: NDArray[np.int64],
    comparison_of: NDArray[np.int64],
    vetoes: NDArray[np.bool_],
    least: NDArray[np.float32],
    priors: NDArray[np.float32],
    steps: NDArray[np.void],
    step_table: NDArray[np.float32],
    limit: float,
    floor: float,
    out_rows: NDArray[np.int32],
    out_weights: NDArray[np.float32],
    out_distances: NDArray[np.int16],
) -> tuple[int, int, int]:
    """Compare rows `first` to `last` (exclusive) with the older rows of their blocks that are of their epoch and not of
    their agency.

    Pairs of weight `floor` or more go to `out_rows` (n, 2) and `out_weights` (n,), and their distances to
    `out_distances` (n, F) if that is not empty. Returns pairs written, pairs compared, and the row to go on from: less
    than `last` if the output had no room for a row's pairs. `steps`, `step_table`, `limit`: see `bound.Bound`.
    """
    written, compared, passes = 0, 0, blocks.shape[1]
    distance = np.empty(len(word_ends), np.int64)
    sums = np.empty(len(comparison_of), np.float32)
    own = np.empty(passes, np.int32)
    bounded = limit > -np.inf
    encoded, agreeing = _masks(pass_of, passes)
    step = steps[0]  # at hand for each pair: a field that vetoes, if there is one, tells most strangers
    veto, word, bits = step.field if step.vetoes else 0, step.word, step.bits
    for row in range(first, last):
        before, before_compared = written, compared
        origin, mask = origins[row], field_masks[row] & encoded
        _copy(blocks[row], own)
        for p in range(passes):
            at = following[p, row] if own[p] >= 0 else _NONE
            after = following[p, row + 1] if row + 1 < last else _NONE
            if after >= 0:  # most lists are short: of the next row's, fetch what is known
                _fetch(following[p], after)
                _fetch_row(after, p, encodings, blocks, field_masks, origins)
            encoding, ahead = encodings[row, p], at
            own_word = _joined(encoding, word)
            for _ in range(_AHEAD):
                if ahead < 0:
                    break
                _fetch_row(ahead, p, encodings, blocks, field_masks, origins)
                ahead = following[p, ahead]
            while at >= 0:
                other = at
                at = following[p, at]
                if ahead >= 0:
                    _fetch_row(ahead, p, encodings, blocks, field_masks, origins)
                    ahead = following[p, ahead]
                apart, shared = origins[other] ^ origin, _shared(own, blocks[other])
                if apart == 0 or apart > _AGENCY or (shared > 1 and _shared(own[:p], blocks[other]) > 0):
                    continue  # not to be compared, or they met in a pass before
                compared += 1
                present = mask & field_masks[other] | agreeing[p]
                if (
                    bounded
                    and shared == 1
                    and (
                        (present & veto and (own_word ^ _joined(encodings[other, p], word)) & bits)
                        or _is_below(limit, encoding, encodings[other, p], present, steps, step_table)
                    )
                ):
                    continue
                distances(row, other, blocks, encodings, field_masks, word_ends, pass_of, distance)
                weight, _ = weigh(distance, tables, alternative_of, comparison_of, vetoes, least, priors, floor, sums)
                if weight >= floor:
                    if written == len(out_weights):
                        return before, before_compared, row
                    out_rows[written, 0] = other
                    out_rows[written, 1] = row
                    out_weights[written] = weight
                    if len(out_distances):
                        out_distances[written] = distance
                    written += 1
    return written, compared, last


@njit(cache=True, nogil=True, forceinline=True)
def _fetch_row(
    row: int | np.int32,
    p: int,
    encodings: NDArray[np.uint32],
    blocks: NDArray[np.int32],
    field_masks: NDArray[np.uint16],
    origins: NDArray[np.int32],
) -> None:
    """Have all that `score_rows` reads of a row fetched from memory."""
    _fetch(origins, row)
    _fetch(blocks[row], 0)
    _fetch(blocks[row], blocks.shape[1] - 1)
    _fetch(field_masks, row)
    _fetch(encodings[row, p], 0)


@njit(cache=True, nogil=True)
def _masks(pass_of: NDArray[np.int64], passes: int) -> tuple[int, NDArray[np.int64]]:
    """Mask of the encoded fields, and for each pass (P,) that of the fields in which rows of one block agree."""
    encoded, agreeing = 0, np.zeros(passes, np.int64)
    for f in range(len(pass_of)):
        if pass_of[f] < 0:
            encoded |= 1 << f
        else:
            agreeing[pass_of[f]] |= 1 << f
    return encoded, agreeing


@njit(cache=True, nogil=True, forceinline=True)
def _copy(blocks: NDArray[np.int32], own: NDArray[np.int32]) -> None:
    """Blocks of a row (P,) into `own` (P,), for `_shared`."""
    for p in range(len(own)):
        own[p] = blocks[p] if blocks[p] >= 0 else _NOWHERE


@njit(cache=True, nogil=True, forceinline=True)
def _shared(own: NDArray[np.int32], blocks: NDArray[np.int32]) -> int:
    """How many of a row's blocks another has too, counted without a branch."""
    shared = 0
    for p in range(len(own)):
        shared += own[p] == blocks[p]
    return shared


@njit(cache=True, nogil=True, forceinline=True)
def _is_below(
    limit: float,
    left: NDArray[np.uint32],
    right: NDArray[np.uint32],
    present: int,
    steps: NDArray[np.void],
    table: NDArray[np.float32],
) -> bool:
    """Whether two rows that share one block, whose encodings (W / 4,) are given, are vetoed or surely add less than
    `limit` bits. `present`: mask of the fields that both have; `steps`, `table`: see `bound.Bound`."""
    total, best, added = np.float32(0.0), np.float32(-np.inf), np.float32(0.0)
    for i in range(len(steps)):
        step = steps[i]
        if present & step.field:
            differing = np.int64(_ones((_joined(left, step.word) ^ _joined(right, step.word)) & step.bits))
            if step.vetoes and differing > 0:
                return True
            added += table[i, differing]
        if step.alternative:
            if present & step.alternative:
                best = max(best, added)
            added = np.float32(0.0)
        if step.ends:
            if best > -np.inf:
                total += max(best, step.least)
            if total + step.others < limit:
                return True
            best = np.float32(-np.inf)
    return False
