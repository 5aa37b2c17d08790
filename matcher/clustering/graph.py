"""All links between records, in columns: 22 bytes a link and 4 a record, and room to grow."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from matcher.clustering.kernels import thread_links, unthread_links, walk
from matcher.model import Links

Numbers = NDArray[np.int64]
_Column = TypeVar("_Column", bound=np.generic)
_FIRST_CAPACITY = 1024
NO_LINK = -998.0
"""Up to this weight an entry is no link: it says what else is known of two records (`matcher.epochs`)."""


class LinkGraph:
    """Links by record. Not safe for several writers."""

    def __init__(self) -> None:
        self.head = np.full(_FIRST_CAPACITY, -1, np.int32)
        """By record: its first entry, -1 if it has no link."""
        self.ends = np.empty(2 * _FIRST_CAPACITY, np.int32)
        """By entry: the record at the other end. Entries 2i and 2i + 1 are link i, at its left and its right record."""
        self.following = np.empty(2 * _FIRST_CAPACITY, np.int32)
        """By entry: the record's next entry, -1 at the end."""
        self.weights = np.full(_FIRST_CAPACITY, np.nan, np.float32)
        """By link: bits, NaN where there is none (any more)."""
        self._count = 0
        self._free: list[int] = []
        self._seen = np.zeros(_FIRST_CAPACITY, np.bool_)

    def reserve(self, records: int) -> None:
        """Make room for records of numbers below `records`."""
        self.head = grown(self.head, records, -1)
        self._seen = grown(self._seen, records, 0)

    def add(self, links: Links) -> None:
        """Add links; room for their records must be there, and a pair must not have a link already."""
        reused = self._free[: len(links)]
        del self._free[: len(links)]
        fresh = len(links) - len(reused)
        slots = np.concatenate([np.array(reused, np.int64), np.arange(self._count, self._count + fresh)])
        self._count += fresh
        self.weights = grown(self.weights, self._count, np.nan)
        self.ends = grown(self.ends, 2 * self._count, -1)
        self.following = grown(self.following, 2 * self._count, -1)
        thread_links(slots, links.left, links.right, links.weight, self.head, self.ends, self.following, self.weights)

    def remove(self, record: int) -> None:
        """Remove all links of a record."""
        entry, degree = int(self.head[record]), 0
        while entry >= 0:
            entry, degree = int(self.following[entry]), degree + 1
        freed = np.empty(degree, np.int64)
        unthread_links(record, self.head, self.ends, self.following, self.weights, freed)
        self._free += freed.tolist()

    def neighbours(self, record: int) -> dict[int, float]:
        """Weight of the link to each record that a record has one to."""
        found: dict[int, float] = {}
        entry = int(self.head[record])
        while entry >= 0:
            found[int(self.ends[entry])] = float(self.weights[entry >> 1])
            entry = int(self.following[entry])
        return found

    def links(self) -> Links:
        """All links, in no order."""
        live = np.flatnonzero(~np.isnan(self.weights[: self._count]))
        left, right = self.ends[2 * live + 1].astype(np.int64), self.ends[2 * live].astype(np.int64)
        return Links(left, right, self.weights[live])

    def components(self, seeds: Numbers, least: float) -> tuple[Numbers, Numbers]:
        """Components of some records over links of `least` bits or more: members (M,) and offsets (C + 1,); component c
        has the members from `offsets[c]` to `offsets[c + 1]`, ascending."""
        room = min(len(self.head), len(seeds) + 2 * self._count)
        members, offsets = np.empty(room, np.int64), np.empty(room + 1, np.int64)
        columns = (self.head, self.ends, self.following, self.weights)
        count = walk(seeds, least, *columns, self._seen, members, offsets)
        return members[: offsets[count]].copy(), offsets[: count + 1].copy()


def grown(column: NDArray[_Column], needed: int, filling: float) -> NDArray[_Column]:
    """The column, or a longer copy of it with `filling` behind."""
    if needed <= len(column):
        return column
    longer = np.full(max(2 * len(column), needed), filling, column.dtype)
    longer[: len(column)] = column
    return longer
