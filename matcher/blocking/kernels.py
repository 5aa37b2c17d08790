"""The loops of the block index, compiled: numbering 16-byte names and threading rows through their blocks."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

_NONE = np.int32(-1)
_NEVER = -1
_TOGETHER = 4
"""Rows whose blocks are fetched from memory together."""
SECRET_WORDS = 4
"""Of a table's secret, see `home_of`."""
_HALF = np.uint64(32)
_LOW_HALF = np.uint64(0xFFFFFFFF)


@njit(cache=True, nogil=True, inline="always")
def _folded(a: np.uint64, b: np.uint64) -> np.uint64:
    """Upper and lower half of the 128 bits of a product, put together by exclusive or."""
    a_low, a_high, b_low, b_high = a & _LOW_HALF, a >> _HALF, b & _LOW_HALF, b >> _HALF
    crossed = a_high * b_low
    middle = ((a_low * b_low) >> _HALF) + (crossed & _LOW_HALF) + a_low * b_high
    return (a * b) ^ (a_high * b_high + (crossed >> _HALF) + (middle >> _HALF))


@njit(cache=True, nogil=True, inline="always")
def home_of(first: np.uint64, second: np.uint64, secret: NDArray[np.uint64]) -> np.uint64:
    """Where the search for a name begins in a table of that `secret` (4,), before it is cut to the table's size.

    A name's own bits are no hash: its sender chose them, and names that begin at one place are searched one by one.
    """
    return _folded(_folded(first ^ secret[0], second ^ secret[1]) ^ secret[2], secret[3])


@njit(cache=True, nogil=True, inline="always")
def _number_of(
    slots: NDArray[np.int32],
    keys: NDArray[np.uint64],
    secret: NDArray[np.uint64],
    count: int,
    first: np.uint64,
    second: np.uint64,
    add: bool,
) -> int:
    """Number of one name, see `intern`: `count` if it was added."""
    mask = np.uint64(len(slots) - 1)
    at = home_of(first, second, secret) & mask
    while True:
        number = int(slots[at]) - 1
        if number < 0:
            if add:
                number = count
                slots[at] = count + 1
                keys[count, 0], keys[count, 1] = first, second
            return number
        if keys[number, 0] == first and keys[number, 1] == second:
            return number
        at = (at + np.uint64(1)) & mask


@njit(cache=True, nogil=True)
def intern(
    slots: NDArray[np.int32],
    keys: NDArray[np.uint64],
    secret: NDArray[np.uint64],
    count: int,
    wanted: NDArray[np.uint64],
    add: bool,
    found: NDArray[np.int32],
) -> int:
    """Numbers of `wanted` (n, 2) names into `found` (n,); the count of names after it.

    `slots` is an open-addressed table of a power of two entries holding 1 + numbers into `keys` (capacity, 2), 0 if
    free; it must have room. Names not there get the next number if `add`, else -1. `secret` is the table's own, as of
    `home_of`.
    """
    for i in range(len(wanted)):
        found[i] = _number_of(slots, keys, secret, count, wanted[i, 0], wanted[i, 1], add)
        count += found[i] == count
    return count


@njit(cache=True, nogil=True)
def rehash(slots: NDArray[np.int32], keys: NDArray[np.uint64], secret: NDArray[np.uint64], count: int) -> None:
    """Fill an empty table with the first `count` names; erased names (all zero) are left out."""
    mask = np.uint64(len(slots) - 1)
    for number in range(count):
        if keys[number, 0] == 0 and keys[number, 1] == 0:
            continue
        at = home_of(keys[number, 0], keys[number, 1], secret) & mask
        while slots[at] != 0:
            at = (at + np.uint64(1)) & mask
        slots[at] = number + 1


@njit(cache=True, nogil=True)
def place(
    first: int,
    tokens: NDArray[np.uint64],
    pass_marks: NDArray[np.uint64],
    pass_masks: NDArray[np.uint16],
    slots: NDArray[np.int32],
    keys: NDArray[np.uint64],
    secret: NDArray[np.uint64],
    count: int,
    blocks: NDArray[np.int32],
    fronts: NDArray[np.int32],
    following: NDArray[np.int32],
    cap: int,
) -> tuple[int, int]:
    """Put new rows, `first` and on, at the head of the blocks that their `tokens` (n, P, 2) name; the count of names
    after it, and how many places a full block refused. `slots`, `keys`, `secret` and `count` as of `intern`;
    `fronts` (capacity, 2): 1 + the row at each block's head, 0 if there is none, and how many rows it has.

    `pass_marks` (P,), drawn at random and known to nobody, make a token its pass's own: one sent for two passes, in
    error or in malice, would tie their lists into a ring.

    A pass that `pass_masks` (n,) lacks, and a place refused, gets block -1 in `blocks`: the row is not compared through
    that pass.
    """
    refused = 0
    for i in range(len(tokens)):
        if i % _TOGETHER == 0:
            read = _touch(tokens[i : i + _TOGETHER], pass_marks, slots, keys, secret, fronts)
            if read == _NEVER:
                return count, refused
        row = first + i
        for p in range(blocks.shape[1]):
            blocks[row, p] = following[p, row] = _NONE
            if (pass_masks[i] >> p) & 1 == 0:
                continue
            block = _number_of(slots, keys, secret, count, tokens[i, p, 0], tokens[i, p, 1] ^ pass_marks[p], True)
            count += block == count
            if fronts[block, 1] >= cap:
                refused += 1
                continue
            blocks[row, p] = block
            following[p, row] = fronts[block, 0] - 1
            fronts[block, 0] = row + 1
            fronts[block, 1] += 1
    return count, refused


@njit(cache=True, nogil=True)
def _touch(
    tokens: NDArray[np.uint64],
    pass_marks: NDArray[np.uint64],
    slots: NDArray[np.int32],
    keys: NDArray[np.uint64],
    secret: NDArray[np.uint64],
    fronts: NDArray[np.int32],
) -> int:
    """Fetch from memory what the blocks of some rows are about to read. They lie all over it, and fetched together they
    wait together. Never `_NEVER`, but that the compiler must not know."""
    read = 0
    mask = np.uint64(len(slots) - 1)
    for i in range(tokens.shape[0]):
        for p in range(tokens.shape[1]):
            number = slots[home_of(tokens[i, p, 0], tokens[i, p, 1] ^ pass_marks[p], secret) & mask] - 1
            if number >= 0:
                read += int(keys[number, 0] & np.uint64(1)) + (fronts[number, 0] & 1)
    return read


@njit(cache=True, nogil=True)
def unthread(
    row: int,
    blocks: NDArray[np.int32],
    fronts: NDArray[np.int32],
    following: NDArray[np.int32],
    keys: NDArray[np.uint64],
) -> None:
    """Take one row out of its blocks; the token of a block left empty is erased."""
    for p in range(blocks.shape[1]):
        block = blocks[row, p]
        if block < 0:
            continue
        if fronts[block, 0] == row + 1:
            fronts[block, 0] = following[p, row] + 1
        else:
            at = fronts[block, 0] - 1
            while following[p, at] != row:
                at = following[p, at]
            following[p, at] = following[p, row]
        fronts[block, 1] -= 1
        if fronts[block, 1] == 0:
            keys[block] = 0
        blocks[row, p] = _NONE
