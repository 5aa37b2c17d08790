"""Joining and pairing, as several attacks need it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.floating[Any]]
PART = 4000


def joined(wanted: Ints, values: Ints) -> tuple[Ints, Ints]:
    """Positions in `wanted` and rows of `values` that are equal; -1 joins nothing."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    start, end = np.searchsorted(ordered, wanted), np.searchsorted(ordered, wanted, side="right")
    counts = np.where(wanted < 0, 0, end - start)
    left = np.repeat(np.arange(len(wanted)), counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return left, order[np.repeat(start, counts) + within]


def alone_on_top(side: Ints, points: Ints) -> NDArray[np.bool_]:
    """Which pairs have more points than every other pair of their `side`."""
    most = np.full(int(side.max(initial=-1)) + 1, np.iinfo(np.int64).min)
    np.maximum.at(most, side, points)
    top = points == most[side]
    count = np.bincount(side[top], minlength=len(most))
    result: NDArray[np.bool_] = top & (count[side] == 1)
    return result


@dataclass(frozen=True, slots=True)
class Nearest:
    """Of each left row: the nearest right row, how near, and how much nearer than the second."""

    row: Ints
    likeness: Floats
    lead: Floats


def nearest(left: Floats, parts: Iterable[Floats]) -> Nearest:
    """By inner product of rows scaled to length 1; `left` (n, d), all rows of `parts` (m, d). Cost n x m x d."""
    left = unit(left)
    row = np.full(len(left), -1, np.int64)
    first, second = (np.full(len(left), -np.inf, np.float32) for _ in range(2))
    before = 0
    for part in parts:
        likeness = left @ unit(part).T
        at = np.arange(len(left))
        best = likeness.argmax(axis=1)
        top = likeness[at, best]
        likeness[at, best] = -np.inf
        second = np.maximum(np.maximum(second, likeness.max(axis=1)), np.minimum(first, top))
        row = np.where(top > first, before + best, row)
        first = np.maximum(first, top)
        before += len(part)
    return Nearest(row, first, first - second)


def in_parts(rows: Floats) -> Iterable[Floats]:
    """Parts of a matrix, small enough to compare a sample with each."""
    return (rows[start : start + PART] for start in range(0, len(rows), PART))


def unit(rows: Floats) -> Floats:
    """Rows scaled to length 1; rows of zeros stay."""
    length = np.sqrt((rows**2).sum(axis=1, keepdims=True))
    result: Floats = rows / np.maximum(length, np.float32(1e-9))
    return result
