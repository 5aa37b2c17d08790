"""The loops of the block index, compiled: interning 16-byte names and threading rows through their blocks."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

_NONE = np.int32(-1)


@njit(cache=True, nogil=True)
def intern(
    slots: NDArray[np.int32],
    keys: NDArray[np.uint64],
    count: int,
    wanted: NDArray[np.uint64],
    add: bool,
    found: NDArray[np.int32],
) -> int:
    """Numbers of `wanted` (n, 2) names into `found` (n,); the count of names after it.

    `slots` is an open-addressed table of a power of two entries holding numbers into `keys` (capacity, 2), -1 if free;
    it must have room. Names not there get the next number if `add`, else -1. Names are outputs of a PRF already, so
    their own bits are the hash.
    """
    mask = np.uint64(len(slots) - 1)
    for i in range(len(wanted)):
        high, low = wanted[i, 0], wanted[i, 1]
        at = high & mask
        while True:
            number = slots[at]
            if number == _NONE:
                if add:
                    number = np.int32(count)
                    slots[at] = number
                    keys[count, 0], keys[count, 1] = high, low
                    count += 1
                break
            if keys[number, 0] == high and keys[number, 1] == low:
                break
            at = (at + np.uint64(1)) & mask
        found[i] = number
    return count


@njit(cache=True, nogil=True)
def rehash(slots: NDArray[np.int32], keys: NDArray[np.uint64], count: int) -> None:
    """Fill an empty table with the first `count` names; erased names (all zero) are left out."""
    mask = np.uint64(len(slots) - 1)
    for number in range(count):
        if keys[number, 0] == 0 and keys[number, 1] == 0:
            continue
        at = keys[number, 0] & mask
        while slots[at] != _NONE:
            at = (at + np.uint64(1)) & mask
        slots[at] = number


@njit(cache=True, nogil=True)
def thread(
    first: int,
    last: int,
    blocks: NDArray[np.int32],
    head: NDArray[np.int32],
    size: NDArray[np.int32],
    following: NDArray[np.int32],
    cap: int,
) -> int:
    """Put rows `first` to `last` (exclusive) at the head of their blocks; how many places a full block refused.

    A place refused gets block -1 in `blocks`: the row is not compared through that pass.
    """
    refused = 0
    for row in range(first, last):
        for p in range(blocks.shape[1]):
            block = blocks[row, p]
            following[row, p] = _NONE
            if block < 0:
                continue
            if size[block] >= cap:
                blocks[row, p] = _NONE
                refused += 1
                continue
            following[row, p] = head[block]
            head[block] = row
            size[block] += 1
    return refused


@njit(cache=True, nogil=True)
def unthread(
    row: int,
    blocks: NDArray[np.int32],
    head: NDArray[np.int32],
    size: NDArray[np.int32],
    following: NDArray[np.int32],
    keys: NDArray[np.uint64],
) -> None:
    """Take one row out of its blocks; the token of a block left empty is erased."""
    for p in range(blocks.shape[1]):
        block = blocks[row, p]
        if block < 0:
            continue
        if head[block] == row:
            head[block] = following[row, p]
        else:
            at = head[block]
            while following[at, p] != row:
                at = following[at, p]
            following[at, p] = following[row, p]
        size[block] -= 1
        if size[block] == 0:
            keys[block] = 0
        blocks[row, p] = _NONE
